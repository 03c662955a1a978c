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

// Of convolutions and linear layers; see Kernels/Convolution.h.
struct ConvolutionKernels {};

// Of everything between them, as CSparse.h declares it.
struct NormalizationKernels {
  decltype(&cs_batch_norm) batch_norm;
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

// Those of the instruction set in use.
const Kernels &kernels();

#endif
