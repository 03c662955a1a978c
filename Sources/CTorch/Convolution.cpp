// The layers with the weights that are pruned: convolutions and linear layers.

#include <ATen/ops/conv2d.h>
#include <ATen/ops/conv_transpose2d.h>
#include <ATen/ops/linear.h>

#include "Border.h"

CError ct_conv2d(CTensor **out, const CTensor *input, const CTensor *weight, const CTensor *bias,
                 CPair stride, CPair padding, CPair dilation, int64_t groups) {
  return returning(out, [&] {
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
