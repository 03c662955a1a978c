// Dropout by random numbers that go by a value's place in N×C×H×W order.

typedef uint64_t LongVector __attribute__((vector_size(8 * LANES)));

// The upper half of SplitMix64's result (Steele, Lea & Flood 2014) for its counter's value.
INLINE LongVector random32(LongVector z) {
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return (z ^ (z >> 31)) >> 32;
}

template <bool rectify>
static void drop(const CSDropout &dropout, const float *input, float *output, int64_t first,
                 int64_t last) {
  const uint64_t step = 0x9E3779B97F4A7C15;
  const int64_t plane = dropout.pixels * dropout.batch;
  // Images and lanes meet anew every LANES pixels, `batch` vectors: the counters from there on.
  std::vector<uint64_t> counters(size_t(dropout.batch * LANES));
  for (int64_t i = 0; i < dropout.batch * LANES; i++) {
    const int64_t image = i % dropout.batch, pixel = i / dropout.batch;
    counters[size_t(i)] =
        step * uint64_t((dropout.first_image + image) * dropout.channels * dropout.pixels + pixel + 1);
  }
  for (int64_t channel = first; channel < last; channel++) {
    const float *from = input + channel * plane;
    float *to = output + channel * plane;
    for (int64_t pixel = 0; pixel < dropout.pixels; pixel += LANES) {
      const uint64_t start =
          dropout.stream + step * uint64_t(channel * dropout.pixels + pixel);
      const int64_t end = std::min(plane, (pixel + LANES) * dropout.batch);
      const uint64_t *counter = counters.data();
      for (int64_t i = pixel * dropout.batch; i < end; i += LANES, counter += LANES) {
        LongVector numbers;
        std::memcpy(&numbers, counter, sizeof(numbers));
        const auto is_dropped = random32(numbers + start) < dropout.dropped;
        const Vector factor = __builtin_convertvector(is_dropped, IntVector)
                                  ? Vector{}
                                  : broadcast(dropout.scale);
        Vector value = load_up_to<Vector>(from + i, end - i);
        if (rectify) value = rectified(value);
        store_up_to(to + i, value * factor, end - i);
      }
    }
  }
}

static void dropout(const CSDropout *dropout, const float *input, float *output, int64_t first,
                    int64_t last) {
  (dropout->rectify ? drop<true> : drop<false>)(*dropout, input, output, first, last);
}

static void rectified_gradient(int64_t plane, float scale, const float *output,
                               const float *output_gradient, float *input_gradient, int64_t first,
                               int64_t last) {
  const int64_t end = last * plane;
  for (int64_t i = first * plane; i < end; i += wide) {
    const WideVector gradient = load_up_to<WideVector>(output_gradient + i, end - i);
    const WideVector passed = load_up_to<WideVector>(output + i, end - i);
    store_up_to(input_gradient + i, passed > 0 ? gradient * scale : WideVector{}, end - i);
  }
}

const DropoutKernels dropout_kernels = {dropout, rectified_gradient};
