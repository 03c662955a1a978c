// The part of libtorch that we use, as plain C: no exception and no C++ type crosses this line.
//
// Every function that can fail returns NULL when it succeeded, else an error text that the caller
// frees with ct_free_text. Results come back through the first parameter; the caller releases them.

#ifndef CTORCH_H
#define CTORCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct CTensor CTensor;
typedef char *CError;

typedef enum {
  ct_float32 = 0,
  ct_uint8 = 1,
  ct_int64 = 2,
  ct_bool = 3,
  ct_float64 = 4,
  ct_bfloat16 = 5,
} CDType;

// The CPU, or a GPU's number from 0.
typedef int CDevice;
enum { ct_cpu = -1 };

typedef struct {
  int64_t height;
  int64_t width;
} CPair;

void ct_free_text(CError text);

// The process: threads, memory, devices.
void ct_keep_freed_memory(void);
CError ct_set_threads(int count);
int ct_threads(void);
// Runs body(0 ... pieces - 1) on libtorch's threads; body throws nothing.
CError ct_parallel(int pieces, void (*body)(int piece, void *context), void *context);
// Loads the CUDA part of this libtorch; *is_there tells whether it has one.
CError ct_load_cuda(bool *is_there);
int ct_gpus(void);  // that libtorch can use, once its CUDA part is loaded
bool ct_is_faster_in_bfloat16(CDevice device);  // than in float32

// Tensors: making, reading, releasing.
CError ct_from_data(CTensor **out, const void *data, CDType dtype, const int64_t *shape,
                    int dimensions);
CError ct_full(CTensor **out, double value, CDType dtype, const int64_t *shape, int dimensions);
CError ct_zeros_like(CTensor **out, const CTensor *tensor);
CError ct_copy_to_host(const CTensor *tensor, void *destination, size_t bytes);
void ct_release(CTensor *tensor);
int ct_dimensions(const CTensor *tensor);
int64_t ct_size(const CTensor *tensor, int dimension);
CDType ct_dtype(const CTensor *tensor);
CDevice ct_device(const CTensor *tensor);
CError ct_to(CTensor **out, const CTensor *tensor, CDType dtype, CDevice device);
CError ct_channels_last(CTensor **out, const CTensor *tensor);
// The memory of a float32 tensor on the CPU that lies there channels last; of no other.
CError ct_channels_last_data(const float **out, const CTensor *tensor);

// Shapes.
CError ct_reshape(CTensor **out, const CTensor *tensor, const int64_t *shape, int dimensions);
CError ct_flatten(CTensor **out, const CTensor *tensor, int64_t first_dimension);
CError ct_permute(CTensor **out, const CTensor *tensor, const int64_t *order, int dimensions);
CError ct_concatenate(CTensor **out, CTensor *const *tensors, int count, int64_t dimension);
CError ct_slice(CTensor **out, const CTensor *tensor, int64_t dimension, int64_t from, int64_t to,
                int64_t step);
CError ct_select_indices(CTensor **out, const CTensor *tensor, int64_t dimension,
                         const int64_t *indices, int64_t count);
typedef enum { ct_constant = 0, ct_reflect = 1, ct_replicate = 2 } CPadding;
// `before` is top and left, `after` bottom and right; only ct_constant has a use for `value`.
CError ct_pad(CTensor **out, const CTensor *tensor, CPair before, CPair after, CPadding mode,
              double value);
// The values that a uint8 mask of the tensor's shape keeps, as a vector, channels last; and back,
// with zeros between, channels last where there are four dimensions.
CError ct_gather_kept(CTensor **out, const CTensor *tensor, const CTensor *mask);
CError ct_scatter_kept(CTensor **out, const CTensor *kept, const CTensor *mask);
// A float32 tensor's values to memory, in the order in which `like`, of its shape, lies in memory; and
// from there a tensor like it.
CError ct_pack(float *memory, const CTensor *tensor, const CTensor *like);
CError ct_unpack(CTensor **out, const float *memory, const CTensor *like);
// Where a float32 tensor's values lie, if on the CPU, in the order of `like` and without others beside
// them; else null.
CError ct_memory(float **out, const CTensor *tensor, const CTensor *like);

// Arithmetic, with broadcasting.
CError ct_add(CTensor **out, const CTensor *a, const CTensor *b);
CError ct_subtract(CTensor **out, const CTensor *a, const CTensor *b);
CError ct_multiply(CTensor **out, const CTensor *a, const CTensor *b);
CError ct_divide(CTensor **out, const CTensor *a, const CTensor *b);
CError ct_scale(CTensor **out, const CTensor *a, double factor);
CError ct_add_number(CTensor **out, const CTensor *a, double number);
CError ct_abs(CTensor **out, const CTensor *a);
CError ct_sum(CTensor **out, const CTensor *a);
CError ct_sum_over(CTensor **out, const CTensor *a, int64_t dimension);
CError ct_mean_over(CTensor **out, const CTensor *a, const int64_t *dimensions, int count,
                    bool keep_dimensions);
CError ct_argmax(CTensor **out, const CTensor *a, int64_t dimension);
CError ct_count_above(int64_t *out, const CTensor *a, double bound);  // elements with |a| > bound
CError ct_add_in_place(CTensor *a, const CTensor *b, double factor);
CError ct_add_absolute_product(CTensor *sum, const CTensor *a, const CTensor *b);  // sum += |a · b|
CError ct_mask_in_place(CTensor *tensor, const CTensor *mask);  // 0 where the uint8 mask is 0
CError ct_copy_in_place(CTensor *a, const CTensor *b);

// Convolution and linear layers. A bias may be NULL.
CError ct_conv2d(CTensor **out, const CTensor *input, const CTensor *weight, const CTensor *bias,
                 CPair stride, CPair padding, CPair dilation, int64_t groups);
CError ct_conv_transpose2d(CTensor **out, const CTensor *input, const CTensor *weight,
                           const CTensor *bias, CPair stride, CPair padding, CPair output_padding,
                           CPair dilation, int64_t groups);
CError ct_linear(CTensor **out, const CTensor *input, const CTensor *weight, const CTensor *bias);

// Convolutions under a mask; a linear layer is one with a 1×1 kernel. `shape` is out × in / groups ×
// height × width; the mask, uint8 of that shape, may be NULL, which keeps all. Weights are the kept
// ones, as they lie in memory channels last: out × height × width × in. Results lie batch innermost.
typedef struct CSparseConvolution CSparseConvolution;
CError ct_sparse_convolution(CSparseConvolution **out, const int64_t *shape, CPair stride,
                             CPair padding, CPair dilation, int64_t groups, const CTensor *mask);
void ct_release_sparse_convolution(CSparseConvolution *convolution);
bool ct_is_dense(const CSparseConvolution *convolution);  // whether it multiplies all weights
CError ct_sparse_convolve(CTensor **out, const CTensor *input, const CTensor *weights,
                          const CTensor *bias, const CSparseConvolution *convolution);
// Without gradients: the sums times scale, plus shift, plus residual (each may be NULL), rectified.
CError ct_sparse_convolve_finished(CTensor **out, const CTensor *input, const CTensor *weights,
                                   const CTensor *scale, const CTensor *shift,
                                   const CTensor *residual, bool rectify,
                                   const CSparseConvolution *convolution);

// Normalisation. Weight and bias may be NULL.
CError ct_batch_norm(CTensor **out, const CTensor *input, const CTensor *weight,
                     const CTensor *bias, CTensor *running_mean, CTensor *running_var,
                     bool training, double momentum, double epsilon);
// Has batch-norm take its statistics in training of batches that are divided among processes: `sum`
// adds values up over the processes, in place. Every process calls it in the same order, since each
// runs the same network. NULL, as at first: every batch is whole.
void ct_divide_batches(void (*sum)(double *values, int64_t count));
CError ct_group_norm(CTensor **out, const CTensor *input, int64_t groups, const CTensor *weight,
                     const CTensor *bias, double epsilon);
CError ct_normalize(CTensor **out, const CTensor *input, int64_t dimension);

// Activations.
CError ct_relu(CTensor **out, const CTensor *input);
CError ct_clamp(CTensor **out, const CTensor *input, double low, double high);
CError ct_leaky_relu(CTensor **out, const CTensor *input, double slope);
CError ct_silu(CTensor **out, const CTensor *input);
CError ct_hard_swish(CTensor **out, const CTensor *input);
CError ct_sigmoid(CTensor **out, const CTensor *input);
CError ct_hard_sigmoid(CTensor **out, const CTensor *input, double alpha, double beta);
CError ct_tanh(CTensor **out, const CTensor *input);
CError ct_gelu(CTensor **out, const CTensor *input, bool approximate);
CError ct_softmax(CTensor **out, const CTensor *input, int64_t dimension);
// `first_image` is the place of the input's first image in the batch that the numbers are drawn for.
CError ct_dropout(CTensor **out, const CTensor *input, double probability, uint64_t stream,
                  int64_t first_image);

// Pooling.
CError ct_max_pool2d(CTensor **out, const CTensor *input, CPair kernel, CPair stride, CPair padding,
                     CPair dilation, bool ceil_mode);
CError ct_average_pool2d(CTensor **out, const CTensor *input, CPair kernel, CPair stride,
                         CPair padding, bool ceil_mode, bool counts_padding);
CError ct_adaptive_average_pool2d(CTensor **out, const CTensor *input, CPair size);
CError ct_global_max_pool2d(CTensor **out, const CTensor *input);

// Resizing. `scales` are output size / input size, (height, width), or NULL for those of the sizes.
CError ct_upsample_nearest(CTensor **out, const CTensor *input, CPair size, const double *scales);
CError ct_upsample_bilinear(CTensor **out, const CTensor *input, CPair size, bool align_corners,
                            const double *scales);

// The sparse engine's operations: N x C x H x W, float32 on the CPU, however it lies in memory. What
// they return lies batch innermost there, C x H x W x N. Parameters are as above; `rectify` replaces
// negative values by 0: after the residual's sum, but before dropout.
CError ct_batch_innermost(CTensor **out, const CTensor *input);
CError ct_planes_batch_norm(CTensor **out, const CTensor *input, const CTensor *weight,
                            const CTensor *bias, CTensor *running_mean, CTensor *running_var,
                            const CTensor *residual, bool rectify, bool training, double momentum,
                            double epsilon);
CError ct_planes_max_pool2d(CTensor **out, const CTensor *input, CPair kernel, CPair stride,
                            CPair padding, CPair dilation, bool ceil_mode);
CError ct_planes_average_pool2d(CTensor **out, const CTensor *input, CPair kernel, CPair stride,
                                CPair padding, bool ceil_mode, bool counts_padding);
CError ct_planes_global_mean(CTensor **out, const CTensor *input);
CError ct_planes_dropout(CTensor **out, const CTensor *input, bool rectify, double probability,
                         uint64_t stream, int64_t first_image);
CError ct_planes_upsample_nearest(CTensor **out, const CTensor *input, CPair size,
                                  const double *scales);
CError ct_planes_upsample_bilinear(CTensor **out, const CTensor *input, CPair size,
                                   bool align_corners, const double *scales);

// Losses. logits N×C×H×W, target int64 N×H×W; pixels of the class `ignore` do not count;
// `reduce_mean` chooses the (weighted) mean over the sum.
CError ct_cross_entropy(CTensor **out, const CTensor *logits, const CTensor *target,
                        const CTensor *class_weights, int64_t ignore, bool reduce_mean);

// Differentiation.
CError ct_set_requires_grad(CTensor *tensor, bool value);
CError ct_detach(CTensor **out, const CTensor *tensor);
// Gradients of a scalar in the inputs' order; an input that the scalar does not depend on gets NULL.
// `ready`, which may be NULL, is called with each that there is as soon as it is known, in an order that
// follows from the graph; it owns the tensor that it gets.
CError ct_gradients(CTensor **out, const CTensor *scalar, CTensor *const *inputs, int count,
                    bool retain_graph,
                    void (*ready)(int index, CTensor *gradient, void *context), void *context);
bool ct_set_grad_enabled(bool enabled);  // of this thread; returns what it was
bool ct_grad_enabled(void);
// Arithmetic of this thread: autocast to bfloat16 where that is safe, or float32. The outermost
// scope's end drops the cached casts; each end brings back what was before.
typedef struct {
  bool is_autocast;
  int dtype;
} CPrecision;
CPrecision ct_begin_precision(CDevice device, bool bfloat16);
void ct_end_precision(CDevice device, CPrecision before);

// Random numbers of a stream, by position in row-major (N×C×H×W) order.
CError ct_fill_normal(CTensor *tensor, double mean, double deviation, uint64_t stream);
CError ct_fill_uniform(CTensor *tensor, double low, double high, uint64_t stream);

// One Adam step with the L2 term added to the gradient, over all parameters at once.
CError ct_adam_step(CTensor *const *parameters, CTensor *const *gradients,
                    CTensor *const *first_moments, CTensor *const *second_moments,
                    CTensor *const *steps, int count, double learning_rate, double beta1,
                    double beta2, double epsilon, double weight_decay);

#ifdef __cplusplus
}
#endif

#endif
