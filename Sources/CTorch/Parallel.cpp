// Loops on libtorch's threads.

#include <ATen/Parallel.h>
#include <ATen/TensorIterator.h>
#include <ATen/ops/arange.h>

#include <algorithm>

#include "Border.h"

// at::parallel_for is a template that runs serially where it is compiled without OpenMP, as here;
// an iterator's loop is compiled into libtorch, with its threads.
void parallel_pieces(int64_t pieces, c10::function_ref<void(int64_t)> body) {
  if (pieces <= 1 || at::get_num_threads() == 1) {
    for (int64_t piece = 0; piece < pieces; piece++) body(piece);
    return;
  }
  at::Tensor numbers = at::arange(pieces);
  at::TensorIterator::borrowing_nullary_op(numbers).for_each(
      [&](char **data, const int64_t *strides, int64_t count) {
        for (int64_t i = 0; i < count; i++)
          body(*reinterpret_cast<const int64_t *>(data[0] + i * strides[0]));
      },
      /*grain_size=*/1);
}

void parallel_ranges(int64_t count, c10::function_ref<void(int64_t, int64_t)> body) {
  const int64_t smallest = 1 << 15;
  const int64_t pieces =
      std::max<int64_t>(1, std::min<int64_t>(at::get_num_threads(), count / smallest));
  parallel_pieces(pieces, [&](int64_t piece) {
    body(count * piece / pieces, count * (piece + 1) / pieces);
  });
}

int ct_threads(void) { return at::get_num_threads(); }

CError ct_parallel(int pieces, void (*body)(int piece, void *context), void *context) {
  return guarded([&] {
    parallel_pieces(pieces, [&](int64_t piece) { body(static_cast<int>(piece), context); });
  });
}
