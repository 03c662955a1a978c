// The sparse engine's kernels as plain C: pointers in, numbers out. No files, no tensors, no threads
// of its own: whoever calls a function that takes pieces runs them side by side.
//
// Activations lie batch innermost, C×H×W×N: the value of image n at (c, y, x) is at
// ((c · H + y) · W + x) · N + n. A channel is one contiguous plane of H · W · N values.

#ifndef CSPARSE_H
#define CSPARSE_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// What the kernels are compiled for. Portable code is what the compiler makes for any processor.
typedef enum { cs_portable = 0, cs_avx2 = 1, cs_avx512 = 2 } CSInstructions;

// Whether this processor has them.
bool cs_has_instructions(CSInstructions instructions);
// Those in use: the best that the processor has, unless DISPARSE_INSTRUCTIONS names others that it
// has (portable, avx2, avx512), or cs_use_instructions chose.
CSInstructions cs_instructions(void);
const char *cs_instructions_name(CSInstructions instructions);
// False, and nothing changed, where the processor lacks them.
bool cs_use_instructions(CSInstructions instructions);

#ifdef __cplusplus
}
#endif

#endif
