// The kernels for AVX-512 with BF16.

#include "Kernels.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define LANES 16
#define BFLOAT16
#define KERNELS avx512_bf16_kernels
#pragma clang attribute push(__attribute__((target("avx512f,avx512bf16,fma"))), apply_to = function)
#include "Kernels/All.h"
#pragma clang attribute pop
#endif
