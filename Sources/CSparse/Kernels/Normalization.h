// Batch normalisation, with the residual sum and the rectifier that follow it.

// Mean and biased variance of a plane: those of blocks, put together in double precision
// (Chan, Golub & LeVeque 1979). A block is read twice, the second time from the first-level cache.
static void moments(const float *plane, int64_t count, double &mean, double &variance) {
  double squares = 0;
  mean = 0;
  for (int64_t start = 0; start < count; start += block) {
    const float *values = plane + start;
    const int64_t length = std::min(block, count - start);
    WideVector sums{};
    for (int64_t i = 0; i < length; i += wide)
      sums += load_up_to<WideVector>(values + i, length - i);
    const float center = float(total(sums) / double(length));
    WideVector distances{}, squared{};
    for (int64_t i = 0; i < length; i += wide) {
      const WideVector distance = load_up_to<WideVector>(values + i, length - i, center) - center;
      distances += distance;
      squared += distance * distance;
    }
    const double distance = total(distances);
    const double shift = double(center) + distance / double(length) - mean;
    const double share = double(length) / double(start + length);
    squares += total(squared) - distance * distance / double(length) +
               shift * shift * double(start) * share;
    mean += shift * share;
  }
  variance = std::max(0.0, squares / double(count));
}

// output = (input - mean) * scale + shift.
struct Affine {
  double inverse_deviation;
  float mean, scale, shift;

  Affine(const CSBatchNorm &norm, int64_t channel) {
    const double weight = norm.weight == nullptr ? 1 : double(norm.weight[channel]);
    const double bias = norm.bias == nullptr ? 0 : double(norm.bias[channel]);
    inverse_deviation = 1 / std::sqrt(norm.variance[channel] + norm.epsilon);
    mean = float(norm.mean[channel]);
    scale = float(weight * inverse_deviation);
    // With what rounding the mean leaves over.
    shift = float(bias + (double(mean) - norm.mean[channel]) * weight * inverse_deviation);
  }

  WideVector operator()(WideVector input) const { return (input - mean) * scale + shift; }
};

template <bool has_residual, bool rectify>
static void normalize(const Affine &affine, const float *input, const float *residual,
                      float *output, int64_t count) {
  for (int64_t i = 0; i < count; i += wide) {
    WideVector value = affine(load_up_to<WideVector>(input + i, count - i));
    if (has_residual) value += load_up_to<WideVector>(residual + i, count - i);
    store_up_to(output + i, rectify ? rectified(value) : value, count - i);
  }
}

static void batch_norm_statistics(const CSBatchNorm *norm, int64_t first, int64_t last) {
  for (int64_t channel = first; channel < last; channel++)
    moments(norm->input + channel * norm->plane, norm->plane, norm->mean[channel],
            norm->variance[channel]);
}

static void batch_norm(const CSBatchNorm *norm, float *output, int64_t first, int64_t last) {
  const bool has_residual = norm->residual != nullptr;
  const auto body = has_residual ? (norm->rectify ? normalize<true, true> : normalize<true, false>)
                                 : (norm->rectify ? normalize<false, true> : normalize<false, false>);
  for (int64_t channel = first; channel < last; channel++) {
    const int64_t start = channel * norm->plane;
    body(Affine(*norm, channel), norm->input + start,
         has_residual ? norm->residual + start : nullptr, output + start, norm->plane);
  }
}

// Which values the rectifier let through: all without one, those whose output is positive with a
// residual, and without a residual the same ones, calculated anew from the input.
enum Passed { all_values, by_output, by_input };

template <Passed passed>
INLINE WideVector passed_gradient(const Affine &affine, const float *output, const float *gradient,
                                  WideVector input, int64_t rest) {
  const WideVector value = load_up_to<WideVector>(gradient, rest);
  if (passed == all_values) return value;
  const WideVector rectifier =
      passed == by_output ? load_up_to<WideVector>(output, rest) : affine(input);
  return rectifier > 0 ? value : WideVector{};
}

// With g the gradient before the rectifier and m the count of values:
// input gradient = scale * (g - sum(g) / m - normal * sum(g * normal) / m) in training, where the
// statistics depend on the input, and scale * g else.
template <Passed passed>
static void batch_norm_gradient_sums_of(const CSBatchNorm &norm,
                                        const CSBatchNormGradient &gradient, int64_t channel) {
  const int64_t count = norm.plane, start = channel * count;
  const Affine affine(norm, channel);
  const float *input = norm.input + start;
  const float *output = passed == by_output ? gradient.output + start : nullptr;
  const float *output_gradient = gradient.output_gradient + start;
  float *residual_gradient =
      passed == by_output ? gradient.residual_gradient + start : nullptr;

  double sum = 0, product_sum = 0;
  for (int64_t begin = 0; begin < count; begin += block) {
    const int64_t end = std::min(count, begin + block);
    WideVector sums{}, products{};
    for (int64_t i = begin; i < end; i += wide) {
      const WideVector value = load_up_to<WideVector>(input + i, end - i);
      const WideVector g =
          passed_gradient<passed>(affine, output + i, output_gradient + i, value, end - i);
      if (passed == by_output) store_up_to(residual_gradient + i, g, end - i);
      sums += g;
      products += g * (value - affine.mean);
    }
    sum += total(sums);
    product_sum += total(products);
  }
  // The true mean is the rounded one and a little.
  product_sum -= (norm.mean[channel] - double(affine.mean)) * sum;
  gradient.bias_gradient[channel] = float(sum);
  gradient.weight_gradient[channel] = float(product_sum * affine.inverse_deviation);
  gradient.sum[channel] = sum;
  gradient.product_sum[channel] = product_sum;
}

template <Passed passed>
static void batch_norm_gradient_of(const CSBatchNorm &norm, const CSBatchNormGradient &gradient,
                                   int64_t channel) {
  const int64_t count = norm.plane, start = channel * count;
  const Affine affine(norm, channel);
  const float *input = norm.input + start;
  const float *output = passed == by_output ? gradient.output + start : nullptr;
  const float *output_gradient = gradient.output_gradient + start;
  const float *residual_gradient =
      passed == by_output ? gradient.residual_gradient + start : nullptr;
  float *input_gradient = gradient.input_gradient + start;

  float slope = 0, constant = 0;
  if (norm.training) {
    const double inverse = affine.inverse_deviation, values = double(norm.count);
    slope = float(-double(affine.scale) * gradient.product_sum[channel] * inverse * inverse /
                  values);
    constant = float(-double(affine.scale) * gradient.sum[channel] / values);
  }
  for (int64_t i = 0; i < count; i += wide) {
    const WideVector value = load_up_to<WideVector>(input + i, count - i);
    const WideVector g =
        passed == by_output
            ? load_up_to<WideVector>(residual_gradient + i, count - i)
            : passed_gradient<passed>(affine, output + i, output_gradient + i, value, count - i);
    store_up_to(input_gradient + i, affine.scale * g + slope * (value - affine.mean) + constant,
                count - i);
  }
}

static void batch_norm_gradient_sums(const CSBatchNorm *norm, const CSBatchNormGradient *gradient,
                                     int64_t first, int64_t last) {
  const auto body = !norm->rectify               ? batch_norm_gradient_sums_of<all_values>
                    : norm->residual != nullptr ? batch_norm_gradient_sums_of<by_output>
                                                : batch_norm_gradient_sums_of<by_input>;
  for (int64_t channel = first; channel < last; channel++) body(*norm, *gradient, channel);
}

static void batch_norm_gradient(const CSBatchNorm *norm, const CSBatchNormGradient *gradient,
                                int64_t first, int64_t last) {
  const auto body = !norm->rectify               ? batch_norm_gradient_of<all_values>
                    : norm->residual != nullptr ? batch_norm_gradient_of<by_output>
                                                : batch_norm_gradient_of<by_input>;
  for (int64_t channel = first; channel < last; channel++) body(*norm, *gradient, channel);
}

const NormalizationKernels normalization_kernels = {batch_norm_statistics, batch_norm,
                                                    batch_norm_gradient_sums, batch_norm_gradient};
