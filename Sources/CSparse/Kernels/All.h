// Every kernel, for the instruction set of the file that includes this one.

#include "../Vectors.h"

namespace {
#ifdef BFLOAT16
#include "BFloat16.h"
#endif
#include "Convolution.h"
#include "Planes.h"
// What works on planes.
#include "Dropout.h"
#include "Normalization.h"
#include "Pooling.h"
#include "Resizing.h"
}

const Kernels KERNELS = {convolution_kernels, normalization_kernels, pooling_kernels, dropout_kernels,
                         resizing_kernels};
