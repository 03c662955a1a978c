// The optimizer's kernel.

#include <ATen/core/grad_mode.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/empty_like.h>

#include "Border.h"

CError ct_adam_step(CTensor *const *parameters, CTensor *const *gradients,
                    CTensor *const *first_moments, CTensor *const *second_moments,
                    CTensor *const *steps, int count, double learning_rate, double beta1,
                    double beta2, double epsilon, double weight_decay) {
  return guarded([&] {
    c10::AutoGradMode no_grad(false);
    auto parameter_list = list_of(parameters, count);
    auto gradient_list = list_of(gradients, count);
    auto first_list = list_of(first_moments, count);
    auto second_list = list_of(second_moments, count);
    auto step_list = list_of(steps, count);
    // A gradient must lie in its parameter's memory format: what follows walks raw memory.
    for (size_t i = 0; i < gradient_list.size(); i++) {
      TORCH_CHECK(gradient_list[i].sizes() == parameter_list[i].sizes(), "gradient ", i,
                  " has shape ", gradient_list[i].sizes(), ", its parameter has ",
                  parameter_list[i].sizes());
      if (!lie_alike(gradient_list[i], parameter_list[i]))
        gradient_list[i] = at::empty_like(parameter_list[i]).copy_(gradient_list[i]);
    }
    // As vectors, of which libtorch's kernel makes no contiguous copies; those of channels-last gradients
    // take as long as its arithmetic, and it does not use them.
    for (auto *list : {&parameter_list, &gradient_list, &first_list, &second_list})
      for (at::Tensor &tensor : *list) tensor = tensor.as_strided({tensor.numel()}, {1});
    for (auto &step : step_list) step.add_(1);
    at::_fused_adam_(parameter_list, gradient_list, first_list, second_list,
                     /*max_exp_avg_sqs=*/{}, step_list, learning_rate, beta1, beta2, weight_decay,
                     epsilon, /*amsgrad=*/false, /*maximize=*/false);
  });
}
