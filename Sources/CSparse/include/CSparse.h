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
typedef enum { cs_portable = 0, cs_avx2 = 1, cs_avx512 = 2, cs_avx512_bf16 = 3 } CSInstructions;

// Whether this processor has them.
bool cs_has_instructions(CSInstructions instructions);
// Those in use: the best that the processor has, unless cs_use_instructions chose others.
CSInstructions cs_instructions(void);
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

// The streams of a pattern. `mask` is outputs × kernel × inputs / groups, 1 = kept; NULL keeps all.
// Weights, here and below, are the kept ones in that order. NULL where memory is lacking.
CSConvolution *cs_convolution_new(const CSGeometry *geometry, const uint8_t *mask);
void cs_convolution_free(CSConvolution *convolution);
int64_t cs_convolution_kept(const CSConvolution *convolution);
// Whether so many weights are kept that all are multiplied.
bool cs_convolution_is_dense(const CSConvolution *convolution);
int64_t cs_convolution_output_height(const CSConvolution *convolution, int64_t height);
int64_t cs_convolution_output_width(const CSConvolution *convolution, int64_t width);

typedef enum { cs_forward = 0, cs_input_gradient = 1 } CSPass;

// The weights as a pass reads them: this many floats, 0 at first, which arrange fills from the weights
// first ... last - 1.
int64_t cs_convolution_arranged_count(const CSConvolution *convolution, CSPass pass);
void cs_convolution_arrange(const CSConvolution *convolution, CSPass pass, const float *weights,
                            float *arranged, int64_t first, int64_t last);

// A pass is done in pieces, in any order, on any threads: each output is written by one of them.
int64_t cs_convolution_pieces(const CSConvolution *convolution, CSPass pass, const CSMaps *maps);
void cs_convolution_forward(const CSConvolution *convolution, const CSMaps *maps,
                            const float *input, const float *arranged, const CSFinish *finish,
                            float *output, int64_t piece);
void cs_convolution_input_gradient(const CSConvolution *convolution, const CSMaps *maps,
                                   const float *output_gradient, const float *arranged,
                                   float *input_gradient, int64_t piece);

// In which arithmetic the weights' gradient is taken: the factors of its products are rounded to
// bfloat16, their sums are float32. Layers that multiply all weights, and instruction sets without such
// products, take float32 all the same. Other passes gain nothing from it: they would need pairs of kept
// weights, of which few stand side by side.
typedef enum { cs_float32 = 0, cs_bfloat16 = 1 } CSPrecision;

// The gradient of the weights. First the output's gradient is brought into tiles, each a piece; then
// pieces add to `sums`, which has this many floats, 0 at first; collect takes the gradient of the
// weights first ... last - 1 from there.
int64_t cs_convolution_gradient_tiles(const CSConvolution *convolution, const CSMaps *maps);
int64_t cs_convolution_tiled_count(const CSConvolution *convolution, const CSMaps *maps,
                                   CSPrecision precision);
void cs_convolution_tile_gradient(const CSConvolution *convolution, const CSMaps *maps,
                                  CSPrecision precision, const float *output_gradient,
                                  float *tiled, int64_t tile);
int64_t cs_convolution_weight_sums(const CSConvolution *convolution);
int64_t cs_convolution_weight_pieces(const CSConvolution *convolution);
void cs_convolution_weight_gradient(const CSConvolution *convolution, const CSMaps *maps,
                                    CSPrecision precision, const float *input, const float *tiled,
                                    float *sums, int64_t piece);
void cs_convolution_collect(const CSConvolution *convolution, const float *sums, float *gradient,
                            int64_t first, int64_t last);

// What follows works on the channels first ... last - 1 and on nothing else, so ranges of channels
// may be worked on side by side, and the results do not depend on how the channels are divided.

// Batch normalisation (Ioffe & Szegedy 2015), with what often follows it:
// output = rectified((input - mean) / sqrt(variance + epsilon) * weight + bias + residual).
typedef struct {
  int64_t plane;  // values per channel, H * W * N
  int64_t count;  // values per channel behind the statistics: more than `plane` of a divided batch
  bool training;  // whether the statistics are the batch's own, and their gradient counts
  bool rectify;   // whether negative results become 0
  double epsilon;
  const float *input;
  const float *weight;    // per channel; NULL stands for 1
  const float *bias;      // per channel; NULL stands for 0
  const float *residual;  // like the input; NULL stands for 0
  double *mean;           // per channel
  double *variance;       // per channel, biased
} CSBatchNorm;

// Writes the input's mean and variance; and the output by those that are there.
void cs_batch_norm_statistics(const CSBatchNorm *norm, int64_t first, int64_t last);
void cs_batch_norm(const CSBatchNorm *norm, float *output, int64_t first, int64_t last);

// `norm` is that of the forward pass, with its statistics.
typedef struct {
  const float *output;           // of the forward pass; read where a residual was rectified
  const float *output_gradient;
  float *input_gradient;
  float *residual_gradient;      // written where a residual was rectified, else not looked at
  float *weight_gradient;        // per channel
  float *bias_gradient;          // per channel
  double *sum;                   // per channel: of the gradient before the rectifier,
  double *product_sum;           // and of its products with the input less its mean
} CSBatchNormGradient;

// Writes all but the input's gradient; and that by the sums, which in training are those over all
// values that the statistics are of.
void cs_batch_norm_gradient_sums(const CSBatchNorm *norm, const CSBatchNormGradient *gradient,
                                 int64_t first, int64_t last);
void cs_batch_norm_gradient(const CSBatchNorm *norm, const CSBatchNormGradient *gradient,
                            int64_t first, int64_t last);

// Windows that step over a picture.
typedef struct {
  int64_t batch, height, width, output_height, output_width;
  int64_t kernel_height, kernel_width;
  int64_t stride_height, stride_width;
  int64_t padding_height, padding_width;
  int64_t dilation_height, dilation_width;  // averages look at no dilation
  bool counts_padding;                      // averages: padding is among the values of a window
} CSWindows;

// The largest value of each window, and the number (row by row) of the first tap that has it: at
// most 65536 taps. `taps` may be NULL. A window without any value gives minus infinity.
void cs_max_pool(const CSWindows *windows, const float *input, float *output, uint16_t *taps,
                 int64_t first, int64_t last);
void cs_max_pool_gradient(const CSWindows *windows, const float *output_gradient,
                          const uint16_t *taps, float *input_gradient, int64_t first, int64_t last);
void cs_average_pool(const CSWindows *windows, const float *input, float *output, int64_t first,
                     int64_t last);
void cs_average_pool_gradient(const CSWindows *windows, const float *output_gradient,
                              float *input_gradient, int64_t first, int64_t last);

// The mean of each image's channel, C×N, of `pixels` values.
void cs_global_mean(int64_t batch, int64_t pixels, const float *input, float *output, int64_t first,
                    int64_t last);
void cs_global_mean_gradient(int64_t batch, int64_t pixels, const float *output_gradient,
                             float *input_gradient, int64_t first, int64_t last);

// Dropout. A value's random number is that of its place in N×C×H×W order (SplitMix64), and it is
// dropped where the number is below `dropped`, a share of 2^32; others are multiplied by `scale`.
typedef struct {
  int64_t batch, channels, pixels;
  int64_t first_image;  // the place of image 0 in that order
  uint64_t stream, dropped;
  float scale;
  bool rectify;  // negative values become 0 before
} CSDropout;

void cs_dropout(const CSDropout *dropout, const float *input, float *output, int64_t first,
                int64_t last);
// The input's gradient where dropout rectified: scale * output_gradient where output > 0, else 0.
// Dropout alone is its own gradient.
void cs_rectified_gradient(int64_t plane, float scale, const float *output,
                           const float *output_gradient, float *input_gradient, int64_t first,
                           int64_t last);

// Where a row or column of a resized picture comes from, and with what weights.
typedef struct {
  int64_t first, second;
  float first_weight, second_weight;
} CSBlend;

// Both ways of resizing: `first` and `second` never fall from one row or column to the next.
typedef struct {
  int64_t batch, height, width, output_height, output_width;
  const CSBlend *rows;     // output_height of them
  const CSBlend *columns;  // output_width of them
} CSResizing;

void cs_resize(const CSResizing *resizing, const float *input, float *output, int64_t first,
               int64_t last);
void cs_resize_gradient(const CSResizing *resizing, const float *output_gradient,
                        float *input_gradient, int64_t first, int64_t last);

#ifdef __cplusplus
}
#endif

#endif
