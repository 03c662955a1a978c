// Everything but convolutions: by the kernels of the instruction set in use.

#include "Kernels.h"

void cs_batch_norm_statistics(const CSBatchNorm *norm, int64_t first, int64_t last) {
  kernels().normalization.batch_norm_statistics(norm, first, last);
}

void cs_batch_norm(const CSBatchNorm *norm, float *output, int64_t first, int64_t last) {
  kernels().normalization.batch_norm(norm, output, first, last);
}

void cs_batch_norm_gradient_sums(const CSBatchNorm *norm, const CSBatchNormGradient *gradient,
                                 int64_t first, int64_t last) {
  kernels().normalization.batch_norm_gradient_sums(norm, gradient, first, last);
}

void cs_batch_norm_gradient(const CSBatchNorm *norm, const CSBatchNormGradient *gradient,
                            int64_t first, int64_t last) {
  kernels().normalization.batch_norm_gradient(norm, gradient, first, last);
}

void cs_max_pool(const CSWindows *windows, const float *input, float *output, uint16_t *taps,
                 int64_t first, int64_t last) {
  kernels().pooling.max_pool(windows, input, output, taps, first, last);
}

void cs_max_pool_gradient(const CSWindows *windows, const float *output_gradient,
                          const uint16_t *taps, float *input_gradient, int64_t first,
                          int64_t last) {
  kernels().pooling.max_pool_gradient(windows, output_gradient, taps, input_gradient, first, last);
}

void cs_average_pool(const CSWindows *windows, const float *input, float *output, int64_t first,
                     int64_t last) {
  kernels().pooling.average_pool(windows, input, output, first, last);
}

void cs_average_pool_gradient(const CSWindows *windows, const float *output_gradient,
                              float *input_gradient, int64_t first, int64_t last) {
  kernels().pooling.average_pool_gradient(windows, output_gradient, input_gradient, first, last);
}

void cs_global_mean(int64_t batch, int64_t pixels, const float *input, float *output, int64_t first,
                    int64_t last) {
  kernels().pooling.global_mean(batch, pixels, input, output, first, last);
}

void cs_global_mean_gradient(int64_t batch, int64_t pixels, const float *output_gradient,
                             float *input_gradient, int64_t first, int64_t last) {
  kernels().pooling.global_mean_gradient(batch, pixels, output_gradient, input_gradient, first,
                                         last);
}

void cs_dropout(const CSDropout *dropout, const float *input, float *output, int64_t first,
                int64_t last) {
  kernels().dropout.dropout(dropout, input, output, first, last);
}

void cs_rectified_gradient(int64_t plane, float scale, const float *output,
                           const float *output_gradient, float *input_gradient, int64_t first,
                           int64_t last) {
  kernels().dropout.rectified_gradient(plane, scale, output, output_gradient, input_gradient,
                                       first, last);
}

void cs_resize(const CSResizing *resizing, const float *input, float *output, int64_t first,
               int64_t last) {
  kernels().resizing.resize(resizing, input, output, first, last);
}

void cs_resize_gradient(const CSResizing *resizing, const float *output_gradient,
                        float *input_gradient, int64_t first, int64_t last) {
  kernels().resizing.resize_gradient(resizing, output_gradient, input_gradient, first, last);
}
