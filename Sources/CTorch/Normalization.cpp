// Normalisation: over the batch, over groups of channels, and of single vectors.

#include <ATen/ops/batch_norm.h>
#include <ATen/ops/batch_norm_update_stats.h>
#include <ATen/ops/div.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/native_batch_norm.h>
#include <ATen/ops/native_batch_norm_backward.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "DividedBatch.h"

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// Set once, before any network runs.
static void (*batch_sum)(double *values, int64_t count) = nullptr;

void ct_divide_batches(void (*sum)(double *values, int64_t count)) { batch_sum = sum; }

bool batches_are_divided() { return batch_sum != nullptr; }

void sum_over_batch(const at::Tensor &values) {
  batch_sum(values.mutable_data_ptr<double>(), values.numel());
}

int64_t merge_statistics(const at::Tensor &statistics, int64_t count) {
  const int64_t channels = statistics.size(1);
  double *mean = statistics.mutable_data_ptr<double>(), *variance = mean + channels;
  // Sums and sums of squares. In double precision their difference keeps what float32 values had.
  at::Tensor sums = at::empty({2 * channels + 1}, at::kDouble);
  double *sum = sums.mutable_data_ptr<double>(), *squares = sum + channels;
  double &whole = sum[2 * channels];
  whole = static_cast<double>(count);
  for (int64_t c = 0; c < channels; c++) {
    sum[c] = mean[c] * whole;
    squares[c] = (variance[c] + mean[c] * mean[c]) * whole;
  }
  sum_over_batch(sums);
  for (int64_t c = 0; c < channels; c++) {
    mean[c] = sum[c] / whole;
    variance[c] = std::max(0.0, squares[c] / whole - mean[c] * mean[c]);
  }
  return static_cast<int64_t>(whole);
}

void move_statistics(at::Tensor &running_mean, at::Tensor &running_var,
                     const at::Tensor &statistics, int64_t count, double momentum) {
  TORCH_CHECK(count > 1, "batch-norm needs more than one value per channel in training");
  c10::AutoGradMode no_grad(false);
  const double unbiased = static_cast<double>(count) / static_cast<double>(count - 1);
  running_mean.mul_(1 - momentum).add_(statistics[0].to(running_mean.options()), momentum);
  running_var.mul_(1 - momentum).add_(statistics[1].to(running_var.options()), momentum * unbiased);
}

namespace {

// libtorch normalises by given statistics; that these are the batch's own is added to the gradient.
struct DividedBatchNorm : Function<DividedBatchNorm> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &input,
                            const at::Tensor &weight, const at::Tensor &bias,
                            const at::Tensor &mean, const at::Tensor &variance, int64_t count,
                            double epsilon) {
    context->save_for_backward({input, weight, mean, variance});
    context->saved_data["count"] = count;
    context->saved_data["epsilon"] = epsilon;
    return normalized(input, weight, bias, mean, variance, epsilon);
  }

  static at::Tensor normalized(const at::Tensor &input, const at::Tensor &weight,
                               const at::Tensor &bias, const at::Tensor &mean,
                               const at::Tensor &variance, double epsilon) {
    return std::get<0>(at::native_batch_norm(input, weight, bias, mean, variance,
                                             /*training=*/false, /*momentum=*/0, epsilon));
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &input = saved[0], &weight = saved[1], &mean = saved[2], &variance = saved[3];
    const double epsilon = context->saved_data["epsilon"].toDouble();
    auto [input_gradient, weight_gradient, bias_gradient] = at::native_batch_norm_backward(
        gradients[0], input, weight, mean, variance, {}, {}, /*train=*/false, epsilon,
        {true, true, true});
    at::Tensor sums = at::stack({weight_gradient, bias_gradient}).to(at::kCPU, at::kDouble);
    sum_over_batch(sums);
    const auto count = static_cast<double>(context->saved_data["count"].toInt());
    // Less the means of the gradient and of its product with the normalised input.
    const at::Tensor scale = variance.add(epsilon).rsqrt().mul(weight).div(-count);
    const at::Tensor shares = sums.to(scale.options()).mul(scale);
    input_gradient.add_(normalized(input, shares[0], shares[1], mean, variance, epsilon));
    const at::Tensor nothing;
    return {input_gradient, weight_gradient, bias_gradient, nothing, nothing, nothing, nothing};
  }
};

}  // namespace

static at::Tensor divided_batch_norm(const at::Tensor &input, std::optional<at::Tensor> weight,
                                     std::optional<at::Tensor> bias, at::Tensor &running_mean,
                                     at::Tensor &running_var, double momentum, double epsilon) {
  at::Tensor statistics;
  {
    c10::AutoGradMode no_grad(false);
    // The copies tell libtorch to calculate in float32, whatever the input is, and take what it does
    // to running statistics.
    auto [mean, variance] =
        at::batch_norm_update_stats(input, running_mean.clone(), running_var.clone(), momentum);
    statistics = at::stack({mean, variance}).to(at::kCPU, at::kDouble);
  }
  const int64_t count = merge_statistics(statistics, input.numel() / input.size(1));
  const at::Tensor mean = statistics[0].to(running_mean.options());
  const at::Tensor variance = statistics[1].to(running_mean.options());
  at::Tensor result = DividedBatchNorm::apply(
      input, weight ? *weight : at::ones_like(mean), bias ? *bias : at::zeros_like(mean), mean,
      variance, count, epsilon);
  move_statistics(running_mean, running_var, statistics, count, momentum);
  return result;
}

CError ct_batch_norm(CTensor **out, const CTensor *input, const CTensor *weight,
                     const CTensor *bias, CTensor *running_mean, CTensor *running_var,
                     bool training, double momentum, double epsilon) {
  return returning(out, [&] {
    const at::Tensor &x = input->value;
    if (training && batches_are_divided())
      return divided_batch_norm(x, optional_tensor(weight), optional_tensor(bias),
                                running_mean->value, running_var->value, momentum, epsilon);
    // libtorch would make the running variance infinite.
    if (training && x.dim() >= 2)
      TORCH_CHECK(x.numel() > x.size(1),
                  "batch-norm needs more than one value per channel in training, found the shape ",
                  x.sizes());
    return at::batch_norm(x, optional_tensor(weight), optional_tensor(bias), running_mean->value,
                          running_var->value, training, momentum, epsilon,
                          /*cudnn_enabled=*/true);
  });
}

CError ct_group_norm(CTensor **out, const CTensor *input, int64_t groups, const CTensor *weight,
                     const CTensor *bias, double epsilon) {
  return returning(out, [&] {
    return at::group_norm(input->value, groups, optional_tensor(weight), optional_tensor(bias),
                          epsilon);
  });
}

CError ct_normalize(CTensor **out, const CTensor *input, int64_t dimension) {
  return returning(out, [&] {
    at::Tensor norm = at::linalg_vector_norm(input->value, 2, {dimension}, /*keepdim=*/true);
    return at::div(input->value, norm.clamp_min(1e-12));
  });
}
