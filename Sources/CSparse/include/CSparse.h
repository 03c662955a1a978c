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

// Convolutions under a mask. A linear layer is one with 1×1 maps and a 1×1 kernel.
typedef struct {
  int64_t inputs, outputs, groups;  // channels
  int64_t kernel_height, kernel_width;
  int64_t stride_height, stride_width;
  int64_t padding_height, padding_width;
  int64_t dilation_height, dilation_width;
} CSGeometry;

// Images and their size, before the convolution.
typedef struct {
  int64_t images, height, width;
} CSMaps;

// What happens to an output on its way to memory: sum · scale + shift (+ residual), rectified or not.
// Scale and shift are one per channel; each may be NULL.
typedef struct {
  const float *scale, *shift;
  const float *residual;  // as the output lies
  bool rectify;
} CSFinish;

typedef struct CSConvolution CSConvolution;

// The streams of a pattern. `mask` is row-major outputs × inputs / groups × kernel, 1 = kept; NULL
// keeps all. Weights, here and below, are the kept ones in that order. NULL where memory is lacking.
CSConvolution *cs_convolution_new(const CSGeometry *geometry, const uint8_t *mask);
void cs_convolution_free(CSConvolution *convolution);
int64_t cs_convolution_kept(const CSConvolution *convolution);
// Whether so many weights are kept that all are multiplied.
bool cs_convolution_is_dense(const CSConvolution *convolution);
int64_t cs_convolution_output_height(const CSConvolution *convolution, int64_t height);
int64_t cs_convolution_output_width(const CSConvolution *convolution, int64_t width);

typedef enum { cs_forward = 0, cs_input_gradient = 1 } CSPass;

// The weights as a pass reads them: floats that they take there, and the copy. 0 where the pass reads
// the kept weights as they are.
int64_t cs_convolution_arranged_count(const CSConvolution *convolution, CSPass pass);
void cs_convolution_arrange(const CSConvolution *convolution, CSPass pass, const float *weights,
                            float *arranged);

// A pass is done in pieces, in any order, on any threads: each output is written by one of them.
int64_t cs_convolution_pieces(const CSConvolution *convolution, CSPass pass, const CSMaps *maps);
void cs_convolution_forward(const CSConvolution *convolution, const CSMaps *maps,
                            const float *input, const float *arranged, const CSFinish *finish,
                            float *output, int64_t piece);
void cs_convolution_input_gradient(const CSConvolution *convolution, const CSMaps *maps,
                                   const float *output_gradient, const float *arranged,
                                   float *input_gradient, int64_t piece);

// The gradient of the weights. First the output's gradient is brought into tiles, each a piece; then
// pieces add to `sums`, which has this many floats, 0 at first; then collect makes the gradient of
// the kept weights of it.
int64_t cs_convolution_gradient_tiles(const CSConvolution *convolution, const CSMaps *maps);
int64_t cs_convolution_tiled_count(const CSConvolution *convolution, const CSMaps *maps);
void cs_convolution_tile_gradient(const CSConvolution *convolution, const CSMaps *maps,
                                  const float *output_gradient, float *tiled, int64_t tile);
int64_t cs_convolution_weight_sums(const CSConvolution *convolution);
int64_t cs_convolution_weight_pieces(const CSConvolution *convolution);
void cs_convolution_weight_gradient(const CSConvolution *convolution, const CSMaps *maps,
                                    const float *input, const float *tiled, float *sums,
                                    int64_t piece);
void cs_convolution_collect(const CSConvolution *convolution, const float *sums, float *gradient);

#ifdef __cplusplus
}
#endif

#endif
