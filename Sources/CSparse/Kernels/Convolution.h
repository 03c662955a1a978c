// Products with an unfolded tile: the inner loops of convolutions and linear layers.

// Rows of a map, and rows of gradients, that are called for before their turn: they lie where the
// processor's own prefetching does not look.
constexpr int64_t rows_ahead = 8, segments_ahead = 5;
// A block of the dense product: its accumulators, panel × strip, fill the registers.
constexpr int strip_vectors = LANES == 16 ? 4 : 2;

INLINE void copy(const float *from, float *to, int64_t count) {
  int64_t i = 0;
  for (; i + LANES <= count; i += LANES) store(to + i, load(from + i));
  if (i == count) return;
  if (count >= LANES) {
    store(to + count - LANES, load(from + count - LANES));
    return;
  }
  for (; i < count; i++) to[i] = from[i];
}

INLINE void clear(float *to, int64_t count) {
  int64_t i = 0;
  for (; i + LANES <= count; i += LANES) store(to + i, Vector{});
  for (; i < count; i++) to[i] = 0;
}

// Part of a row of a tile, from a row of the map, where `begin` to `end` of it lie in the map.
INLINE void copy_part(const float *from, int64_t begin, int64_t end, int64_t count, float *to) {
  clear(to, begin);
  copy(from + begin, to + begin, end - begin);
  clear(to + end, count - end);
}

// The same, of a map of which only every so many columns are read.
INLINE void copy_strided(const UnfoldSource &source, const float *from, int64_t first,
                         int64_t offset_x, int64_t count, float *to) {
  int64_t x = first / source.images, n = first % source.images;
  for (int64_t i = 0; i < count; x++, n = 0) {
    const int64_t at = x * source.stride_x + offset_x;
    const int64_t taken = std::min(source.images - n, count - i);
    if (at < 0 || at >= source.width)
      for (int64_t j = 0; j < taken; j++) to[i + j] = 0;
    else
      for (int64_t j = 0; j < taken; j++) to[i + j] = from[at * source.images + n + j];
    i += taken;
  }
}

void unfold(const UnfoldSource &source, const TilePart *parts, int part_count,
            const UnfoldedRow *rows, int64_t row_count, int64_t width, float *tile) {
  const int64_t row_size = source.width * source.images;
  const int64_t plane = source.height * row_size;
  // Rows of the same tap differ in their channel alone.
  for (int64_t r = 0, end_row = 0; r < row_count; r = end_row) {
    const UnfoldedRow tap = rows[r];
    for (end_row = r + 1; end_row < row_count && share_tap(rows[end_row], tap);) end_row++;
    float *to = tile + r * width;
    for (int p = 0; p < part_count; to += parts[p++].count) {
      const TilePart &part = parts[p];
      const int64_t y = part.row * source.stride_y + tap.offset_y;
      if (y < 0 || y >= source.height) {
        for (int64_t i = 0; i < end_row - r; i++) clear(to + i * width, part.count);
        continue;
      }
      const float *row = source.planes + y * row_size;
      if (source.stride_x == 1) {
        const int64_t first = part.first + tap.offset_x * source.images;
        const int64_t begin = std::min(std::max<int64_t>(-first, 0), part.count);
        const int64_t end = std::max(std::min(row_size - first, part.count), begin);
        for (int64_t i = 0; i < end_row - r; i++) {
          const float *next =
              row + rows[std::min(r + i + rows_ahead, end_row - 1)].channel * plane + first + begin;
          for (int64_t at = 0; at < end - begin; at += 16) __builtin_prefetch(next + at);
          copy_part(row + rows[r + i].channel * plane + first, begin, end, part.count,
                    to + i * width);
        }
      } else {
        for (int64_t i = 0; i < end_row - r; i++)
          copy_strided(source, row + rows[r + i].channel * plane, part.first, tap.offset_x,
                       part.count, to + i * width);
      }
    }
    const int64_t rest = tile + (r + 1) * width - to;
    for (int64_t i = 0; i < end_row - r; i++) clear(to + i * width, rest);
  }
}

// One load and multiply-add per vector of the tile and kept weight: the loads are the limit.
template <int vectors>
void multiply_kept(const float *tile, const Segment *segments, int64_t segment_count,
                   const uint16_t *rows, const float *values, float *sums) {
  constexpr int width = vectors * LANES;
  for (int64_t s = 0; s < segment_count; s++) {
    const Segment segment = segments[s];
    float *at = sums + static_cast<int64_t>(segment.output) * width;
    Vector sum[vectors];
    for (int j = 0; j < vectors; j++) sum[j] = load(at + j * LANES);
    const uint16_t *row = rows + segment.first;
    const float *value = values + segment.first;
    for (uint32_t i = 0; i < segment.count; i++) {
      const float *from = tile + static_cast<int64_t>(row[i]) * width;
      const Vector weight = broadcast(value[i]);
      for (int j = 0; j < vectors; j++) sum[j] += weight * load(from + j * LANES);
    }
    for (int j = 0; j < vectors; j++) store(at + j * LANES, sum[j]);
  }
}

// Sums over lanes in a fixed order, of four vectors at a time.
INLINE void add_sums(float *to, Vector a, Vector b, Vector c, Vector d) {
#if LANES == 16
  typedef float Half __attribute__((vector_size(32)));
#define FOLD(v)                                            \
  (__builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) + \
   __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15))
  const Half p = FOLD(a), q = FOLD(b), r = FOLD(c), s = FOLD(d);
#undef FOLD
#elif LANES == 8
  const Vector p = a, q = b, r = c, s = d;
#endif
  typedef float Quarter __attribute__((vector_size(16)));
  typedef float UnalignedQuarter __attribute__((vector_size(16), aligned(4)));
#if LANES == 4
  const Quarter e = a, f = b, g = c, h = d;
#else
#define FOLD(v) \
  (__builtin_shufflevector(v, v, 0, 1, 2, 3) + __builtin_shufflevector(v, v, 4, 5, 6, 7))
  const Quarter e = FOLD(p), f = FOLD(q), g = FOLD(r), h = FOLD(s);
#undef FOLD
#endif
  const Quarter ef = __builtin_shufflevector(e, f, 0, 4, 1, 5) +
                     __builtin_shufflevector(e, f, 2, 6, 3, 7);
  const Quarter gh = __builtin_shufflevector(g, h, 0, 4, 1, 5) +
                     __builtin_shufflevector(g, h, 2, 6, 3, 7);
  *reinterpret_cast<UnalignedQuarter *>(to) +=
      __builtin_shufflevector(ef, gh, 0, 1, 4, 5) + __builtin_shufflevector(ef, gh, 2, 3, 6, 7);
}

#if LANES == 16
// The same of eight vectors: halves, quarters and eighths of two vectors at a time become one vector.
INLINE void add_sums(float *to, const Vector (&v)[8]) {
  typedef float Half __attribute__((vector_size(32)));
  typedef float UnalignedHalf __attribute__((vector_size(32), aligned(4)));
  const auto halves = [](Vector a, Vector b) __attribute__((always_inline)) {
    return __builtin_shufflevector(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23) +
           __builtin_shufflevector(a, b, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30,
                                   31);
  };
  const auto quarters = [](Vector a, Vector b) __attribute__((always_inline)) {
    return __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
           __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
  };
  const Vector abcd = quarters(halves(v[0], v[1]), halves(v[2], v[3]));
  const Vector efgh = quarters(halves(v[4], v[5]), halves(v[6], v[7]));
  // Two lanes of each sum: a, e, b, f, c, g, d, h.
  const Vector pairs =
      __builtin_shufflevector(abcd, efgh, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29) +
      __builtin_shufflevector(abcd, efgh, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30, 31);
  const Half even = __builtin_shufflevector(pairs, pairs, 0, 4, 8, 12, 2, 6, 10, 14);
  const Half odd = __builtin_shufflevector(pairs, pairs, 1, 5, 9, 13, 3, 7, 11, 15);
  *reinterpret_cast<UnalignedHalf *>(to) += even + odd;
}
#endif

// What rows of a tile are made of: parts of a vector's size.
struct FloatRows {
  typedef float Element;
  typedef Vector Part;
  static constexpr int parts = tile_vectors, elements = LANES;

  static INLINE_MEMBER Part load(const float *at) { return ::load(at); }
  static INLINE_MEMBER Vector product(Part a, Part b, Vector sum) { return sum + a * b; }
};

// The products of some rows with the output's gradient. Each sum waits for its last product, so there
// must be several on the way at once.
template <typename Rows, int count>
INLINE void sample_rows(const typename Rows::Element *tile, const uint16_t *rows,
                        const typename Rows::Part (&output)[Rows::parts], Vector (&sum)[count]) {
#pragma unroll
  for (int k = 0; k < count; k++) {
    const auto *from = tile + static_cast<int64_t>(rows[k]) * Rows::parts * Rows::elements;
    sum[k] = Vector{};
#pragma unroll
    for (int j = 0; j < Rows::parts; j++)
      sum[k] = Rows::product(output[j], Rows::load(from + j * Rows::elements), sum[k]);
  }
}

// The gradient of kept weights: the output's gradient stays in registers.
template <typename Rows>
void sample_kept(const typename Rows::Element *tile, const Segment *segments,
                 int64_t segment_count, const uint16_t *rows,
                 const typename Rows::Element *gradient, float *weights) {
  constexpr int64_t width = Rows::parts * Rows::elements;
  for (int64_t s = 0; s < segment_count; s++) {
    const Segment segment = segments[s];
    const auto *at = gradient + segment.output * width;
    const auto *next =
        gradient + segments[std::min(s + segments_ahead, segment_count - 1)].output * width;
    typename Rows::Part output[Rows::parts];
    for (int j = 0; j < Rows::parts; j++) {
      __builtin_prefetch(next + j * Rows::elements);
      output[j] = Rows::load(at + j * Rows::elements);
    }
    const uint16_t *row = rows + segment.first;
    float *weight = weights + segment.first;
    uint32_t i = 0;
#if LANES == 16
    for (; i + 8 <= segment.count; i += 8) {
      Vector sum[8];
      sample_rows<Rows>(tile, row + i, output, sum);
      add_sums(weight + i, sum);
    }
#endif
    for (; i + 4 <= segment.count; i += 4) {
      Vector sum[4];
      sample_rows<Rows>(tile, row + i, output, sum);
      add_sums(weight + i, sum[0], sum[1], sum[2], sum[3]);
    }
    if (i == segment.count) continue;
    Vector sum[4] = {};
    float rest[4] = {};
    for (uint32_t k = 0; i + k < segment.count; k++) {
      Vector one[1];
      sample_rows<Rows>(tile, row + i + k, output, one);
      sum[k] = one[0];
    }
    add_sums(rest, sum[0], sum[1], sum[2], sum[3]);
    for (uint32_t k = 0; i + k < segment.count; k++) weight[i + k] += rest[k];
  }
}

// All weights of a block of rows, `panel_rows` outputs at a time.
template <int vectors>
void multiply_all(const float *tile, int64_t row_count, const float *panels, int64_t panel_stride,
                  int64_t panel_count, float *sums) {
  constexpr int width = vectors * LANES;
  constexpr int strip = vectors < strip_vectors ? vectors : strip_vectors;
  for (int first = 0; first < vectors; first += strip)
    for (int64_t p = 0; p < panel_count; p++) {
      const float *panel = panels + p * panel_stride;
      float *at = sums + p * panel_rows * width + first * LANES;
      Vector sum[panel_rows][strip];
      for (int o = 0; o < panel_rows; o++)
        for (int j = 0; j < strip; j++) sum[o][j] = load(at + o * width + j * LANES);
      const float *from = tile + first * LANES;
      for (int64_t r = 0; r < row_count; r++, from += width, panel += panel_rows) {
        Vector value[strip];
        for (int j = 0; j < strip; j++) value[j] = load(from + j * LANES);
        for (int o = 0; o < panel_rows; o++) {
          const Vector weight = broadcast(panel[o]);
          for (int j = 0; j < strip; j++) sum[o][j] += weight * value[j];
        }
      }
      for (int o = 0; o < panel_rows; o++)
        for (int j = 0; j < strip; j++) store(at + o * width + j * LANES, sum[o][j]);
    }
}

// The gradients of all weights of four rows and `output_count` (1 to 3) outputs.
template <int output_count>
INLINE void sample_four(const float *tile, int64_t vectors, const float *gradient, float *weights,
                        int64_t weight_stride) {
  const int64_t width = vectors * LANES;
  Vector sum[output_count][4] = {};
  for (int64_t j = 0; j < vectors; j++) {
    Vector output[output_count];
    for (int o = 0; o < output_count; o++)
      output[o] = load(gradient + o * width + j * LANES);
    for (int k = 0; k < 4; k++) {
      const Vector value = load(tile + k * width + j * LANES);
      for (int o = 0; o < output_count; o++) sum[o][k] += output[o] * value;
    }
  }
  for (int o = 0; o < output_count; o++)
    add_sums(weights + o * weight_stride, sum[o][0], sum[o][1], sum[o][2], sum[o][3]);
}

// `row_count` is a multiple of 4.
void sample_all(const float *tile, int64_t row_count, int64_t vectors, const float *gradient,
                int64_t output_count, float *weights, int64_t weight_stride) {
  const int64_t width = vectors * LANES;
  for (int64_t o = 0; o < output_count; o += 3) {
    const float *from = gradient + o * width;
    float *to = weights + o * weight_stride;
    for (int64_t r = 0; r < row_count; r += 4) {
      const float *rows = tile + r * width;
      switch (std::min<int64_t>(output_count - o, 3)) {
        case 1:
          sample_four<1>(rows, vectors, from, to + r, weight_stride);
          break;
        case 2:
          sample_four<2>(rows, vectors, from, to + r, weight_stride);
          break;
        default:
          sample_four<3>(rows, vectors, from, to + r, weight_stride);
      }
    }
  }
}

// A row of sums to its place, finished on the way.
void finish(const float *sums, int64_t count, const float *residual, float scale, float shift,
            bool rectify, float *output) {
  const Vector factor = broadcast(scale), term = broadcast(shift);
  int64_t i = 0;
  for (; i + LANES <= count; i += LANES) {
    Vector value = load(sums + i) * factor + term;
    if (residual != nullptr) value += load(residual + i);
    store(output + i, rectify ? rectified(value) : value);
  }
  for (; i < count; i++) {
    float value = sums[i] * scale + shift;
    if (residual != nullptr) value += residual[i];
    output[i] = rectify && value < 0 ? 0 : value;
  }
}

const ConvolutionKernels convolution_kernels = {
    LANES,
    unfold,
    {multiply_kept<1>, multiply_kept<2>, multiply_kept<4>, multiply_kept<8>},
    sample_kept<FloatRows>,
#ifdef BFLOAT16
    sample_kept<PackedRows>,
    pack,
#else
    nullptr,
    nullptr,
#endif
    {multiply_all<1>, multiply_all<2>, multiply_all<4>, multiply_all<8>},
    sample_all,
    finish,
};
