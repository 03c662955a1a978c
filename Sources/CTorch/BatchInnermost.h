// Tensors N x C x H x W that lie batch innermost, C x H x W x N: a contiguous plane per channel.

#ifndef CTORCH_BATCH_INNERMOST_H
#define CTORCH_BATCH_INNERMOST_H

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "Border.h"

// The same values in that layout; in place where they already lie so. What libtorch calculated in
// bfloat16 becomes float32.
inline at::Tensor batch_innermost(const at::Tensor &tensor) {
  TORCH_CHECK(tensor.dim() == 4, "expected N x C x H x W, found the shape ", tensor.sizes());
  TORCH_CHECK(tensor.is_cpu() &&
                  (tensor.scalar_type() == at::kFloat || tensor.scalar_type() == at::kBFloat16),
              "the sparse engine calculates in float32 on the CPU, found ", tensor.scalar_type());
  return tensor.to(at::kFloat).permute({1, 2, 3, 0}).contiguous().permute({3, 0, 1, 2});
}

inline at::Tensor empty_batch_innermost(int64_t batch, int64_t channels, int64_t height,
                                        int64_t width) {
  return at::empty({channels, height, width, batch}, at::kFloat).permute({3, 0, 1, 2});
}

inline at::Tensor empty_batch_innermost_like(const at::Tensor &tensor) {
  return empty_batch_innermost(tensor.size(0), tensor.size(1), tensor.size(2), tensor.size(3));
}

// Runs the body on ranges of the tensor's channels, which together take as long as the tensor is
// large.
inline void parallel_channels(const at::Tensor &tensor,
                              c10::function_ref<void(int64_t first, int64_t last)> body) {
  const int64_t channels = tensor.size(1), smallest = 1 << 15;
  const int64_t pieces =
      std::clamp<int64_t>(tensor.numel() / smallest, 1,
                          std::max<int64_t>(1, std::min<int64_t>(at::get_num_threads(), channels)));
  parallel_pieces(pieces, [&](int64_t piece) {
    body(channels * piece / pieces, channels * (piece + 1) / pieces);
  });
}

#endif
