// The kernels of one instruction set, as the files that call them see them.

#ifndef CSPARSE_KERNELS_H
#define CSPARSE_KERNELS_H

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "CSparse.h"

// Of convolutions and linear layers; see Kernels/Convolution.h.
struct ConvolutionKernels {};

struct Kernels {
  ConvolutionKernels convolution;
};

extern const Kernels portable_kernels;
extern const Kernels avx2_kernels;
extern const Kernels avx512_kernels;

// Those of the instruction set in use.
const Kernels &kernels();

#endif
