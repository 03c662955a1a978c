// The process: its threads and memory, and the devices that it finds.

#include <ATen/Parallel.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <dlfcn.h>
#include <malloc.h>

#include <climits>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include "Border.h"

char out_of_memory_text[] = "out of memory";

void ct_free_text(CError text) {
  if (text != out_of_memory_text) std::free(text);
}

// Activations are freed and allocated anew each step; handing them back to the kernel in between
// costs a page fault for every 4 KiB. So everything comes from the heap (glibc refuses an mmap
// threshold above 32 MiB), and the heap does not shrink.
void ct_keep_freed_memory(void) {
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, INT_MAX);
  mallopt(M_TOP_PAD, 64 << 20);
}

CError ct_set_threads(int count) {
  return guarded([&] { at::set_num_threads(count); });
}

// Programs are linked with libtorch's CPU part alone, so that they start without a GPU's libraries.
CError ct_load_cuda(bool *is_there) {
  return guarded([&] {
    Dl_info cpu_part{};
    dladdr(reinterpret_cast<const void *>(&at::detail::getCUDAHooks), &cpu_part);
    const std::filesystem::path folder =
        std::filesystem::path(cpu_part.dli_fname == nullptr ? "" : cpu_part.dli_fname).parent_path();
    const std::filesystem::path cuda_part = folder / "libtorch_cuda.so";
    *is_there = std::filesystem::exists(cuda_part);
    if (*is_there && dlopen(cuda_part.c_str(), RTLD_NOW | RTLD_GLOBAL) == nullptr)
      throw std::runtime_error(dlerror());
  });
}

int ct_gpus(void) {
  try {
    const at::CUDAHooksInterface &cuda = at::detail::getCUDAHooks();
    return cuda.hasCUDA() ? cuda.deviceCount() : 0;
  } catch (...) {
    return 0;
  }
}

bool ct_is_faster_in_bfloat16(CDevice device) {
  try {
    if (device != ct_cpu) return at::detail::getCUDAHooks().supportsBFloat16ConvolutionWithCuDNNv8();
#if defined(__x86_64__)
    // Intel's cores take two cycles for each of AVX-512's products, half the multiply-adds of float32
    // (measured on an Emerald Rapids); there it is AMX that is fast.
    return __builtin_cpu_supports("amx-bf16") ||
           (__builtin_cpu_supports("avx512bf16") && !__builtin_cpu_is("intel"));
#else
    return false;
#endif
  } catch (...) {
    return false;
  }
}
