// Pooling over windows, over parts of a picture, and over all of it.

#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/adaptive_max_pool2d.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/max_pool2d.h>

#include "Border.h"

CError ct_max_pool2d(CTensor **out, const CTensor *input, CPair kernel, CPair stride, CPair padding,
                     CPair dilation, bool ceil_mode) {
  return returning(out, [&] {
    return at::max_pool2d(input->value, pair_of(kernel), pair_of(stride), pair_of(padding),
                          pair_of(dilation), ceil_mode);
  });
}

CError ct_average_pool2d(CTensor **out, const CTensor *input, CPair kernel, CPair stride,
                         CPair padding, bool ceil_mode, bool counts_padding) {
  return returning(out, [&] {
    return at::avg_pool2d(input->value, pair_of(kernel), pair_of(stride), pair_of(padding),
                          ceil_mode, counts_padding);
  });
}

CError ct_adaptive_average_pool2d(CTensor **out, const CTensor *input, CPair size) {
  return returning(out, [&] { return at::adaptive_avg_pool2d(input->value, pair_of(size)); });
}

// Not amax: where several elements are the largest, one of them gets the gradient, as in any pooling.
CError ct_global_max_pool2d(CTensor **out, const CTensor *input) {
  return returning(
      out, [&] { return std::get<0>(at::adaptive_max_pool2d(input->value, {1, 1})); });
}
