// The sparse engine's operations but convolutions, as functions that libtorch differentiates through.

#include <ATen/native/Pool.h>
#include <ATen/native/UpSample.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "BatchInnermost.h"
#include "CSparse.h"
#include "DividedBatch.h"

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

// What a forward pass keeps for its backward passes beside tensors.
template <typename Value>
struct Kept : torch::CustomClassHolder {
  Value value;
  explicit Kept(Value value) : value(std::move(value)) {}
};

template <typename Value>
static void keep(AutogradContext *context, Value value) {
  context->saved_data["kept"] =
      at::IValue::make_capsule(c10::make_intrusive<Kept<Value>>(std::move(value)));
}

template <typename Value>
static Value kept(AutogradContext *context) {
  return static_cast<const Kept<Value> &>(*context->saved_data["kept"].toCapsule()).value;
}

static bool needs_gradient(const at::Tensor &input) {
  return c10::GradMode::is_enabled() && input.requires_grad();
}

CError ct_batch_innermost(CTensor **out, const CTensor *input) {
  return returning(out, [&] { return batch_innermost(input->value); });
}

// Batch normalisation.

static const float *data_of(const at::Tensor &tensor) {
  return tensor.defined() ? tensor.const_data_ptr<float>() : nullptr;
}

// One value per channel, one after the other.
static at::Tensor per_channel(const at::Tensor &values, int64_t channels) {
  TORCH_CHECK(values.is_cpu() && values.scalar_type() == at::kFloat && values.dim() == 1 &&
                  values.size(0) == channels,
              "batch-norm of ", channels, " channels with values of the shape ", values.sizes());
  return values.contiguous();
}

namespace {

struct NormOptions {
  bool rectify, training, has_residual, is_divided;
  double epsilon;
  int64_t count = 0;  // values per channel of the whole batch, in training
};

struct BatchNorm : Function<BatchNorm> {
  // `statistics` are the means and biased variances, 2 x C in double precision; written in training,
  // as is the count.
  static CSBatchNorm kernel(const NormOptions &options, const at::Tensor &input,
                            const at::Tensor &weight, const at::Tensor &bias,
                            const at::Tensor &residual, const at::Tensor &statistics) {
    CSBatchNorm norm{};
    norm.plane = input.size(0) * input.size(2) * input.size(3);
    norm.count = options.count;
    norm.training = options.training;
    norm.rectify = options.rectify;
    norm.epsilon = options.epsilon;
    norm.input = data_of(input);
    norm.weight = data_of(weight);
    norm.bias = data_of(bias);
    norm.residual = data_of(residual);
    norm.mean = statistics.mutable_data_ptr<double>();
    norm.variance = norm.mean + input.size(1);
    return norm;
  }

  static at::Tensor forward(AutogradContext *context, const at::Tensor &given_input,
                            const std::optional<at::Tensor> &given_weight,
                            const std::optional<at::Tensor> &given_bias,
                            const std::optional<at::Tensor> &given_residual,
                            const at::Tensor &statistics, NormOptions options,
                            int64_t *count) {
    const at::Tensor input = batch_innermost(given_input);
    at::Tensor weight, bias, residual;
    if (given_weight) weight = per_channel(*given_weight, input.size(1));
    if (given_bias) bias = per_channel(*given_bias, input.size(1));
    if (given_residual) {
      TORCH_CHECK(given_residual->sizes() == input.sizes(), "a residual of the shape ",
                  given_residual->sizes(), " for an input of the shape ", input.sizes());
      residual = batch_innermost(*given_residual);
    }
    at::Tensor output = empty_batch_innermost_like(input);
    const CSBatchNorm norm = kernel(options, input, weight, bias, residual, statistics);
    options.count = norm.plane;
    if (options.is_divided) {
      parallel_channels(input, [&](int64_t first, int64_t last) {
        cs_batch_norm_statistics(&norm, first, last);
      });
      options.count = merge_statistics(statistics, norm.plane);
    }
    *count = options.count;
    // Channel by channel, so that the second look at a plane finds it in the cache.
    parallel_channels(input, [&](int64_t first, int64_t last) {
      for (int64_t channel = first; channel < last; channel++) {
        if (options.training && !options.is_divided)
          cs_batch_norm_statistics(&norm, channel, channel + 1);
        cs_batch_norm(&norm, output.mutable_data_ptr<float>(), channel, channel + 1);
      }
    });
    // Where a residual was rectified, the output says what came through.
    const bool keeps_output = options.has_residual && options.rectify;
    context->save_for_backward(
        {input, weight, bias, keeps_output ? output : at::Tensor(), statistics});
    keep(context, options);
    return output;
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &input = saved[0], &output = saved[3];
    const at::Tensor output_gradient = batch_innermost(gradients[0]);
    at::Tensor input_gradient = empty_batch_innermost_like(input);
    at::Tensor weight_gradient = at::empty({input.size(1)}, at::kFloat);
    at::Tensor bias_gradient = at::empty({input.size(1)}, at::kFloat);
    // The output stands for the residual, of which only the presence counts now.
    const auto options = kept<NormOptions>(context);
    const CSBatchNorm norm = kernel(options, input, saved[1], saved[2], output, saved[4]);
    at::Tensor residual_gradient =
        output.defined() ? empty_batch_innermost_like(input) : output_gradient;
    CSBatchNormGradient gradient{};
    gradient.output = data_of(output);
    gradient.output_gradient = data_of(output_gradient);
    gradient.input_gradient = input_gradient.mutable_data_ptr<float>();
    gradient.residual_gradient =
        output.defined() ? residual_gradient.mutable_data_ptr<float>() : nullptr;
    gradient.weight_gradient = weight_gradient.mutable_data_ptr<float>();
    gradient.bias_gradient = bias_gradient.mutable_data_ptr<float>();
    at::Tensor sums = at::empty({2, input.size(1)}, at::kDouble);
    gradient.sum = sums.mutable_data_ptr<double>();
    gradient.product_sum = gradient.sum + input.size(1);
    if (options.is_divided) {
      parallel_channels(input, [&](int64_t first, int64_t last) {
        cs_batch_norm_gradient_sums(&norm, &gradient, first, last);
      });
      sum_over_batch(sums);
    }
    parallel_channels(input, [&](int64_t first, int64_t last) {
      for (int64_t channel = first; channel < last; channel++) {
        if (!options.is_divided)
          cs_batch_norm_gradient_sums(&norm, &gradient, channel, channel + 1);
        cs_batch_norm_gradient(&norm, &gradient, channel, channel + 1);
      }
    });
    // Nothing for what was not given.
    const at::Tensor nothing;
    return {input_gradient,
            saved[1].defined() ? weight_gradient : nothing,
            saved[2].defined() ? bias_gradient : nothing,
            options.has_residual ? residual_gradient : nothing,
            nothing,
            nothing,
            nothing};
  }
};

}  // namespace

CError ct_planes_batch_norm(CTensor **out, const CTensor *input, const CTensor *weight,
                            const CTensor *bias, CTensor *running_mean, CTensor *running_var,
                            const CTensor *residual, bool rectify, bool training, double momentum,
                            double epsilon) {
  return returning(out, [&] {
    const at::Tensor &x = input->value;
    TORCH_CHECK(x.dim() == 4, "expected N x C x H x W, found the shape ", x.sizes());
    const int64_t channels = x.size(1), plane = x.size(0) * x.size(2) * x.size(3);
    const bool is_divided = training && batches_are_divided();
    TORCH_CHECK(!training || is_divided || plane > 1,
                "batch-norm needs more than one value per channel in training, found the shape ",
                x.sizes());
    const at::Tensor mean = per_channel(running_mean->value, channels);
    const at::Tensor variance = per_channel(running_var->value, channels);
    at::Tensor statistics = at::zeros({2, channels}, at::kDouble);
    if (!training) {
      statistics[0].copy_(mean);
      statistics[1].copy_(variance);
    }
    int64_t count = plane;
    at::Tensor result = BatchNorm::apply(
        x, optional_tensor(weight), optional_tensor(bias), optional_tensor(residual), statistics,
        NormOptions{rectify, training, residual != nullptr, is_divided, epsilon}, &count);
    if (training)
      move_statistics(running_mean->value, running_var->value, statistics, count, momentum);
    return result;
  });
}

// Pooling.

static CSWindows windows_of(const at::Tensor &input, CPair kernel, CPair stride, CPair padding,
                            CPair dilation, bool ceil_mode, bool counts_padding) {
  TORCH_CHECK(input.dim() == 4, "expected N x C x H x W, found the shape ", input.sizes());
  const auto [kernel_height, kernel_width] = pair_of(kernel);
  const auto [stride_height, stride_width] = pair_of(stride);
  const auto [padding_height, padding_width] = pair_of(padding);
  const auto [dilation_height, dilation_width] = pair_of(dilation);
  const int64_t height = input.size(2), width = input.size(3);
  TORCH_CHECK(kernel_height > 0 && kernel_width > 0 && stride_height > 0 && stride_width > 0 &&
                  dilation_height > 0 && dilation_width > 0,
              "pooling with a kernel, stride or dilation that is not positive");
  const int64_t output_height = at::native::pooling_output_shape<int64_t>(
      height, kernel_height, padding_height, stride_height, dilation_height, ceil_mode);
  const int64_t output_width = at::native::pooling_output_shape<int64_t>(
      width, kernel_width, padding_width, stride_width, dilation_width, ceil_mode);
  at::native::pool2d_shape_check(input, kernel_height, kernel_width, stride_height, stride_width,
                                 padding_height, padding_width, dilation_height, dilation_width,
                                 input.size(1), height, width, output_height, output_width,
                                 at::MemoryFormat::Contiguous);
  check_dilated_windows(height, output_height, kernel_height, stride_height, padding_height,
                        dilation_height);
  check_dilated_windows(width, output_width, kernel_width, stride_width, padding_width,
                        dilation_width);
  return {input.size(0),  height,         width,          output_height, output_width,
          kernel_height,  kernel_width,   stride_height,  stride_width,  padding_height,
          padding_width,  dilation_height, dilation_width, counts_padding};
}

static at::Tensor empty_output(const CSWindows &windows, int64_t channels) {
  return empty_batch_innermost(windows.batch, channels, windows.output_height,
                               windows.output_width);
}

static at::Tensor empty_input(const CSWindows &windows, int64_t channels) {
  return empty_batch_innermost(windows.batch, channels, windows.height, windows.width);
}

namespace {

struct MaxPool : Function<MaxPool> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &given, CSWindows windows,
                            bool keeps_taps) {
    const at::Tensor input = batch_innermost(given);
    at::Tensor output = empty_output(windows, input.size(1));
    at::Tensor taps;
    if (keeps_taps) taps = at::empty({output.numel()}, at::kUInt16);
    uint16_t *tap_data = keeps_taps ? taps.mutable_data_ptr<uint16_t>() : nullptr;
    parallel_channels(input, [&](int64_t first, int64_t last) {
      cs_max_pool(&windows, data_of(input), output.mutable_data_ptr<float>(), tap_data, first,
                  last);
    });
    context->save_for_backward({taps});
    keep(context, windows);
    return output;
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    const at::Tensor taps = context->get_saved_variables()[0];
    const CSWindows windows = kept<CSWindows>(context);
    const at::Tensor output_gradient = batch_innermost(gradients[0]);
    at::Tensor input_gradient = empty_input(windows, output_gradient.size(1));
    parallel_channels(input_gradient, [&](int64_t first, int64_t last) {
      cs_max_pool_gradient(&windows, data_of(output_gradient), taps.const_data_ptr<uint16_t>(),
                           input_gradient.mutable_data_ptr<float>(), first, last);
    });
    return {input_gradient, at::Tensor(), at::Tensor()};
  }
};

struct AveragePool : Function<AveragePool> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &given, CSWindows windows) {
    const at::Tensor input = batch_innermost(given);
    at::Tensor output = empty_output(windows, input.size(1));
    parallel_channels(input, [&](int64_t first, int64_t last) {
      cs_average_pool(&windows, data_of(input), output.mutable_data_ptr<float>(), first, last);
    });
    keep(context, windows);
    return output;
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    const CSWindows windows = kept<CSWindows>(context);
    const at::Tensor output_gradient = batch_innermost(gradients[0]);
    at::Tensor input_gradient = empty_input(windows, output_gradient.size(1));
    parallel_channels(input_gradient, [&](int64_t first, int64_t last) {
      cs_average_pool_gradient(&windows, data_of(output_gradient),
                               input_gradient.mutable_data_ptr<float>(), first, last);
    });
    return {input_gradient, at::Tensor()};
  }
};

struct GlobalMean : Function<GlobalMean> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &given) {
    const at::Tensor input = batch_innermost(given);
    at::Tensor output = empty_batch_innermost(input.size(0), input.size(1), 1, 1);
    parallel_channels(input, [&](int64_t first, int64_t last) {
      cs_global_mean(input.size(0), input.size(2) * input.size(3), data_of(input),
                     output.mutable_data_ptr<float>(), first, last);
    });
    keep(context, input.sizes().vec());
    return output;
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    const auto shape = kept<std::vector<int64_t>>(context);
    const at::Tensor output_gradient = batch_innermost(gradients[0]);
    at::Tensor input_gradient = empty_batch_innermost(shape[0], shape[1], shape[2], shape[3]);
    parallel_channels(input_gradient, [&](int64_t first, int64_t last) {
      cs_global_mean_gradient(shape[0], shape[2] * shape[3], data_of(output_gradient),
                              input_gradient.mutable_data_ptr<float>(), first, last);
    });
    return {input_gradient};
  }
};

}  // namespace

CError ct_planes_max_pool2d(CTensor **out, const CTensor *input, CPair kernel, CPair stride,
                            CPair padding, CPair dilation, bool ceil_mode) {
  return returning(out, [&] {
    const CSWindows windows =
        windows_of(input->value, kernel, stride, padding, dilation, ceil_mode, false);
    TORCH_CHECK(windows.kernel_height * windows.kernel_width <= 1 << 16,
                "max pooling over windows of more than 65536 pixels");
    return MaxPool::apply(input->value, windows, needs_gradient(input->value));
  });
}

CError ct_planes_average_pool2d(CTensor **out, const CTensor *input, CPair kernel, CPair stride,
                                CPair padding, bool ceil_mode, bool counts_padding) {
  return returning(out, [&] {
    return AveragePool::apply(input->value, windows_of(input->value, kernel, stride, padding,
                                                       {1, 1}, ceil_mode, counts_padding));
  });
}

CError ct_planes_global_mean(CTensor **out, const CTensor *input) {
  return returning(out, [&] {
    const at::Tensor &x = input->value;
    TORCH_CHECK(x.dim() == 4 && x.numel() > 0, "the mean of pictures of the shape ", x.sizes());
    return GlobalMean::apply(x);
  });
}

// Dropout.

namespace {

struct Dropout : Function<Dropout> {
  static at::Tensor dropped(const CSDropout &dropout, const at::Tensor &input) {
    at::Tensor output = empty_batch_innermost_like(input);
    parallel_channels(input, [&](int64_t first, int64_t last) {
      cs_dropout(&dropout, data_of(input), output.mutable_data_ptr<float>(), first, last);
    });
    return output;
  }

  static at::Tensor forward(AutogradContext *context, const at::Tensor &input, CSDropout dropout) {
    const at::Tensor output = dropped(dropout, batch_innermost(input));
    if (dropout.rectify) context->save_for_backward({output});
    keep(context, dropout);
    return output;
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    const CSDropout dropout = kept<CSDropout>(context);
    const at::Tensor output_gradient = batch_innermost(gradients[0]);
    if (!dropout.rectify) return {dropped(dropout, output_gradient), at::Tensor()};
    const at::Tensor output = context->get_saved_variables()[0];
    at::Tensor input_gradient = empty_batch_innermost_like(output);
    parallel_channels(output, [&](int64_t first, int64_t last) {
      cs_rectified_gradient(dropout.batch * dropout.pixels, dropout.scale, data_of(output),
                            data_of(output_gradient), input_gradient.mutable_data_ptr<float>(),
                            first, last);
    });
    return {input_gradient, at::Tensor()};
  }
};

}  // namespace

CError ct_planes_dropout(CTensor **out, const CTensor *input, bool rectify, double probability,
                         uint64_t stream, int64_t first_image) {
  return returning(out, [&] {
    TORCH_CHECK(probability >= 0 && probability < 1, "dropout with the probability ", probability);
    const at::Tensor &x = input->value;
    TORCH_CHECK(x.dim() == 4, "expected N x C x H x W, found the shape ", x.sizes());
    CSDropout dropout{};
    dropout.batch = x.size(0);
    dropout.channels = x.size(1);
    dropout.pixels = x.size(2) * x.size(3);
    dropout.first_image = first_image;
    dropout.stream = stream;
    dropout.dropped = static_cast<uint64_t>(std::llround(probability * 0x1p32));
    dropout.scale = static_cast<float>(1 / (1 - probability));
    dropout.rectify = rectify;
    return Dropout::apply(x, dropout);
  });
}

// Resizing.

namespace {

struct Resizing {
  int64_t batch, height, width;
  std::vector<CSBlend> rows, columns;

  CSResizing kernel() const {
    return {batch,
            height,
            width,
            static_cast<int64_t>(rows.size()),
            static_cast<int64_t>(columns.size()),
            rows.data(),
            columns.data()};
  }
};

struct Resize : Function<Resize> {
  static at::Tensor forward(AutogradContext *context, const at::Tensor &given, Resizing resizing) {
    const at::Tensor input = batch_innermost(given);
    const CSResizing kernel = resizing.kernel();
    at::Tensor output = empty_batch_innermost(kernel.batch, input.size(1), kernel.output_height,
                                              kernel.output_width);
    parallel_channels(output, [&](int64_t first, int64_t last) {
      cs_resize(&kernel, data_of(input), output.mutable_data_ptr<float>(), first, last);
    });
    keep(context, std::move(resizing));
    return output;
  }

  static variable_list backward(AutogradContext *context, variable_list gradients) {
    const auto resizing = kept<Resizing>(context);
    const CSResizing kernel = resizing.kernel();
    const at::Tensor output_gradient = batch_innermost(gradients[0]);
    at::Tensor input_gradient = empty_batch_innermost(kernel.batch, output_gradient.size(1),
                                                      kernel.height, kernel.width);
    parallel_channels(output_gradient, [&](int64_t first, int64_t last) {
      cs_resize_gradient(&kernel, data_of(output_gradient),
                         input_gradient.mutable_data_ptr<float>(), first, last);
    });
    return {input_gradient, at::Tensor()};
  }
};

}  // namespace

// `blend` says for a side of the picture where row or column i comes from.
static at::Tensor resized(const at::Tensor &input, CPair size, const double *scales,
                          CSBlend (*blend)(int64_t i, int64_t from, int64_t to,
                                           std::optional<double> scale)) {
  const auto given_scales = scales_of(input, size, scales);
  const auto [height, width] = pair_of(size);
  TORCH_CHECK(input.dim() == 4 && input.numel() > 0 && height > 0 && width > 0,
              "pictures of the shape ", input.sizes(), " resized to ", height, " x ", width);
  const auto side = [&](int64_t from, int64_t to, std::optional<double> scale) {
    std::vector<CSBlend> blends;
    for (int64_t i = 0; i < to; i++) blends.push_back(blend(i, from, to, scale));
    return blends;
  };
  return Resize::apply(input, Resizing{input.size(0), input.size(2), input.size(3),
                                       side(input.size(2), height, given_scales[0]),
                                       side(input.size(3), width, given_scales[1])});
}

CError ct_planes_upsample_nearest(CTensor **out, const CTensor *input, CPair size,
                                  const double *scales) {
  return returning(out, [&] {
    return resized(input->value, size, scales,
                   [](int64_t i, int64_t from, int64_t to, std::optional<double> scale) {
                     const int64_t source = at::native::nearest_idx(i, from, to, scale);
                     return CSBlend{source, source, 1, 0};
                   });
  });
}

template <bool align_corners>
static CSBlend bilinear(int64_t i, int64_t from, int64_t to, std::optional<double> scale) {
  const double step = at::native::area_pixel_compute_scale<double>(from, to, align_corners, scale);
  const double place = at::native::area_pixel_compute_source_index<double>(
      step, i, align_corners, /*cubic=*/false);
  const int64_t first = from == to ? i : std::min(static_cast<int64_t>(place), from - 1);
  const double second_weight =
      from == to ? 0 : std::clamp(place - static_cast<double>(first), 0.0, 1.0);
  return {first, std::min(first + 1, from - 1), static_cast<float>(1 - second_weight),
          static_cast<float>(second_weight)};
}

CError ct_planes_upsample_bilinear(CTensor **out, const CTensor *input, CPair size,
                                   bool align_corners, const double *scales) {
  return returning(out, [&] {
    return resized(input->value, size, scales, align_corners ? bilinear<true> : bilinear<false>);
  });
}
