// Pictures brought to another size.

#include <ATen/ops/upsample_bilinear2d.h>
#include <ATen/ops/upsample_nearest2d.h>

#include "Border.h"

// libtorch multiplies places by 1 / scale and reads there, so a scale that does not belong to the
// sizes would read elsewhere.
std::array<std::optional<double>, 2> scales_of(const at::Tensor &input, CPair size,
                                               const double *scales) {
  if (scales == nullptr) return {};
  TORCH_CHECK(input.dim() == 4, "expected N x C x H x W, found the shape ", input.sizes());
  for (size_t i : {0, 1}) {
    const double from = static_cast<double>(input.sizes()[i + 2]);
    const double to = static_cast<double>(pair_of(size)[i]);
    const double scaled = from * scales[i];
    TORCH_CHECK(scaled > to - 1e-3 && scaled < to + 1 + 1e-3, "a scale of ", scales[i],
                " does not make ", to, " of ", from);
  }
  return {scales[0], scales[1]};
}

CError ct_upsample_nearest(CTensor **out, const CTensor *input, CPair size, const double *scales) {
  return returning(out, [&] {
    const auto [height, width] = scales_of(input->value, size, scales);
    return at::upsample_nearest2d(input->value, pair_of(size), height, width);
  });
}

CError ct_upsample_bilinear(CTensor **out, const CTensor *input, CPair size, bool align_corners,
                            const double *scales) {
  return returning(out, [&] {
    const auto [height, width] = scales_of(input->value, size, scales);
    return at::upsample_bilinear2d(input->value, pair_of(size), align_corners, height, width);
  });
}
