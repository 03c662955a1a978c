// Every kernel, for the instruction set of the file that includes this one.

#include "../Vectors.h"

namespace {
#include "Convolution.h"
}

const Kernels KERNELS = {convolution_kernels};
