// What every processor of the architecture can run: SSE2 on x86-64, NEON on arm64.
#include "headers.h"

#define KERNEL_TABLE rdo_kernels_baseline
#define KERNEL_TABLE_NAME "baseline"
#include "bodies.h"
