// Convolutions and linear layers whose leaf is the vector of kept weights, by the kernels of CSparse.

#include <ATen/autocast_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <ATen/core/ivalue.h>
#include <torch/csrc/autograd/custom_function.h>

#include <atomic>

#include "BatchInnermost.h"
#include "Border.h"
#include "CSparse.h"

namespace {

struct Convolution : torch::CustomClassHolder {
  CSConvolution *kernels;
  CSGeometry geometry;

  Convolution(const CSGeometry &geometry, const uint8_t *mask)
      : kernels(cs_convolution_new(&geometry, mask)), geometry(geometry) {
    if (kernels == nullptr) throw std::bad_alloc();
  }
  ~Convolution() override { cs_convolution_free(kernels); }
};

// Pieces as threads get free; each does its own part of the result, so no order matters.
void parallel_queue(int64_t pieces, c10::function_ref<void(int64_t)> body) {
  std::atomic<int64_t> next{0};
  parallel_pieces(std::min<int64_t>(pieces, ct_threads()), [&](int64_t) {
    for (int64_t piece = next++; piece < pieces; piece = next++) body(piece);
  });
}

CSMaps maps_of(const at::Tensor &input) { return {input.size(0), input.size(2), input.size(3)}; }

// The weights as a pass reads them.
at::Tensor arranged(const Convolution &convolution, CSPass pass, const at::Tensor &weights) {
  at::Tensor result =
      at::zeros({cs_convolution_arranged_count(convolution.kernels, pass)}, weights.options());
  const float *from = weights.const_data_ptr<float>();
  float *to = result.mutable_data_ptr<float>();
  parallel_ranges(cs_convolution_kept(convolution.kernels), [&](int64_t first, int64_t last) {
    cs_convolution_arrange(convolution.kernels, pass, from, to, first, last);
  });
  return result;
}

// input N×C×H×W batch innermost.
at::Tensor forward_pass(const Convolution &convolution, const at::Tensor &input,
                        const at::Tensor &weights, const CSFinish &finish) {
  const CSMaps maps = maps_of(input);
  at::Tensor output = empty_batch_innermost(
      maps.images, convolution.geometry.outputs,
      cs_convolution_output_height(convolution.kernels, maps.height),
      cs_convolution_output_width(convolution.kernels, maps.width));
  const at::Tensor values = arranged(convolution, cs_forward, weights);
  const float *from = input.const_data_ptr<float>(), *value = values.const_data_ptr<float>();
  float *to = output.mutable_data_ptr<float>();
  parallel_queue(cs_convolution_pieces(convolution.kernels, cs_forward, &maps), [&](int64_t piece) {
    cs_convolution_forward(convolution.kernels, &maps, from, value, &finish, to, piece);
  });
  return output;
}

at::Tensor input_gradient(const Convolution &convolution, const CSMaps &maps,
                          const at::Tensor &weights, const at::Tensor &gradient) {
  at::Tensor result = empty_batch_innermost(maps.images, convolution.geometry.inputs, maps.height,
                                            maps.width);
  const at::Tensor values = arranged(convolution, cs_input_gradient, weights);
  const float *from = gradient.const_data_ptr<float>(), *value = values.const_data_ptr<float>();
  float *to = result.mutable_data_ptr<float>();
  parallel_queue(
      cs_convolution_pieces(convolution.kernels, cs_input_gradient, &maps), [&](int64_t piece) {
        cs_convolution_input_gradient(convolution.kernels, &maps, from, value, to, piece);
      });
  return result;
}

at::Tensor weight_gradient(const Convolution &convolution, CSPrecision precision,
                           const at::Tensor &input, const at::Tensor &gradient) {
  const CSMaps maps = maps_of(input);
  at::Tensor sums =
      at::zeros({cs_convolution_weight_sums(convolution.kernels)}, gradient.options());
  at::Tensor tiled = at::empty({cs_convolution_tiled_count(convolution.kernels, &maps, precision)},
                               gradient.options());
  const float *from = input.const_data_ptr<float>(), *output = gradient.const_data_ptr<float>();
  float *tiles = tiled.mutable_data_ptr<float>(), *sum = sums.mutable_data_ptr<float>();
  parallel_queue(cs_convolution_gradient_tiles(convolution.kernels, &maps), [&](int64_t tile) {
    cs_convolution_tile_gradient(convolution.kernels, &maps, precision, output, tiles, tile);
  });
  parallel_queue(cs_convolution_weight_pieces(convolution.kernels), [&](int64_t piece) {
    cs_convolution_weight_gradient(convolution.kernels, &maps, precision, from, tiles, sum, piece);
  });
  at::Tensor result =
      at::empty({cs_convolution_kept(convolution.kernels)}, gradient.options());
  float *weights = result.mutable_data_ptr<float>();
  parallel_ranges(cs_convolution_kept(convolution.kernels), [&](int64_t first, int64_t last) {
    cs_convolution_collect(convolution.kernels, sum, weights, first, last);
  });
  return result;
}

const float *per_output(const at::Tensor &values, int64_t outputs) {
  TORCH_CHECK(values.is_cpu() && values.numel() == outputs && values.is_contiguous() &&
                  values.scalar_type() == at::kFloat,
              "bias, scale or shift is not one number per channel");
  return values.const_data_ptr<float>();
}

class SparseConvolution : public torch::autograd::Function<SparseConvolution> {
 public:
  static at::Tensor forward(torch::autograd::AutogradContext *context, const at::Tensor &input,
                            const at::Tensor &weights, const std::optional<at::Tensor> &bias,
                            c10::intrusive_ptr<Convolution> convolution) {
    context->save_for_backward({input, weights});
    context->saved_data["convolution"] = c10::IValue::make_capsule(convolution);
    context->saved_data["has_bias"] = bias.has_value();
    // The backward pass follows the forward pass, as with libtorch's own layers.
    context->saved_data["precision"] = static_cast<int64_t>(
        at::autocast::is_autocast_enabled(at::kCPU) ? cs_bfloat16 : cs_float32);
    const CSFinish finish = {nullptr,
                             bias ? per_output(*bias, convolution->geometry.outputs) : nullptr,
                             nullptr, false};
    return forward_pass(*convolution, input, weights, finish);
  }

  static torch::autograd::variable_list backward(torch::autograd::AutogradContext *context,
                                                 torch::autograd::variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto capsule = context->saved_data["convolution"].toCapsule();
    const Convolution &convolution = *static_cast<Convolution *>(capsule.get());
    const at::Tensor gradient = batch_innermost(gradients[0]);
    at::Tensor input, weights, bias;
    if (context->needs_input_grad(0))
      input = input_gradient(convolution, maps_of(saved[0]), saved[1], gradient);
    if (context->needs_input_grad(1))
      weights = weight_gradient(
          convolution, static_cast<CSPrecision>(context->saved_data["precision"].toInt()), saved[0],
          gradient);
    // The context numbers the tensors that were there.
    if (context->saved_data["has_bias"].toBool() && context->needs_input_grad(2))
      bias = gradient.sum({0, 2, 3});
    return {input, weights, bias, at::Tensor()};
  }
};

CSGeometry geometry_of(const int64_t *shape, CPair stride, CPair padding, CPair dilation,
                       int64_t groups) {
  TORCH_CHECK(groups > 0 && shape[0] % groups == 0, "channels do not come in ", groups, " groups");
  TORCH_CHECK(stride.height > 0 && stride.width > 0 && dilation.height > 0 && dilation.width > 0 &&
                  padding.height >= 0 && padding.width >= 0,
              "stride, padding or dilation is out of range");
  TORCH_CHECK(shape[0] * shape[1] * shape[2] * shape[3] <= UINT32_MAX, "too many weights");
  pair_of(stride), pair_of(padding), pair_of(dilation);
  return {shape[1] * groups, shape[0],       groups,          shape[2],
          shape[3],          stride.height,  stride.width,    padding.height,
          padding.width,     dilation.height, dilation.width};
}

}  // namespace

struct CSparseConvolution {
  c10::intrusive_ptr<Convolution> value;
};

CError ct_sparse_convolution(CSparseConvolution **out, const int64_t *shape, CPair stride,
                             CPair padding, CPair dilation, int64_t groups, const CTensor *mask) {
  return guarded([&] {
    const CSGeometry geometry = geometry_of(shape, stride, padding, dilation, groups);
    at::Tensor kept;
    if (mask != nullptr) {
      TORCH_CHECK(mask->value.is_cpu() && mask->value.scalar_type() == at::kByte &&
                      mask->value.numel() == shape[0] * shape[1] * shape[2] * shape[3],
                  "the mask does not fit the weight");
      kept = mask->value.dim() == 4 ? mask->value.permute({0, 2, 3, 1}).contiguous()
                                    : mask->value.contiguous();
    }
    *out = new CSparseConvolution{c10::make_intrusive<Convolution>(
        geometry, mask == nullptr ? nullptr : kept.const_data_ptr<uint8_t>())};
  });
}

void ct_release_sparse_convolution(CSparseConvolution *convolution) { delete convolution; }

bool ct_is_dense(const CSparseConvolution *convolution) {
  return cs_convolution_is_dense(convolution->value->kernels);
}

// The input as the kernels take it: N×C×H×W, batch innermost; a matrix is a map of one place.
static at::Tensor checked_input(const CSparseConvolution *convolution, const CTensor *input,
                                const CTensor *weights) {
  const Convolution &kernels = *convolution->value;
  TORCH_CHECK(weights->value.dim() == 1 && weights->value.is_contiguous() &&
                  weights->value.scalar_type() == at::kFloat &&
                  weights->value.numel() == cs_convolution_kept(kernels.kernels),
              "the kept weights do not fit the pattern");
  at::Tensor value = input->value;
  if (value.dim() == 2) value = value.unsqueeze(2).unsqueeze(3);
  TORCH_CHECK(value.dim() == 4 && value.size(1) == kernels.geometry.inputs,
              "the layer takes ", kernels.geometry.inputs, " channels, not a tensor of ",
              input->value.sizes());
  const CSGeometry &geometry = kernels.geometry;
  const auto fits = [](int64_t size, int64_t padding, int64_t kernel, int64_t dilation) {
    return size + 2 * padding > dilation * (kernel - 1);
  };
  TORCH_CHECK(fits(value.size(2), geometry.padding_height, geometry.kernel_height,
                   geometry.dilation_height) &&
                  fits(value.size(3), geometry.padding_width, geometry.kernel_width,
                       geometry.dilation_width),
              "the window is larger than the map");
  return batch_innermost(value);
}

CError ct_sparse_convolve(CTensor **out, const CTensor *input, const CTensor *weights,
                          const CTensor *bias, const CSparseConvolution *convolution) {
  return returning(out, [&] {
    at::Tensor result = SparseConvolution::apply(checked_input(convolution, input, weights),
                                                 weights->value, optional_tensor(bias),
                                                 convolution->value);
    return input->value.dim() == 2 ? result.squeeze(3).squeeze(2) : result;
  });
}

CError ct_sparse_convolve_finished(CTensor **out, const CTensor *input, const CTensor *weights,
                                   const CTensor *scale, const CTensor *shift,
                                   const CTensor *residual, bool rectify,
                                   const CSparseConvolution *convolution) {
  return returning(out, [&] {
    c10::AutoGradMode no_grad(false);
    const int64_t outputs = convolution->value->geometry.outputs;
    const at::Tensor value = checked_input(convolution, input, weights);
    at::Tensor added;
    if (residual != nullptr) {
      added = batch_innermost(residual->value);
      const std::array<int64_t, 4> shape = {
          value.size(0), outputs,
          cs_convolution_output_height(convolution->value->kernels, value.size(2)),
          cs_convolution_output_width(convolution->value->kernels, value.size(3))};
      TORCH_CHECK(added.sizes() == at::IntArrayRef(shape), "the residual has another shape");
    }
    const CSFinish finish = {scale == nullptr ? nullptr : per_output(scale->value, outputs),
                             shift == nullptr ? nullptr : per_output(shift->value, outputs),
                             residual == nullptr ? nullptr : added.const_data_ptr<float>(),
                             rectify};
    at::Tensor result = forward_pass(*convolution->value, value, weights->value, finish);
    return input->value.dim() == 2 ? result.squeeze(3).squeeze(2) : result;
  });
}
