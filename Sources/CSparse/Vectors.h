// Vectors of the width that this file is compiled for (LANES floats), in the compiler's own vector
// language: the same kernels for every instruction set.

#ifndef LANES
#error "the file that includes the kernels says how many floats a vector has"
#endif

#pragma clang fp contract(fast)
// Vectors are passed between functions of one file only, and those are inlined.
#pragma clang diagnostic ignored "-Wpsabi"

typedef float Vector __attribute__((vector_size(4 * LANES)));
typedef float UnalignedVector __attribute__((vector_size(4 * LANES), aligned(4)));
typedef int32_t IntVector __attribute__((vector_size(4 * LANES)));
typedef int32_t UnalignedIntVector __attribute__((vector_size(4 * LANES), aligned(4)));

#define INLINE static inline __attribute__((always_inline))
#define INLINE_MEMBER inline __attribute__((always_inline))

INLINE Vector load(const float *at) { return *reinterpret_cast<const UnalignedVector *>(at); }
INLINE void store(float *at, Vector value) { *reinterpret_cast<UnalignedVector *>(at) = value; }
INLINE Vector broadcast(float value) { return value - Vector{}; }
INLINE Vector larger(Vector a, Vector b) { return a > b ? a : b; }
// NaN stays NaN, so that a training run that diverged is seen.
template <typename V>
INLINE V rectified(V a) {
  return a < V{} ? V{} : a;
}
INLINE float sum(Vector value) {
  float total = 0;
  for (int lane = 0; lane < LANES; lane++) total += value[lane];
  return total;
}
