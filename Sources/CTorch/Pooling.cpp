// Pooling over windows, over parts of a picture, and over all of it.

#include <ATen/ops/adaptive_avg_pool2d.h>
#include <ATen/ops/adaptive_max_pool2d.h>
#include <ATen/ops/avg_pool2d.h>
#include <ATen/ops/max_pool2d.h>

#include "Border.h"

// libtorch's gradient is written beside the picture where a dilated window steps over all of it.
void check_dilated_windows(int64_t size, int64_t windows, int64_t kernel, int64_t stride,
                           int64_t padding, int64_t dilation) {
  for (int64_t window = 0; window < windows; window++) {
    const int64_t start = window * stride - padding;
    const int64_t steps = start < 0 ? (-start + dilation - 1) / dilation : 0;
    TORCH_CHECK(steps < kernel && start + steps * dilation < size, "a window of ", kernel,
                " pixels, ", dilation, " apart, lies beside a picture of ", size);
  }
}

CError ct_max_pool2d(CTensor **out, const CTensor *input, CPair kernel, CPair stride, CPair padding,
                     CPair dilation, bool ceil_mode) {
  return returning(out, [&] {
    at::Tensor result = at::max_pool2d(input->value, pair_of(kernel), pair_of(stride),
                                       pair_of(padding), pair_of(dilation), ceil_mode);
    check_dilated_windows(input->value.size(-2), result.size(-2), kernel.height, stride.height,
                          padding.height, dilation.height);
    check_dilated_windows(input->value.size(-1), result.size(-1), kernel.width, stride.width,
                          padding.width, dilation.width);
    return result;
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
