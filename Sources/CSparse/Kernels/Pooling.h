// Pooling over windows, and over all of a picture.

typedef int32_t WideIntVector __attribute__((vector_size(16 * LANES)));
typedef uint16_t TapVector __attribute__((vector_size(8 * LANES)));

// A row of a picture with its padding, where columns a stride apart are neighbours: so a tap of the
// windows finds its values for all columns of the output one after the other.
struct SpreadRows {
  const CSWindows &windows;
  int64_t reach;   // columns in each of the `stride_width` parts
  int64_t length;  // values of a row, and room for a vector that reaches over its end

  explicit SpreadRows(const CSWindows &windows) : windows(windows) {
    reach = windows.output_width +
            (windows.kernel_width - 1) * windows.dilation_width / windows.stride_width;
    length = windows.stride_width * reach * windows.batch + wide;
  }

  // Where a tap finds its value for the output's first column.
  int64_t offset(int64_t tap) const {
    const int64_t column = tap * windows.dilation_width;
    return (column % windows.stride_width * reach + column / windows.stride_width) * windows.batch;
  }

  // `spread` holds the padding's value wherever the picture does not reach.
  void spread(const float *row, float *spread) const {
    each_part([&](int64_t in_spread, int64_t in_row, int64_t columns) {
      copy(row + in_row, windows.stride_width * windows.batch, spread + in_spread, windows.batch,
           columns);
    });
  }

  // The other way. Columns that no window sees become 0.
  void gather(const float *spread, float *row) const {
    std::memset(row, 0, size_t(windows.width * windows.batch) * sizeof(float));
    each_part([&](int64_t in_spread, int64_t in_row, int64_t columns) {
      copy(spread + in_spread, windows.batch, row + in_row, windows.stride_width * windows.batch,
           columns);
    });
  }

 private:
  // Where the picture's columns of a part begin here and in the row, and how many they are.
  template <typename Body>
  INLINE_MEMBER void each_part(Body body) const {
    const int64_t stride = windows.stride_width;
    for (int64_t part = 0; part < stride; part++) {
      const int64_t before = std::max<int64_t>(0, windows.padding_width - part);
      const int64_t first = (before + stride - 1) / stride;
      const int64_t column = first * stride + part - windows.padding_width;
      const int64_t columns =
          std::min(reach - first, (windows.width - column + stride - 1) / stride);
      body((part * reach + first) * windows.batch, column * windows.batch, columns);
    }
  }

  // Columns that lie `from_step` values apart to where they lie `to_step` apart.
  INLINE_MEMBER void copy(const float *from, int64_t from_step, float *to, int64_t to_step,
                          int64_t columns) const {
    if (from_step == to_step) {
      if (columns > 0) std::memcpy(to, from, size_t(columns * to_step) * sizeof(float));
      return;
    }
    with_batch(windows.batch, [=](auto batch) mutable {
      for (; columns > 0; columns--, from += from_step, to += to_step)
        for (int64_t i = 0; i < batch; i++) to[i] = from[i];
    });
  }
};

// A window's value in a spread row.
struct Tap {
  const float *values;
  int32_t number;
};

// The rows that windows of one row of the output need, spread, and the taps into them.
class WindowRows {
 public:
  WindowRows(const CSWindows &windows, float padding)
      : windows(windows), rows(windows),
        spread(size_t(windows.kernel_height * rows.length), padding) {
    taps.reserve(size_t(windows.kernel_height * windows.kernel_width));
  }

  const std::vector<Tap> &of(const float *picture, int64_t output_row) {
    taps.clear();
    for (int64_t i = 0; i < windows.kernel_height; i++) {
      const int64_t y = output_row * windows.stride_height - windows.padding_height +
                        i * windows.dilation_height;
      if (y < 0 || y >= windows.height) continue;
      float *row = spread.data() + i * rows.length;
      rows.spread(picture + y * windows.width * windows.batch, row);
      for (int64_t j = 0; j < windows.kernel_width; j++)
        taps.push_back({row + rows.offset(j), int32_t(i * windows.kernel_width + j)});
    }
    return taps;
  }

 private:
  const CSWindows &windows;
  SpreadRows rows;
  std::vector<float> spread;
  std::vector<Tap> taps;
};

template <bool keeps_taps>
static void max_pool_of(const CSWindows &windows, const float *input, float *output, uint16_t *taps,
                        int64_t first, int64_t last) {
  const float lowest = -std::numeric_limits<float>::infinity();
  const int64_t plane = windows.height * windows.width * windows.batch;
  const int64_t row = windows.output_width * windows.batch;
  WindowRows rows(windows, lowest);
  for (int64_t channel = first; channel < last; channel++)
    for (int64_t y = 0; y < windows.output_height; y++) {
      const std::vector<Tap> &all = rows.of(input + channel * plane, y);
      const int64_t start = (channel * windows.output_height + y) * row;
      for (int64_t i = 0; i < row; i += wide) {
        WideVector best = lowest - WideVector{};
        WideIntVector winner{};
        for (const Tap &tap : all) {
          const WideVector value = load_up_to<WideVector>(tap.values + i, wide);
          // The first of equal values, and not-a-number before any.
          const WideIntVector is_better = (value > best) | (value != value);
          best = is_better ? value : best;
          if (keeps_taps) winner = is_better ? tap.number - WideIntVector{} : winner;
        }
        store_up_to(output + start + i, best, row - i);
        if (!keeps_taps) continue;
        const TapVector numbers = __builtin_convertvector(winner, TapVector);
        std::memcpy(taps + start + i, &numbers,
                    size_t(std::min(row - i, wide)) * sizeof(uint16_t));
      }
    }
}

static void max_pool(const CSWindows *windows, const float *input, float *output, uint16_t *taps,
                     int64_t first, int64_t last) {
  (taps == nullptr ? max_pool_of<false> : max_pool_of<true>)(*windows, input, output, taps, first,
                                                             last);
}

// 1 / the number of values that a window's mean is over: rows times columns.
class Shares {
 public:
  explicit Shares(const CSWindows &windows) : columns(size_t(windows.output_width * windows.batch)) {
    const auto share = [&](int64_t i, int64_t kernel, int64_t stride, int64_t padding,
                           int64_t length) {
      const int64_t start = i * stride - padding;
      const int64_t end = std::min(start + kernel, length + padding);
      const int64_t count = windows.counts_padding
                                ? end - start
                                : std::min(end, length) - std::max<int64_t>(start, 0);
      return count > 0 ? 1 / float(count) : 0;
    };
    for (int64_t y = 0; y < windows.output_height; y++)
      rows.push_back(share(y, windows.kernel_height, windows.stride_height, windows.padding_height,
                           windows.height));
    for (size_t i = 0; i < columns.size(); i++)
      columns[i] = share(int64_t(i) / windows.batch, windows.kernel_width, windows.stride_width,
                         windows.padding_width, windows.width);
  }

  // Of the values from x on, `count` to the row's end.
  INLINE_MEMBER WideVector at(int64_t row, int64_t x, int64_t count) const {
    return load_up_to<WideVector>(columns.data() + x, count) * rows[size_t(row)];
  }

 private:
  std::vector<float> rows, columns;
};

static void average_pool(const CSWindows *windows, const float *input, float *output, int64_t first,
                         int64_t last) {
  const int64_t plane = windows->height * windows->width * windows->batch;
  const int64_t row = windows->output_width * windows->batch;
  const Shares shares(*windows);
  WindowRows rows(*windows, 0);
  for (int64_t channel = first; channel < last; channel++)
    for (int64_t y = 0; y < windows->output_height; y++) {
      const std::vector<Tap> &all = rows.of(input + channel * plane, y);
      float *to = output + (channel * windows->output_height + y) * row;
      for (int64_t i = 0; i < row; i += wide) {
        WideVector sum{};
        for (const Tap &tap : all) sum += load_up_to<WideVector>(tap.values + i, wide);
        store_up_to(to + i, sum * shares.at(y, i, row - i), row - i);
      }
    }
}

// Each row of the input collects what the windows that reach it have for it: of the largest value
// the output's gradient where `taps` says so, of a mean its share.
template <bool of_largest>
static void pool_gradient(const CSWindows &windows, const float *output_gradient,
                          const uint16_t *taps, const Shares *shares, float *input_gradient,
                          int64_t first, int64_t last) {
  const SpreadRows rows(windows);
  const int64_t width = windows.width * windows.batch;
  const int64_t output_width = windows.output_width * windows.batch;
  std::vector<float> sums(static_cast<size_t>(rows.length));
  // A row of the output, and zeros up to the end of its last vector.
  std::vector<float> gradient(static_cast<size_t>(output_width + wide));
  std::vector<int32_t> winners(static_cast<size_t>(output_width + wide));
  for (int64_t channel = first; channel < last; channel++)
    for (int64_t y = 0; y < windows.height; y++) {
      std::fill(sums.begin(), sums.end(), 0.f);
      for (int64_t i = 0; i < windows.kernel_height; i++) {
        const int64_t above = y + windows.padding_height - i * windows.dilation_height;
        const int64_t output_row = above / windows.stride_height;
        if (above < 0 || above % windows.stride_height != 0 ||
            output_row >= windows.output_height)
          continue;
        const int64_t start = (channel * windows.output_height + output_row) * output_width;
        std::copy_n(output_gradient + start, output_width, gradient.data());
        if (of_largest)
          std::copy_n(taps + start, output_width, winners.data());
        else
          for (int64_t x = 0; x < output_width; x += wide)
            store_up_to(gradient.data() + x,
                        load_up_to<WideVector>(gradient.data() + x, wide) *
                            shares->at(output_row, x, output_width - x),
                        wide);
        for (int64_t j = 0; j < windows.kernel_width; j++) {
          float *tap = sums.data() + rows.offset(j);
          const int32_t number = int32_t(i * windows.kernel_width + j);
          for (int64_t x = 0; x < output_width; x += wide) {
            WideVector value = load_up_to<WideVector>(gradient.data() + x, wide);
            if (of_largest) {
              WideIntVector winner;
              std::memcpy(&winner, winners.data() + x, sizeof(winner));
              value = winner == number ? value : WideVector{};
            }
            store_up_to(tap + x, load_up_to<WideVector>(tap + x, wide) + value, wide);
          }
        }
      }
      rows.gather(sums.data(), input_gradient + (channel * windows.height + y) * width);
    }
}

static void max_pool_gradient(const CSWindows *windows, const float *output_gradient,
                              const uint16_t *taps, float *input_gradient, int64_t first,
                              int64_t last) {
  pool_gradient<true>(*windows, output_gradient, taps, nullptr, input_gradient, first, last);
}

static void average_pool_gradient(const CSWindows *windows, const float *output_gradient,
                                  float *input_gradient, int64_t first, int64_t last) {
  const Shares shares(*windows);
  pool_gradient<false>(*windows, output_gradient, nullptr, &shares, input_gradient, first, last);
}

// Images and lanes meet anew every `batch` vectors: so many sums are kept side by side.
static void global_mean(int64_t batch, int64_t pixels, const float *input, float *output,
                        int64_t first, int64_t last) {
  const int64_t period = batch * LANES, plane = pixels * batch;
  std::vector<float> sums(static_cast<size_t>(period));
  std::vector<double> totals(static_cast<size_t>(batch));
  for (int64_t channel = first; channel < last; channel++) {
    const float *from = input + channel * plane;
    std::fill(totals.begin(), totals.end(), 0.0);
    // 64 values to a sum before they go to one in double precision.
    for (int64_t begin = 0; begin < plane; begin += 64 * period) {
      const int64_t end = std::min(plane, begin + 64 * period);
      std::fill(sums.begin(), sums.end(), 0.f);
      for (int64_t start = begin; start < end; start += period)
        for (int64_t i = 0; i < period && start + i < end; i += LANES)
          store(&sums[size_t(i)],
                load(&sums[size_t(i)]) + load_up_to<Vector>(from + start + i, end - start - i));
      for (int64_t i = 0; i < period; i++) totals[size_t(i % batch)] += double(sums[size_t(i)]);
    }
    for (int64_t image = 0; image < batch; image++)
      output[channel * batch + image] = float(totals[size_t(image)] / double(pixels));
  }
}

static void global_mean_gradient(int64_t batch, int64_t pixels, const float *output_gradient,
                                 float *input_gradient, int64_t first, int64_t last) {
  const int64_t period = batch * LANES, plane = pixels * batch;
  std::vector<float> shares(static_cast<size_t>(period));
  for (int64_t channel = first; channel < last; channel++) {
    for (int64_t i = 0; i < period; i++)
      shares[size_t(i)] = output_gradient[channel * batch + i % batch] / float(pixels);
    float *to = input_gradient + channel * plane;
    for (int64_t start = 0; start < plane; start += period)
      std::memcpy(to + start, shares.data(),
                  size_t(std::min(period, plane - start)) * sizeof(float));
  }
}

const PoolingKernels pooling_kernels = {max_pool,
                                        max_pool_gradient,
                                        average_pool,
                                        average_pool_gradient,
                                        global_mean,
                                        global_mean_gradient};
