// Normalisation: over the batch, over groups of channels, and of single vectors.

#include <ATen/ops/batch_norm.h>
#include <ATen/ops/div.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/linalg_vector_norm.h>

#include "Border.h"

CError ct_batch_norm(CTensor **out, const CTensor *input, const CTensor *weight,
                     const CTensor *bias, CTensor *running_mean, CTensor *running_var,
                     bool training, double momentum, double epsilon) {
  return returning(out, [&] {
    const at::Tensor &x = input->value;
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
