// The kernels for AVX2 with FMA.

#include "Kernels.h"

#if defined(__x86_64__)
#define LANES 8
#define KERNELS avx2_kernels
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#include "Kernels/All.h"
#pragma clang attribute pop
#endif
