// The kernels of one instruction set, as the files that call them see them.

#ifndef CSPARSE_KERNELS_H
#define CSPARSE_KERNELS_H

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

#include "CSparse.h"

// A map that tiles are unfolded from, and the steps between the places of a window.
struct UnfoldSource {
  const float *planes;
  int64_t height, width, images;
  int64_t stride_y, stride_x;
};

// Consecutive values of a tile that lie in one row of the map they are computed for.
struct TilePart {
  int64_t row, first, count;
};

// What one row of an unfolded tile is: a channel, seen by one tap of the kernel.
struct UnfoldedRow {
  int32_t channel, offset_y, offset_x;
};

// Whether two rows are of the same tap.
inline bool share_tap(const UnfoldedRow &a, const UnfoldedRow &b) {
  return a.offset_y == b.offset_y && a.offset_x == b.offset_x;
}

// The kept weights of one output within a block of unfolded rows.
struct Segment {
  uint32_t output, first, count;
};

// The widest tile, in vectors: as many accumulators as hide the latency of two multiply-adds per cycle.
constexpr int tile_vectors = 8;
// Outputs of a panel of the dense product.
constexpr int panel_rows = 6;

// Of convolutions and linear layers. Tiles are 1, 2, 4 or 8 vectors wide; the kernels for them stand
// in this order.
struct ConvolutionKernels {
  int lanes;
  // The rows of a tile, each `width` floats, with zeros where the window leaves the map.
  void (*unfold)(const UnfoldSource &source, const TilePart *parts, int part_count,
                 const UnfoldedRow *rows, int64_t row_count, int64_t width, float *tile);
  // sums[output] += Σ value · tile[row]
  void (*multiply_kept[4])(const float *tile, const Segment *segments, int64_t segment_count,
                           const uint16_t *rows, const float *values, float *sums);
  // weights += ⟨gradient[output], tile[row]⟩, of tiles 8 vectors wide
  void (*sample_kept)(const float *tile, const Segment *segments, int64_t segment_count,
                      const uint16_t *rows, const float *gradient, float *weights);
  // The same of values in bfloat16, and such values from floats, a multiple of 32; null where there are
  // no instructions for them.
  void (*sample_packed)(const uint16_t *tile, const Segment *segments, int64_t segment_count,
                        const uint16_t *rows, const uint16_t *gradient, float *weights);
  void (*pack)(const float *from, int64_t count, uint16_t *to);
  // The same for all weights: panels have `panel_rows` outputs' weights of each row side by side.
  void (*multiply_all[4])(const float *tile, int64_t row_count, const float *panels,
                          int64_t panel_stride, int64_t panel_count, float *sums);
  void (*sample_all)(const float *tile, int64_t row_count, int64_t vectors, const float *gradient,
                     int64_t output_count, float *weights, int64_t weight_stride);
  // output = sums · scale + shift (+ residual), rectified or not.
  void (*finish)(const float *sums, int64_t count, const float *residual, float scale, float shift,
                 bool rectify, float *output);
};

// Of everything between them, as CSparse.h declares it.
struct NormalizationKernels {
  decltype(&cs_batch_norm_statistics) batch_norm_statistics;
  decltype(&cs_batch_norm) batch_norm;
  decltype(&cs_batch_norm_gradient_sums) batch_norm_gradient_sums;
  decltype(&cs_batch_norm_gradient) batch_norm_gradient;
};

struct PoolingKernels {
  decltype(&cs_max_pool) max_pool;
  decltype(&cs_max_pool_gradient) max_pool_gradient;
  decltype(&cs_average_pool) average_pool;
  decltype(&cs_average_pool_gradient) average_pool_gradient;
  decltype(&cs_global_mean) global_mean;
  decltype(&cs_global_mean_gradient) global_mean_gradient;
};

struct DropoutKernels {
  decltype(&cs_dropout) dropout;
  decltype(&cs_rectified_gradient) rectified_gradient;
};

struct ResizingKernels {
  decltype(&cs_resize) resize;
  decltype(&cs_resize_gradient) resize_gradient;
};

struct Kernels {
  ConvolutionKernels convolution;
  NormalizationKernels normalization;
  PoolingKernels pooling;
  DropoutKernels dropout;
  ResizingKernels resizing;
};

extern const Kernels portable_kernels;
extern const Kernels avx2_kernels;
extern const Kernels avx512_kernels;
extern const Kernels avx512_bf16_kernels;

// Those of the instruction set in use.
const Kernels &kernels();

#endif
