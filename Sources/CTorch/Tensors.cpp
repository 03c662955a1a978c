// Tensors: making, reading, arithmetic.

#include <ATen/ops/abs.h>
#include <ATen/ops/add.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/div.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gt.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>

#include "Border.h"

static at::ScalarType scalar_type(CDType dtype) {
  switch (dtype) {
    case ct_float32: return at::kFloat;
    case ct_uint8: return at::kByte;
    case ct_int64: return at::kLong;
    case ct_bool: return at::kBool;
    case ct_float64: return at::kDouble;
    case ct_bfloat16: return at::kBFloat16;
  }
  return at::kFloat;
}

CError ct_from_data(CTensor **out, const void *data, CDType dtype, const int64_t *shape,
                    int dimensions) {
  return returning(out, [&] {
    return at::from_blob(const_cast<void *>(data), shape_of(shape, dimensions),
                         at::TensorOptions().dtype(scalar_type(dtype)))
        .clone();
  });
}

CError ct_full(CTensor **out, double value, CDType dtype, const int64_t *shape, int dimensions) {
  return returning(out, [&] {
    return at::full(shape_of(shape, dimensions), value,
                    at::TensorOptions().dtype(scalar_type(dtype)));
  });
}

CError ct_zeros_like(CTensor **out, const CTensor *tensor) {
  return returning(out, [&] { return at::zeros_like(tensor->value); });
}

CError ct_copy_to_host(const CTensor *tensor, void *destination, size_t bytes) {
  return guarded([&] {
    const at::Tensor &source = tensor->value;
    TORCH_CHECK(source.nbytes() == bytes, "expected ", bytes, " bytes, found ", source.nbytes());
    if (bytes == 0) return;
    at::from_blob(destination, source.sizes(), at::TensorOptions().dtype(source.scalar_type()))
        .copy_(source.detach());
  });
}

void ct_release(CTensor *tensor) { delete tensor; }

int ct_dimensions(const CTensor *tensor) { return static_cast<int>(tensor->value.dim()); }

int64_t ct_size(const CTensor *tensor, int dimension) {
  return tensor->value.sizes()[static_cast<size_t>(dimension)];
}

CDType ct_dtype(const CTensor *tensor) {
  switch (tensor->value.scalar_type()) {
    case at::kByte: return ct_uint8;
    case at::kLong: return ct_int64;
    case at::kBool: return ct_bool;
    case at::kDouble: return ct_float64;
    case at::kBFloat16: return ct_bfloat16;
    default: return ct_float32;
  }
}

CDevice ct_device(const CTensor *tensor) {
  return tensor->value.is_cuda() ? tensor->value.get_device() : ct_cpu;
}

CError ct_to(CTensor **out, const CTensor *tensor, CDType dtype, CDevice device) {
  return returning(out, [&] {
    return tensor->value.to(torch_device(device), scalar_type(dtype));
  });
}

CError ct_channels_last(CTensor **out, const CTensor *tensor) {
  return returning(out, [&] { return tensor->value.contiguous(at::MemoryFormat::ChannelsLast); });
}

CError ct_channels_last_data(const float **out, const CTensor *tensor) {
  return guarded([&] {
    const at::Tensor &values = tensor->value;
    TORCH_CHECK(values.is_cpu() && values.is_contiguous(at::MemoryFormat::ChannelsLast),
                "the tensor does not lie channels last in memory");
    *out = values.const_data_ptr<float>();
  });
}

CError ct_add(CTensor **out, const CTensor *a, const CTensor *b) {
  return returning(out, [&] { return at::add(a->value, b->value); });
}

CError ct_subtract(CTensor **out, const CTensor *a, const CTensor *b) {
  return returning(out, [&] { return at::sub(a->value, b->value); });
}

CError ct_multiply(CTensor **out, const CTensor *a, const CTensor *b) {
  return returning(out, [&] { return at::mul(a->value, b->value); });
}

CError ct_divide(CTensor **out, const CTensor *a, const CTensor *b) {
  return returning(out, [&] { return at::div(a->value, b->value); });
}

CError ct_scale(CTensor **out, const CTensor *a, double factor) {
  return returning(out, [&] { return at::mul(a->value, factor); });
}

CError ct_add_number(CTensor **out, const CTensor *a, double number) {
  return returning(out, [&] { return at::add(a->value, number); });
}

CError ct_abs(CTensor **out, const CTensor *a) {
  return returning(out, [&] { return at::abs(a->value); });
}

CError ct_sum(CTensor **out, const CTensor *a) {
  return returning(out, [&] { return at::sum(a->value); });
}

CError ct_sum_over(CTensor **out, const CTensor *a, int64_t dimension) {
  return returning(out, [&] { return at::sum(a->value, {dimension}, /*keepdim=*/false); });
}

CError ct_mean_over(CTensor **out, const CTensor *a, const int64_t *dimensions, int count,
                    bool keep_dimensions) {
  return returning(
      out, [&] { return at::mean(a->value, shape_of(dimensions, count), keep_dimensions); });
}

CError ct_argmax(CTensor **out, const CTensor *a, int64_t dimension) {
  return returning(out, [&] { return at::argmax(a->value, dimension); });
}

CError ct_count_above(int64_t *out, const CTensor *a, double bound) {
  return guarded(
      [&] { *out = at::gt(at::abs(a->value), bound).sum().item<int64_t>(); });
}

CError ct_add_in_place(CTensor *a, const CTensor *b, double factor) {
  return guarded([&] { a->value.add_(b->value, factor); });
}

CError ct_add_absolute_product(CTensor *sum, const CTensor *a, const CTensor *b) {
  return guarded([&] {
    at::Tensor &total = sum->value;
    // One pass over raw memory instead of three with temporaries, where all lie alike.
    auto lies_alike = [&](const at::Tensor &t) {
      return t.is_cpu() && t.scalar_type() == at::kFloat && lie_alike(t, total);
    };
    if (!total.is_non_overlapping_and_dense() || !lies_alike(total) || !lies_alike(a->value) ||
        !lies_alike(b->value)) {
      total.add_(at::mul(a->value, b->value).abs_());
      return;
    }
    float *out = total.mutable_data_ptr<float>();
    const float *x = a->value.const_data_ptr<float>();
    const float *y = b->value.const_data_ptr<float>();
    parallel_ranges(total.numel(), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) out[i] += std::fabs(x[i] * y[i]);
    });
  });
}

CError ct_mask_in_place(CTensor *tensor, const CTensor *mask) {
  return guarded([&] {
    at::Tensor &values = tensor->value;
    const at::Tensor &kept = mask->value;
    TORCH_CHECK(values.sizes() == kept.sizes() && kept.scalar_type() == at::kByte,
                "a mask is one byte per element");
    if (!values.is_cpu() || values.scalar_type() != at::kFloat ||
        !values.is_non_overlapping_and_dense() || !lie_alike(values, kept)) {
      values.masked_fill_(kept.eq(0), 0);
      return;
    }
    float *x = values.mutable_data_ptr<float>();
    const uint8_t *m = kept.const_data_ptr<uint8_t>();
    parallel_ranges(values.numel(), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i++) x[i] = m[i] != 0 ? x[i] : 0.f;
    });
  });
}

CError ct_copy_in_place(CTensor *a, const CTensor *b) {
  return guarded([&] { a->value.copy_(b->value); });
}
