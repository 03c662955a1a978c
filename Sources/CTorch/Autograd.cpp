// Differentiation, autocast and the optimizer's kernel.

#include <ATen/autocast_mode.h>
#include <ATen/ops/_fused_adam.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/autograd.h>

#include "Border.h"

CError ct_set_requires_grad(CTensor *tensor, bool value) {
  return guarded([&] { tensor->value.set_requires_grad(value); });
}

CError ct_detach(CTensor **out, const CTensor *tensor) {
  return returning(out, [&] { return tensor->value.detach(); });
}

CError ct_gradients(CTensor **out, const CTensor *scalar, CTensor *const *inputs, int count,
                    bool retain_graph,
                    void (*ready)(int index, CTensor *gradient, void *context), void *context) {
  return guarded([&] {
    // Goes with the hooks that it removes.
    struct Hooks {
      std::vector<std::pair<at::Tensor, unsigned>> all;
      ~Hooks() {
        for (auto &[tensor, hook] : all) tensor.remove_hook(hook);
      }
    } hooks;
    for (int i = 0; ready != nullptr && i < count; i++) {
      const at::Tensor &input = inputs[i]->value;
      hooks.all.emplace_back(input, input.register_hook([=](const at::Tensor &gradient) {
        ready(i, new CTensor{gradient}, context);
      }));
    }
    // On the CPU this thread runs the backward pass, nodes in the order of their numbers and leaves as
    // soon as they are reached: the same order wherever the same network runs.
    auto gradients =
        torch::autograd::grad({scalar->value}, list_of(inputs, count), /*grad_outputs=*/{},
                              retain_graph, /*create_graph=*/false, /*allow_unused=*/true);
    for (int i = 0; i < count; i++) {
      at::Tensor &gradient = gradients[static_cast<size_t>(i)];
      out[i] = gradient.defined() ? new CTensor{std::move(gradient)} : nullptr;
    }
  });
}

bool ct_set_grad_enabled(bool enabled) {
  bool before = c10::GradMode::is_enabled();
  c10::GradMode::set_enabled(enabled);
  return before;
}

bool ct_grad_enabled(void) { return c10::GradMode::is_enabled(); }

CPrecision ct_begin_precision(CDevice device, bool bfloat16) {
  const at::DeviceType type = torch_device(device).type();
  CPrecision before = {at::autocast::is_autocast_enabled(type),
                       static_cast<int>(at::autocast::get_autocast_dtype(type))};
  if (bfloat16) at::autocast::set_autocast_dtype(type, at::kBFloat16);
  at::autocast::set_autocast_enabled(type, bfloat16);
  at::autocast::increment_nesting();
  return before;
}

void ct_end_precision(CDevice device, CPrecision before) {
  const at::DeviceType type = torch_device(device).type();
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_dtype(type, static_cast<at::ScalarType>(before.dtype));
  at::autocast::set_autocast_enabled(type, before.is_autocast);
}

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
