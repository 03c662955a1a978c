const ConvolutionKernels convolution_kernels = {};
