// Tensors of another shape: reordered, joined, cut, padded.

#include <ATen/ops/cat.h>
#include <ATen/ops/count_nonzero.h>
#include <ATen/ops/empty_strided.h>
#include <ATen/ops/flatten.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/masked_scatter.h>
#include <ATen/ops/masked_select.h>
#include <ATen/ops/pad.h>
#include <ATen/ops/slice.h>
#include <ATen/ops/zeros.h>

#include "Border.h"

CError ct_reshape(CTensor **out, const CTensor *tensor, const int64_t *shape, int dimensions) {
  return returning(out, [&] { return tensor->value.reshape(shape_of(shape, dimensions)); });
}

CError ct_flatten(CTensor **out, const CTensor *tensor, int64_t first_dimension) {
  return returning(out, [&] { return at::flatten(tensor->value, first_dimension); });
}

CError ct_permute(CTensor **out, const CTensor *tensor, const int64_t *order, int dimensions) {
  return returning(out, [&] { return tensor->value.permute(shape_of(order, dimensions)); });
}

CError ct_concatenate(CTensor **out, CTensor *const *tensors, int count, int64_t dimension) {
  return returning(out, [&] { return at::cat(list_of(tensors, count), dimension); });
}

CError ct_slice(CTensor **out, const CTensor *tensor, int64_t dimension, int64_t from, int64_t to,
                int64_t step) {
  return returning(out, [&] { return at::slice(tensor->value, dimension, from, to, step); });
}

CError ct_select_indices(CTensor **out, const CTensor *tensor, int64_t dimension,
                         const int64_t *indices, int64_t count) {
  return returning(out, [&] {
    at::Tensor index = at::from_blob(const_cast<int64_t *>(indices), {count},
                                     at::TensorOptions().dtype(at::kLong));
    return at::index_select(tensor->value, dimension, index.to(tensor->value.device()));
  });
}

CError ct_pad(CTensor **out, const CTensor *tensor, CPair before, CPair after, CPadding mode,
              double value) {
  return returning(out, [&] {
    const auto [top, left] = pair_of(before);
    const auto [bottom, right] = pair_of(after);
    const std::array<int64_t, 4> edges = {left, right, top, bottom};
    if (mode == ct_constant) return at::pad(tensor->value, edges, "constant", value);
    return at::pad(tensor->value, edges, mode == ct_reflect ? "reflect" : "replicate");
  });
}

// The elements as weights lie in memory: out × height × width × in.
static at::Tensor in_memory_order(const at::Tensor &tensor) {
  return (tensor.dim() == 4 ? tensor.permute({0, 2, 3, 1}) : tensor).contiguous();
}

static at::Tensor kept_places(const CTensor *mask) {
  TORCH_CHECK(mask->value.scalar_type() == at::kByte, "a mask is one byte per element");
  return in_memory_order(mask->value).to(at::kBool);
}

CError ct_gather_kept(CTensor **out, const CTensor *tensor, const CTensor *mask) {
  return returning(out, [&] {
    TORCH_CHECK(tensor->value.sizes() == mask->value.sizes(), "a mask is one byte per element");
    return at::masked_select(in_memory_order(tensor->value), kept_places(mask));
  });
}

CError ct_scatter_kept(CTensor **out, const CTensor *kept, const CTensor *mask) {
  return returning(out, [&] {
    const at::Tensor places = kept_places(mask);
    const int64_t count = at::count_nonzero(places).item<int64_t>();
    TORCH_CHECK(kept->value.dim() == 1 && kept->value.numel() == count, "a mask that keeps ", count,
                " values is no place for a tensor of shape ", kept->value.sizes());
    at::Tensor whole = at::masked_scatter(at::zeros(places.sizes(), kept->value.options()), places,
                                          kept->value);
    return whole.dim() == 4 ? whole.permute({0, 3, 1, 2}) : whole;
  });
}

// Memory as the tensor's values that lie in the order of another's.
static at::Tensor over_memory(float *memory, const at::Tensor &like) {
  TORCH_CHECK(like.is_non_overlapping_and_dense() && like.scalar_type() == at::kFloat,
              "a tensor of ", like.scalar_type(), " with gaps is no pattern for memory");
  return at::from_blob(memory, like.sizes(), like.strides(), at::TensorOptions().dtype(at::kFloat));
}

CError ct_pack(float *memory, const CTensor *tensor, const CTensor *like) {
  return guarded([&] {
    TORCH_CHECK(tensor->value.sizes() == like->value.sizes(), "shapes ", tensor->value.sizes(),
                " and ", like->value.sizes(), " differ");
    over_memory(memory, like->value).copy_(tensor->value.detach());
  });
}

CError ct_memory(float **out, const CTensor *tensor, const CTensor *like) {
  return guarded([&] {
    const at::Tensor &value = tensor->value;
    const bool lies_alone = value.is_cpu() && value.scalar_type() == at::kFloat &&
                            value.is_non_overlapping_and_dense() &&
                            value.storage().nbytes() == value.nbytes();
    *out = lies_alone && lie_alike(value, like->value) ? value.mutable_data_ptr<float>() : nullptr;
  });
}

CError ct_unpack(CTensor **out, const float *memory, const CTensor *like) {
  return returning(out, [&] {
    at::Tensor values = at::empty_strided(like->value.sizes(), like->value.strides(),
                                          like->value.options());
    return values.copy_(over_memory(const_cast<float *>(memory), like->value));
  });
}
