// What stands between layers, element by element, and softmax.

#include <ATen/ops/add.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/hardswish.h>
#include <ATen/ops/hardtanh.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/silu.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/tanh.h>

#include "Border.h"

CError ct_relu(CTensor **out, const CTensor *input) {
  return returning(out, [&] { return at::relu(input->value); });
}

// hardtanh and not clamp: its gradient is 0 at the bounds too, like that of relu.
CError ct_clamp(CTensor **out, const CTensor *input, double low, double high) {
  return returning(out, [&] { return at::hardtanh(input->value, low, high); });
}

CError ct_leaky_relu(CTensor **out, const CTensor *input, double slope) {
  return returning(out, [&] { return at::leaky_relu(input->value, slope); });
}

CError ct_silu(CTensor **out, const CTensor *input) {
  return returning(out, [&] { return at::silu(input->value); });
}

CError ct_hard_swish(CTensor **out, const CTensor *input) {
  return returning(out, [&] { return at::hardswish(input->value); });
}

CError ct_sigmoid(CTensor **out, const CTensor *input) {
  return returning(out, [&] { return at::sigmoid(input->value); });
}

CError ct_hard_sigmoid(CTensor **out, const CTensor *input, double alpha, double beta) {
  return returning(
      out, [&] { return at::hardtanh(at::add(at::mul(input->value, alpha), beta), 0, 1); });
}

CError ct_tanh(CTensor **out, const CTensor *input) {
  return returning(out, [&] { return at::tanh(input->value); });
}

CError ct_gelu(CTensor **out, const CTensor *input, bool approximate) {
  return returning(out, [&] { return at::gelu(input->value, approximate ? "tanh" : "none"); });
}

CError ct_softmax(CTensor **out, const CTensor *input, int64_t dimension) {
  return returning(out, [&] { return at::softmax(input->value, dimension); });
}
