// The layers and losses that our networks are made of.

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/div.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/upsample_bilinear2d.h>

#include <cmath>
#include <mutex>

#include "Border.h"

CError ct_conv2d(CTensor **out, const CTensor *input, const CTensor *weight, const CTensor *bias,
                 int stride, int padding, int dilation) {
  return returning(out, [&] {
    return at::conv2d(input->value, weight->value, optional_tensor(bias), {stride, stride},
                      {padding, padding}, {dilation, dilation}, /*groups=*/1);
  });
}

CError ct_batch_norm(CTensor **out, const CTensor *input, const CTensor *weight,
                     const CTensor *bias, CTensor *running_mean, CTensor *running_var,
                     bool training, double momentum, double epsilon) {
  return returning(out, [&] {
    return at::batch_norm(input->value, weight->value, bias->value, running_mean->value,
                          running_var->value, training, momentum, epsilon,
                          /*cudnn_enabled=*/true);
  });
}

CError ct_relu(CTensor **out, const CTensor *input) {
  return returning(out, [&] { return at::relu(input->value); });
}

CError ct_max_pool2d(CTensor **out, const CTensor *input, int kernel, int stride, int padding,
                     bool ceil_mode) {
  return returning(out, [&] {
    return at::max_pool2d(input->value, {kernel, kernel}, {stride, stride}, {padding, padding},
                          /*dilation=*/{1, 1}, ceil_mode);
  });
}

// A random number per position (SplitMix64, Steele et al. 2014): unlike a generator's sequence it
// can be drawn on all cores, and the same on any number of them.
static uint32_t random32(uint64_t seed, uint64_t position) {
  uint64_t z = seed + (position + 1) * 0x9E3779B97F4A7C15;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return static_cast<uint32_t>((z ^ (z >> 31)) >> 32);
}

template <typename Number>
static void fill_dropout(at::Tensor &mask, double probability, uint64_t seed) {
  Number *out = mask.mutable_data_ptr<Number>();
  const uint64_t dropped = static_cast<uint64_t>(std::llround(probability * 0x1p32));
  const Number kept(static_cast<float>(1 / (1 - probability)));
  parallel_ranges(mask.numel(), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++)
      out[i] = random32(seed, static_cast<uint64_t>(i)) < dropped ? Number(0.f) : kept;
  });
}

/// What dropout multiplies by: 0 with the given probability, else 1 / (1 - probability).
static at::Tensor dropout_mask(const at::Tensor &input, double probability,
                               at::Generator &generator) {
  at::Tensor mask = at::empty_like(input);
  if (mask.is_cpu() && mask.is_non_overlapping_and_dense()) {
    uint64_t seed;
    {
      std::lock_guard<std::mutex> lock(generator.mutex());
      seed = at::check_generator<at::CPUGeneratorImpl>(generator)->random64();
    }
    if (mask.scalar_type() == at::kFloat) {
      fill_dropout<float>(mask, probability, seed);
      return mask;
    }
    if (mask.scalar_type() == at::kBFloat16) {
      fill_dropout<at::BFloat16>(mask, probability, seed);
      return mask;
    }
  }
  return mask.bernoulli_(1 - probability, generator).div_(1 - probability);
}

CError ct_dropout(CTensor **out, const CTensor *input, double probability, CGenerator *generator) {
  return returning(out, [&] {
    return at::mul(input->value, dropout_mask(input->value, probability, generator->value));
  });
}

CError ct_normalize(CTensor **out, const CTensor *input, int dimension) {
  return returning(out, [&] {
    at::Tensor norm = at::linalg_vector_norm(input->value, 2, {dimension}, /*keepdim=*/true);
    return at::div(input->value, norm.clamp_min(1e-12));
  });
}

CError ct_upsample_bilinear(CTensor **out, const CTensor *input, int64_t height, int64_t width) {
  return returning(out, [&] {
    return at::upsample_bilinear2d(input->value, {height, width}, /*align_corners=*/false);
  });
}

CError ct_cross_entropy(CTensor **out, const CTensor *logits, const CTensor *target,
                        const CTensor *class_weights, int64_t ignore, bool reduce_mean) {
  return returning(out, [&] {
    return at::cross_entropy_loss(logits->value, target->value, optional_tensor(class_weights),
                                  reduce_mean ? at::Reduction::Mean : at::Reduction::Sum, ignore,
                                  /*label_smoothing=*/0);
  });
}
