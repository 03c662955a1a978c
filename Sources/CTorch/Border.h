// What the C++ files of this room share: the opaque types, and the guard that turns exceptions into
// error texts.

#ifndef CTORCH_BORDER_H
#define CTORCH_BORDER_H

#include <ATen/core/Generator.h>
#include <ATen/core/Tensor.h>

#include <c10/util/FunctionRef.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <exception>
#include <optional>
#include <utility>
#include <vector>

#include "CTorch.h"

struct CTensor {
  at::Tensor value;
};

// Stands for any error whose text there was no memory for; never freed.
extern char out_of_memory_text[];

// The first line of what went wrong; libtorch appends a C++ backtrace that helps no user.
inline CError error_text(const char *what) {
  size_t length = std::strcspn(what, "\n");
  char *text = static_cast<char *>(std::malloc(length + 1));
  if (text == nullptr) return out_of_memory_text;
  std::memcpy(text, what, length);
  text[length] = '\0';
  return text;
}

template <typename Body>
CError guarded(Body body) noexcept {
  try {
    body();
    return nullptr;
  } catch (const c10::Error &error) {
    return error_text(error.what_without_backtrace());
  } catch (const std::exception &error) {
    return error_text(error.what());
  } catch (...) {
    return error_text("unknown C++ exception");
  }
}

template <typename Body>
CError returning(CTensor **out, Body body) noexcept {
  return guarded([&] { *out = new CTensor{body()}; });
}

// Runs the body for 0 ... pieces - 1, and on ranges that cover 0 ... count - 1, on libtorch's threads.
void parallel_pieces(int64_t pieces, c10::function_ref<void(int64_t)> body);
void parallel_ranges(int64_t count, c10::function_ref<void(int64_t, int64_t)> body);

inline c10::Device torch_device(CDevice device) {
  return device == ct_cpu ? c10::Device(at::kCPU)
                          : c10::Device(at::kCUDA, static_cast<c10::DeviceIndex>(device));
}

inline at::IntArrayRef shape_of(const int64_t *shape, int dimensions) {
  return at::IntArrayRef(shape, static_cast<size_t>(dimensions));
}

// Height and width of a window or a picture. libtorch adds and multiplies such numbers unchecked, so
// they must be far from where a product overflows.
inline std::array<int64_t, 2> pair_of(CPair pair) {
  for (int64_t value : {pair.height, pair.width})
    TORCH_CHECK(value >= INT32_MIN && value <= INT32_MAX, value, " is too large");
  return {pair.height, pair.width};
}

// Throws where a dilated window would step over all of a side of `size` pixels.
void check_dilated_windows(int64_t size, int64_t windows, int64_t kernel, int64_t stride,
                           int64_t padding, int64_t dilation);
// The scales of a resized N x C x H x W, (height, width), as libtorch takes them; throws where they
// do not belong to the sizes.
std::array<std::optional<double>, 2> scales_of(const at::Tensor &input, CPair size,
                                               const double *scales);

inline std::optional<at::Tensor> optional_tensor(const CTensor *tensor) {
  return tensor == nullptr ? std::nullopt : std::optional<at::Tensor>(tensor->value);
}

// Whether values of the same shape lie in the same order: the stride of a side of 1 tells nothing.
inline bool lie_alike(const at::Tensor &a, const at::Tensor &b) {
  if (a.sizes() != b.sizes()) return false;
  for (int64_t side = 0; side < a.dim(); side++)
    if (a.size(side) != 1 && a.stride(side) != b.stride(side)) return false;
  return true;
}

inline std::vector<at::Tensor> list_of(CTensor *const *tensors, int count) {
  std::vector<at::Tensor> list;
  list.reserve(static_cast<size_t>(count));
  for (int i = 0; i < count; i++) list.push_back(tensors[i]->value);
  return list;
}

#endif
