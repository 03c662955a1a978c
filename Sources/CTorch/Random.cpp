// Random numbers by position: number i of a stream is a function of the stream's key and i alone, so
// they are drawn on all cores, and the same on any number of them.

#include <ATen/ops/arange.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mul.h>

#include <cmath>

#include "Border.h"

// SplitMix64 (Steele, Lea & Flood 2014), entered at any position.
static uint64_t random64(uint64_t stream, uint64_t position) {
  uint64_t z = stream + (position + 1) * 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

static uint32_t random32(uint64_t stream, uint64_t position) {
  return static_cast<uint32_t>(random64(stream, position) >> 32);
}

// Row-major float32 on the CPU, which the fills below walk through.
static float *values_of(CTensor *tensor) {
  at::Tensor &values = tensor->value;
  TORCH_CHECK(values.is_cpu() && values.scalar_type() == at::kFloat && values.is_contiguous(),
              "random numbers are drawn for row-major float32 on the CPU");
  return values.mutable_data_ptr<float>();
}

CError ct_fill_uniform(CTensor *tensor, double low, double high, uint64_t stream) {
  return guarded([&] {
    float *out = values_of(tensor);
    const float first = static_cast<float>(low), width = static_cast<float>(high - low);
    const float last = std::nextafter(static_cast<float>(high), first);
    parallel_ranges(tensor->value.numel(), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        float unit = static_cast<float>(random32(stream, static_cast<uint64_t>(i)) >> 8) * 0x1p-24f;
        float value = first + unit * width;
        // Rounding may reach the upper bound.
        out[i] = value < last ? value : last;
      }
    });
  });
}

// The inverse of the normal distribution's cumulative function, to a relative error of 1.2e-9
// (P. J. Acklam, "An algorithm for computing the inverse normal cumulative distribution function").
static double inverse_normal(double p) {
  static const double a[] = {-3.969683028665376e+01, 2.209460984245205e+02, -2.759285104469687e+02,
                             1.383577518672690e+02, -3.066479806614716e+01, 2.506628277459239e+00};
  static const double b[] = {-5.447609879822406e+01, 1.615858368580409e+02, -1.556989798598866e+02,
                             6.680131188771972e+01, -1.328068155288572e+01};
  static const double c[] = {-7.784894002430293e-03, -3.223964580411365e-01, -2.400758277161838e+00,
                             -2.549732539343734e+00, 4.374664141464968e+00,  2.938163982698783e+00};
  static const double d[] = {7.784695709041462e-03, 3.224671290700398e-01, 2.445134137142996e+00,
                             3.754408661907416e+00};
  const double tail = 0.02425;
  if (p < tail || p > 1 - tail) {
    double q = std::sqrt(-2 * std::log(p < tail ? p : 1 - p));
    double x = (((((c[0] * q + c[1]) * q + c[2]) * q + c[3]) * q + c[4]) * q + c[5]) /
               ((((d[0] * q + d[1]) * q + d[2]) * q + d[3]) * q + 1);
    return p < tail ? x : -x;
  }
  double q = p - 0.5, r = q * q;
  return (((((a[0] * r + a[1]) * r + a[2]) * r + a[3]) * r + a[4]) * r + a[5]) * q /
         (((((b[0] * r + b[1]) * r + b[2]) * r + b[3]) * r + b[4]) * r + 1);
}

CError ct_fill_normal(CTensor *tensor, double mean, double deviation, uint64_t stream) {
  return guarded([&] {
    float *out = values_of(tensor);
    parallel_ranges(tensor->value.numel(), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) {
        // In the middle of one of 2^52 equal parts of 0...1, so neither 0 nor 1.
        uint64_t part = random64(stream, static_cast<uint64_t>(i)) >> 12;
        double p = (static_cast<double>(part) + 0.5) * 0x1p-52;
        out[i] = static_cast<float>(mean + deviation * inverse_normal(p));
      }
    });
  });
}

// A value's number in the stream is its place in N x C x H x W order, however memory is laid out; the
// first value has the number `start`.
template <typename Number>
static void fill_dropout(at::Tensor &mask, double probability, uint64_t stream, int64_t start) {
  Number *out = mask.mutable_data_ptr<Number>();
  const uint64_t dropped = static_cast<uint64_t>(std::llround(probability * 0x1p32));
  const Number kept(static_cast<float>(1 / (1 - probability)));
  const bool is_channels_last = !mask.is_contiguous();
  const int64_t channels = is_channels_last ? mask.size(1) : mask.numel();
  const int64_t pixels = is_channels_last ? mask.size(2) * mask.size(3) : 1;
  parallel_ranges(mask.numel(), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end;) {
      const int64_t pixel = i / channels;
      const int64_t stop = std::min(end, (pixel + 1) * channels);
      const int64_t first = start + pixel / pixels * channels * pixels + pixel % pixels;
      for (int64_t c = i - pixel * channels; i < stop; i++, c++)
        out[i] = random32(stream, static_cast<uint64_t>(first + c * pixels)) < dropped
                     ? Number(0.f)
                     : kept;
    }
  });
}

// The same by libtorch's operations, for a GPU: nothing crosses to it.
static at::Tensor dropout_by_operations(const at::Tensor &input, double probability,
                                        uint64_t stream, int64_t start) {
  const auto signed64 = [](uint64_t bits) { return static_cast<int64_t>(bits); };
  // libtorch's shift of int64 copies the sign, which the & takes away.
  const auto shifted = [&](const at::Tensor &z, int bits) {
    return z.bitwise_right_shift(bits).bitwise_and_(signed64(UINT64_MAX >> bits));
  };
  at::Tensor z = at::arange(start + 1, start + input.numel() + 1, input.options().dtype(at::kLong));
  z.mul_(signed64(0x9E3779B97F4A7C15)).add_(signed64(stream));
  z = z.bitwise_xor_(shifted(z, 30)).mul_(signed64(0xBF58476D1CE4E5B9));
  z = z.bitwise_xor_(shifted(z, 27)).mul_(signed64(0x94D049BB133111EB));
  z = shifted(z.bitwise_xor_(shifted(z, 31)), 32);
  return z.ge(std::llround(probability * 0x1p32))
      .to(input.scalar_type())
      .mul_(1 / (1 - probability))
      .reshape(input.sizes())
      .contiguous(input.suggest_memory_format());
}

/// What dropout multiplies by: 0 with the given probability, else 1 / (1 - probability).
static at::Tensor dropout_mask(const at::Tensor &input, double probability, uint64_t stream,
                               int64_t first_image) {
  const int64_t image = input.dim() > 0 && input.size(0) > 0 ? input.numel() / input.size(0) : 0;
  const int64_t start = first_image * image;
  const bool is_filled = input.is_cpu() && (input.scalar_type() == at::kFloat ||
                                            input.scalar_type() == at::kBFloat16);
  if (!is_filled) return dropout_by_operations(input, probability, stream, start);
  const bool is_ordered = input.is_contiguous() ||
                          input.is_contiguous(at::MemoryFormat::ChannelsLast);
  at::Tensor mask = at::empty_like(
      input, is_ordered ? at::MemoryFormat::Preserve : at::MemoryFormat::Contiguous);
  if (mask.scalar_type() == at::kBFloat16) {
    fill_dropout<at::BFloat16>(mask, probability, stream, start);
    return mask;
  }
  fill_dropout<float>(mask, probability, stream, start);
  return mask;
}

CError ct_dropout(CTensor **out, const CTensor *input, double probability, uint64_t stream,
                  int64_t first_image) {
  return returning(out, [&] {
    TORCH_CHECK(probability >= 0 && probability < 1, "dropout with the probability ", probability);
    return at::mul(input->value, dropout_mask(input->value, probability, stream, first_image));
  });
}
