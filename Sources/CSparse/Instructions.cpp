// Which instruction set the kernels use.

#include <atomic>

#include "Kernels.h"

namespace {

CSInstructions best() {
  for (CSInstructions instructions : {cs_avx512_bf16, cs_avx512, cs_avx2})
    if (cs_has_instructions(instructions)) return instructions;
  return cs_portable;
}

std::atomic<CSInstructions> &in_use() {
  static std::atomic<CSInstructions> instructions{best()};
  return instructions;
}

}  // namespace

bool cs_has_instructions(CSInstructions instructions) {
#if defined(__x86_64__)
  switch (instructions) {
    case cs_avx512_bf16:
      return __builtin_cpu_supports("avx512bf16") && cs_has_instructions(cs_avx512);
    case cs_avx512: return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("fma");
    case cs_avx2: return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    default: return true;
  }
#else
  return instructions == cs_portable;
#endif
}

CSInstructions cs_instructions() { return in_use(); }

bool cs_use_instructions(CSInstructions instructions) {
  if (!cs_has_instructions(instructions)) return false;
  in_use() = instructions;
  return true;
}

const Kernels &kernels() {
#if defined(__x86_64__)
  switch (in_use().load()) {
    case cs_avx512_bf16: return avx512_bf16_kernels;
    case cs_avx512: return avx512_kernels;
    case cs_avx2: return avx2_kernels;
    default: break;
  }
#endif
  return portable_kernels;
}
