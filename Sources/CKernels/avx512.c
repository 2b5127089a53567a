#if defined(__x86_64__)
#include "headers.h"

#define KERNEL_TABLE rdo_kernels_avx512
#define KERNEL_TABLE_NAME "avx512"
#pragma clang attribute push(__attribute__((target("fma,avx512f,avx512bw,avx512dq,avx512vl"))), apply_to = function)
#include "bodies.h"
#pragma clang attribute pop
#endif
