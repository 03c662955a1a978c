// Pictures brought to another size: rows are blended whole, then columns, a run of `batch` values
// each.

typedef float ShortVector __attribute__((vector_size(16)));

INLINE ShortVector load_short(const float *at) {
  ShortVector value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

INLINE void store_short(float *at, ShortVector value) { std::memcpy(at, &value, sizeof(value)); }

// to = a * a_weight + b * b_weight
INLINE void blend(float *to, const float *a, float a_weight, const float *b, float b_weight,
                  int64_t count) {
  int64_t i = 0;
  for (; i + LANES <= count; i += LANES) store(to + i, load(a + i) * a_weight + load(b + i) * b_weight);
  for (; i + 4 <= count; i += 4)
    store_short(to + i, load_short(a + i) * a_weight + load_short(b + i) * b_weight);
  for (; i < count; i++) to[i] = a[i] * a_weight + b[i] * b_weight;
}

// to += from * weight
INLINE void add(float *to, const float *from, float weight, int64_t count) {
  int64_t i = 0;
  for (; i + LANES <= count; i += LANES) store(to + i, load(to + i) + load(from + i) * weight);
  for (; i + 4 <= count; i += 4)
    store_short(to + i, load_short(to + i) + load_short(from + i) * weight);
  for (; i < count; i++) to[i] += from[i] * weight;
}

static void resize(const CSResizing *resizing, const float *input, float *output, int64_t first,
                   int64_t last) {
  const int64_t batch = resizing->batch, row = resizing->width * batch;
  std::vector<float> blended(static_cast<size_t>(row));
  for (int64_t channel = first; channel < last; channel++) {
    const float *from = input + channel * resizing->height * row;
    for (int64_t y = 0; y < resizing->output_height; y++) {
      const CSBlend &rows = resizing->rows[y];
      blend(blended.data(), from + rows.first * row, rows.first_weight, from + rows.second * row,
            rows.second_weight, row);
      float *to = output + (channel * resizing->output_height + y) * resizing->output_width * batch;
      with_batch(resizing->batch, [&](auto batch) {
        for (int64_t x = 0; x < resizing->output_width; x++) {
          const CSBlend &columns = resizing->columns[x];
          blend(to + x * batch, blended.data() + columns.first * batch, columns.first_weight,
                blended.data() + columns.second * batch, columns.second_weight, batch);
        }
      });
    }
  }
}

static void resize_gradient(const CSResizing *resizing, const float *output_gradient,
                            float *input_gradient, int64_t first, int64_t last) {
  const int64_t batch = resizing->batch, row = resizing->output_width * batch;
  std::vector<float> gathered(static_cast<size_t>(row));
  for (int64_t channel = first; channel < last; channel++) {
    const float *from = output_gradient + channel * resizing->output_height * row;
    // The first row of the output that may take anything from the input's row.
    int64_t start = 0;
    for (int64_t y = 0; y < resizing->height; y++) {
      while (start < resizing->output_height && resizing->rows[start].second < y) start++;
      std::fill(gathered.begin(), gathered.end(), 0.f);
      for (int64_t i = start; i < resizing->output_height && resizing->rows[i].first <= y; i++) {
        const CSBlend &rows = resizing->rows[i];
        const float weight = (rows.first == y ? rows.first_weight : 0) +
                             (rows.second == y ? rows.second_weight : 0);
        if (weight != 0) add(gathered.data(), from + i * row, weight, row);
      }
      float *to = input_gradient + (channel * resizing->height + y) * resizing->width * batch;
      std::fill_n(to, resizing->width * batch, 0.f);
      with_batch(resizing->batch, [&](auto batch) {
        for (int64_t x = 0; x < resizing->output_width; x++) {
          const CSBlend &columns = resizing->columns[x];
          const float *gradient = gathered.data() + x * batch;
          add(to + columns.first * batch, gradient, columns.first_weight, batch);
          add(to + columns.second * batch, gradient, columns.second_weight, batch);
        }
      });
    }
  }
}

const ResizingKernels resizing_kernels = {resize, resize_gradient};
