// The layout of the sparse engine's activations: C×H×W×N in memory, so that a channel is one
// contiguous plane and every tap of a kernel reads whole runs of it.

#ifndef CTORCH_BATCH_INNERMOST_H
#define CTORCH_BATCH_INNERMOST_H

#include <ATen/core/Tensor.h>

// float32 N×C×H×W on the CPU in that layout; the tensor itself where it lies so.
inline at::Tensor batch_innermost(const at::Tensor &tensor) {
  TORCH_CHECK(tensor.is_cpu() && tensor.dim() == 4, "expected N×C×H×W on the CPU, found ",
              tensor.sizes());
  return tensor.to(at::kFloat).permute({1, 2, 3, 0}).contiguous().permute({3, 0, 1, 2});
}

#endif
