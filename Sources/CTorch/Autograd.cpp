// Differentiation and autocast.

#include <ATen/autocast_mode.h>
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
