// Products with an unfolded tile: the inner loops of convolutions and linear layers.

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

void unfold(const UnfoldSource &source, const TilePart *parts, int part_count,
            const UnfoldedRow *rows, int64_t row_count, int64_t width, float *tile) {
  const int64_t row_size = source.width * source.images;
  for (int64_t r = 0; r < row_count; r++) {
    const float *plane = source.planes + rows[r].channel * source.height * row_size;
    float *to = tile + r * width;
    for (int p = 0; p < part_count; p++) {
      const TilePart &part = parts[p];
      const int64_t y = part.row * source.stride_y + rows[r].offset_y;
      if (y < 0 || y >= source.height) {
        clear(to, part.count);
        to += part.count;
        continue;
      }
      const float *from = plane + y * row_size;
      if (source.stride_x == 1) {
        const int64_t first = part.first + rows[r].offset_x * source.images;
        const int64_t begin = std::min(std::max<int64_t>(-first, 0), part.count);
        const int64_t end = std::max(std::min(row_size - first, part.count), begin);
        clear(to, begin);
        copy(from + first + begin, to + begin, end - begin);
        clear(to + end, part.count - end);
      } else {
        int64_t x = part.first / source.images, n = part.first % source.images;
        for (int64_t i = 0; i < part.count; x++, n = 0) {
          const int64_t at = x * source.stride_x + rows[r].offset_x;
          const int64_t count = std::min(source.images - n, part.count - i);
          if (at < 0 || at >= source.width)
            for (int64_t j = 0; j < count; j++) to[i + j] = 0;
          else
            for (int64_t j = 0; j < count; j++) to[i + j] = from[at * source.images + n + j];
          i += count;
        }
      }
      to += part.count;
    }
    clear(to, tile + (r + 1) * width - to);
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

// The gradient of kept weights: the output's gradient stays in registers.
void sample_kept(const float *tile, const Segment *segments, int64_t segment_count,
                 const uint16_t *rows, const float *gradient, float *weights) {
  constexpr int vectors = tile_vectors, width = vectors * LANES;
  for (int64_t s = 0; s < segment_count; s++) {
    const Segment segment = segments[s];
    const float *at = gradient + static_cast<int64_t>(segment.output) * width;
    Vector output[vectors];
    for (int j = 0; j < vectors; j++) output[j] = load(at + j * LANES);
    const uint16_t *row = rows + segment.first;
    float *weight = weights + segment.first;
    uint32_t i = 0;
    for (; i + 4 <= segment.count; i += 4) {
      Vector sum[4] = {};
      for (int k = 0; k < 4; k++) {
        const float *from = tile + static_cast<int64_t>(row[i + k]) * width;
        for (int j = 0; j < vectors; j++) sum[k] += output[j] * load(from + j * LANES);
      }
      add_sums(weight + i, sum[0], sum[1], sum[2], sum[3]);
    }
    if (i == segment.count) continue;
    Vector sum[4] = {};
    float rest[4] = {};
    for (uint32_t k = 0; i + k < segment.count; k++) {
      const float *from = tile + static_cast<int64_t>(row[i + k]) * width;
      for (int j = 0; j < vectors; j++) sum[k] += output[j] * load(from + j * LANES);
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
    sample_kept,
    {multiply_all<1>, multiply_all<2>, multiply_all<4>, multiply_all<8>},
    sample_all,
    finish,
};
