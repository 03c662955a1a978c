// The kernels for AVX-512.

#include "Kernels.h"

#if defined(__x86_64__)
#define LANES 16
#define KERNELS avx512_kernels
#pragma clang attribute push(__attribute__((target("avx512f,fma"))), apply_to = function)
#include "Kernels/All.h"
#pragma clang attribute pop
#endif
