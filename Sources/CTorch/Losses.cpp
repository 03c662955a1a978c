// Losses.

#include <ATen/ops/cross_entropy_loss.h>

#include "Border.h"

CError ct_cross_entropy(CTensor **out, const CTensor *logits, const CTensor *target,
                        const CTensor *class_weights, int64_t ignore, bool reduce_mean) {
  return returning(out, [&] {
    return at::cross_entropy_loss(logits->value, target->value, optional_tensor(class_weights),
                                  reduce_mean ? at::Reduction::Mean : at::Reduction::Sum, ignore,
                                  /*label_smoothing=*/0);
  });
}
