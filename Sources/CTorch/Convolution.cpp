// The layers with the weights that are pruned: convolutions and linear layers.

#include <ATen/ops/conv2d.h>
#include <ATen/ops/conv_transpose2d.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/slice.h>

#include "Border.h"

namespace {

// Whether oneDNN's gradient of a strided 1×1 convolution would write behind its buffer: seen with
// libtorch 2.13 on AVX2 with fewer input channels than a vector has lanes, which are 16 at most.
bool overruns(const at::Tensor &input, const at::Tensor &weight, CPair stride, CPair padding) {
  return weight.dim() == 4 && weight.size(1) < 16 && weight.size(2) == 1 && weight.size(3) == 1 &&
         (stride.height > 1 || stride.width > 1) && padding.height == 0 && padding.width == 0 &&
         input.dim() == 4 && input.device().is_cpu();
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
