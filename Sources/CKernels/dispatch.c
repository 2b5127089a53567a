#include "include/CKernels.h"

#include <string.h>

extern const struct rdo_kernels rdo_kernels_baseline;

#if defined(__x86_64__)
extern const struct rdo_kernels rdo_kernels_avx2;
extern const struct rdo_kernels rdo_kernels_avx512;

static _Bool has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

static _Bool has_avx512(void) {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
#endif

const struct rdo_kernels *rdo_kernels_named(const char *name) {
    if (strcmp(name, "baseline") == 0) return &rdo_kernels_baseline;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (strcmp(name, "avx2") == 0 && has_avx2()) return &rdo_kernels_avx2;
    if (strcmp(name, "avx512") == 0 && has_avx512()) return &rdo_kernels_avx512;
#endif
    return NULL;
}
