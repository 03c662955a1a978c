// The layers with the weights that are pruned: convolutions and linear layers.

#include <ATen/autocast_mode.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/conv_transpose2d.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/slice.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <array>

#include "Border.h"

namespace {

// Whether oneDNN's gradient of a strided 1×1 convolution would write behind its buffer: seen with
// libtorch 2.13 on AVX2 with fewer input channels than a vector has lanes, which are 16 at most.
bool overruns(const at::Tensor &input, const at::Tensor &weight, CPair stride, CPair padding) {
  return weight.dim() == 4 && weight.size(1) < 16 && weight.size(2) == 1 && weight.size(3) == 1 &&
         (stride.height > 1 || stride.width > 1) && padding.height == 0 && padding.width == 0 &&
         input.dim() == 4 && input.device().is_cpu();
}

// Along one axis of a convolution of stride 1: the outputs that a tap of the kernel sees the map from.
struct Visible {
  int64_t offset, first, count;

  Visible(int64_t tap, int64_t size, int64_t outputs, int64_t padding, int64_t dilation)
      : offset(tap * dilation - padding), first(std::max<int64_t>(-offset, 0)),
        count(std::max<int64_t>(std::min(outputs, size - offset) - first, 0)) {}

  at::Tensor of_outputs(const at::Tensor &map, int64_t axis) const {
    return map.narrow(axis, first, count);
  }
  at::Tensor of_inputs(const at::Tensor &map, int64_t axis) const {
    return map.narrow(axis, first + offset, count);
  }
};

// A convolution of stride 1 whose taps see much of the padding. oneDNN leaves padding out of the output
// and of the input's gradient, but not of the weights' gradient; here that is a product of matrices
// for each tap, of the places that see the map.
struct DilatedConvolution : torch::autograd::Function<DilatedConvolution> {
  using Sizes = std::array<int64_t, 2>;

  static at::Tensor forward(torch::autograd::AutogradContext *context, const at::Tensor &input,
                            const at::Tensor &weight, const std::optional<at::Tensor> &bias,
                            Sizes padding, Sizes dilation) {
    context->save_for_backward({input, weight});
    context->saved_data["padding"] = at::IntArrayRef(padding);
    context->saved_data["dilation"] = at::IntArrayRef(dilation);
    context->saved_data["has_bias"] = bias.has_value();
    return at::conv2d(input, weight, bias, {1, 1}, padding, dilation);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const at::Tensor &input = saved[0], &weight = saved[1], &gradient = gradients[0];
    const auto padding = context->saved_data["padding"].toIntVector();
    const auto dilation = context->saved_data["dilation"].toIntVector();
    const bool has_bias = context->saved_data["has_bias"].toBool();
    at::Tensor input_gradient, weight_gradient, bias_gradient;
    if (context->needs_input_grad(0))
      input_gradient = std::get<0>(at::convolution_backward(
          gradient, input, weight, std::nullopt, {1, 1}, padding, dilation, false, {0, 0}, 1,
          {true, false, false}));
    if (context->needs_input_grad(1))
      weight_gradient = gradient_of_weight(input, weight, gradient, padding, dilation);
    // The context numbers the tensors that were there.
    if (has_bias && context->needs_input_grad(2)) bias_gradient = gradient.sum({0, 2, 3});
    return {input_gradient, weight_gradient, bias_gradient, at::Tensor(), at::Tensor()};
  }

  static at::Tensor gradient_of_weight(const at::Tensor &input, const at::Tensor &weight,
                                       const at::Tensor &gradient, at::IntArrayRef padding,
                                       at::IntArrayRef dilation) {
    const int64_t outputs = weight.size(0), inputs = weight.size(1);
    at::Tensor result = at::zeros({outputs, weight.size(2), weight.size(3), inputs},
                                  weight.options().requires_grad(false));
    for (int64_t y = 0; y < weight.size(2); y++)
      for (int64_t x = 0; x < weight.size(3); x++) {
        const Visible rows(y, input.size(2), gradient.size(2), padding[0], dilation[0]);
        const Visible columns(x, input.size(3), gradient.size(3), padding[1], dilation[1]);
        if (rows.count == 0 || columns.count == 0) continue;
        const auto matrix = [](const at::Tensor &map) {
          return map.permute({0, 2, 3, 1}).reshape({-1, map.size(1)});
        };
        at::Tensor place = result.select(1, y).select(1, x);
        at::mm_out(place, matrix(columns.of_outputs(rows.of_outputs(gradient, 2), 3)).t(),
                   matrix(columns.of_inputs(rows.of_inputs(input, 2), 3)));
      }
    return result.permute({0, 3, 1, 2});
  }
};

// Up to this share of multiply-adds that see the map, a product for each tap is the faster.
constexpr double visible_share = 0.8;

bool sees_much_padding(const at::Tensor &input, const at::Tensor &weight, CPair stride,
                       CPair padding, CPair dilation, int64_t groups) {
  if (!at::GradMode::is_enabled() || !weight.requires_grad() || !input.is_cpu() ||
      at::autocast::is_autocast_enabled(at::kCPU) || input.scalar_type() != at::kFloat ||
      input.dim() != 4 || weight.dim() != 4 || groups != 1 || stride.height != 1 ||
      stride.width != 1 || input.size(1) != weight.size(1))
    return false;
  pair_of(padding), pair_of(dilation);  // Numbers that can be reckoned with.
  const auto seen = [](int64_t size, int64_t taps, int64_t padding, int64_t dilation) {
    const int64_t outputs = size + 2 * padding - dilation * (taps - 1);
    int64_t count = 0;
    for (int64_t tap = 0; tap < taps; tap++)
      count += Visible(tap, size, outputs, padding, dilation).count;
    return outputs < 1 ? 1 : static_cast<double>(count) / static_cast<double>(outputs * taps);
  };
  return seen(input.size(2), weight.size(2), padding.height, dilation.height) *
             seen(input.size(3), weight.size(3), padding.width, dilation.width) <=
         visible_share;
}

}  // namespace

CError ct_conv2d(CTensor **out, const CTensor *input, const CTensor *weight, const CTensor *bias,
                 CPair stride, CPair padding, CPair dilation, int64_t groups) {
  return returning(out, [&] {
    if (stride.height > 0 && stride.width > 0 &&
        overruns(input->value, weight->value, stride, padding)) {
      at::Tensor seen = at::slice(input->value, 2, 0, std::nullopt, stride.height);
      seen = at::slice(seen, 3, 0, std::nullopt, stride.width);
      return at::conv2d(seen, weight->value, optional_tensor(bias), pair_of({1, 1}),
                        pair_of({0, 0}), pair_of(dilation), groups);
    }
    if (sees_much_padding(input->value, weight->value, stride, padding, dilation, groups))
      return DilatedConvolution::apply(input->value, weight->value, optional_tensor(bias),
                                       pair_of(padding), pair_of(dilation));
    return at::conv2d(input->value, weight->value, optional_tensor(bias), pair_of(stride),
                      pair_of(padding), pair_of(dilation), groups);
  });
}

CError ct_conv_transpose2d(CTensor **out, const CTensor *input, const CTensor *weight,
                           const CTensor *bias, CPair stride, CPair padding, CPair output_padding,
                           CPair dilation, int64_t groups) {
  return returning(out, [&] {
    return at::conv_transpose2d(input->value, weight->value, optional_tensor(bias),
                                pair_of(stride), pair_of(padding), pair_of(output_padding), groups,
                                pair_of(dilation));
  });
}

CError ct_linear(CTensor **out, const CTensor *input, const CTensor *weight, const CTensor *bias) {
  return returning(
      out, [&] { return at::linear(input->value, weight->value, optional_tensor(bias)); });
}
