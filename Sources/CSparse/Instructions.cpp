// Which instruction set the kernels use.

#include <atomic>
#include <cstdlib>
#include <cstring>

#include "Kernels.h"

namespace {

CSInstructions best() {
  if (cs_has_instructions(cs_avx512)) return cs_avx512;
  return cs_has_instructions(cs_avx2) ? cs_avx2 : cs_portable;
}

CSInstructions chosen_at_start() {
  const char *name = std::getenv("DISPARSE_INSTRUCTIONS");
  if (name == nullptr) return best();
  for (CSInstructions instructions : {cs_portable, cs_avx2, cs_avx512})
    if (std::strcmp(name, cs_instructions_name(instructions)) == 0 &&
        cs_has_instructions(instructions))
      return instructions;
  return best();
}

std::atomic<CSInstructions> &in_use() {
  static std::atomic<CSInstructions> instructions{chosen_at_start()};
  return instructions;
}

}  // namespace

const char *cs_instructions_name(CSInstructions instructions) {
  switch (instructions) {
    case cs_avx512: return "avx512";
    case cs_avx2: return "avx2";
    default: return "portable";
  }
}

bool cs_has_instructions(CSInstructions instructions) {
#if defined(__x86_64__)
  switch (instructions) {
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
    case cs_avx512: return avx512_kernels;
    case cs_avx2: return avx2_kernels;
    default: break;
  }
#endif
  return portable_kernels;
}
