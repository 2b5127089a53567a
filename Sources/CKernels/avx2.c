#if defined(__x86_64__)
#include "headers.h"

#define KERNEL_TABLE rdo_kernels_avx2
#define KERNEL_TABLE_NAME "avx2"
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#include "bodies.h"
#pragma clang attribute pop
#endif
