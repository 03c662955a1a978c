// The layers and losses that our networks are made of.

#include <ATen/ops/batch_norm.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/div.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/upsample_bilinear2d.h>

#include "Border.h"

CError ct_conv2d(CTensor **out, const CTensor *input, const CTensor *weight, const CTensor *bias,
                 int stride, int padding, int dilation) {
  return returning(out, [&] {
    return at::conv2d(input->value, weight->value, optional_tensor(bias), {stride, stride},
                      {padding, padding}, {dilation, dilation}, /*groups=*/1);
  });
}

CError ct_batch_norm(CTensor **out, const CTensor *input, const CTensor *weight,
                     const CTensor *bias, CTensor *running_mean, CTensor *running_var,
                     bool training, double momentum, double epsilon) {
  return returning(out, [&] {
    return at::batch_norm(input->value, weight->value, bias->value, running_mean->value,
                          running_var->value, training, momentum, epsilon,
                          /*cudnn_enabled=*/true);
  });
}

CError ct_relu(CTensor **out, const CTensor *input) {
  return returning(out, [&] { return at::relu(input->value); });
}

CError ct_max_pool2d(CTensor **out, const CTensor *input, int kernel, int stride, int padding,
                     bool ceil_mode) {
  return returning(out, [&] {
    return at::max_pool2d(input->value, {kernel, kernel}, {stride, stride}, {padding, padding},
                          /*dilation=*/{1, 1}, ceil_mode);
  });
}

CError ct_normalize(CTensor **out, const CTensor *input, int dimension) {
  return returning(out, [&] {
    at::Tensor norm = at::linalg_vector_norm(input->value, 2, {dimension}, /*keepdim=*/true);
    return at::div(input->value, norm.clamp_min(1e-12));
  });
}

CError ct_upsample_bilinear(CTensor **out, const CTensor *input, int64_t height, int64_t width) {
  return returning(out, [&] {
    return at::upsample_bilinear2d(input->value, {height, width}, /*align_corners=*/false);
  });
}

CError ct_cross_entropy(CTensor **out, const CTensor *logits, const CTensor *target,
                        const CTensor *class_weights, int64_t ignore, bool reduce_mean) {
  return returning(out, [&] {
    return at::cross_entropy_loss(logits->value, target->value, optional_tensor(class_weights),
                                  reduce_mean ? at::Reduction::Mean : at::Reduction::Sum, ignore,
                                  /*label_smoothing=*/0);
  });
}
