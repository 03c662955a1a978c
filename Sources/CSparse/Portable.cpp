// The kernels for any processor.

#include "Kernels.h"

#define LANES 4
#define KERNELS portable_kernels
#include "Kernels/All.h"
