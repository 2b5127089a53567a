// All kernels, once for each file that includes this: the including file chooses the instruction set and defines
// KERNEL_TABLE and KERNEL_TABLE_NAME. Everything but the table is static.
#include "vector.h"

#include "reductions.h"

#include "attention.h"
#include "elementwise.h"
#include "half.h"
#include "normalization.h"
#include "optimizer.h"
#include "softmax.h"

const struct rdo_kernels KERNEL_TABLE = {
    .name = KERNEL_TABLE_NAME,
    .dot = dot,
    .sum_of_squares = sum_of_squares,
    .add = add,
    .scale = scale,
    .add_scaled = add_scaled,
    .rms_norm_forward = rms_norm_forward,
    .rms_norm_backward = rms_norm_backward,
    .rotary = rotary,
    .swiglu_forward = swiglu_forward,
    .swiglu_backward = swiglu_backward,
    .geglu_forward = geglu_forward,
    .geglu_backward = geglu_backward,
    .softmax_forward = softmax_forward,
    .scaled_exponential = scaled_exponential,
    .softmax_backward = softmax_backward,
    .log_sum_exp = log_sum_exp,
    .kept_scores = kept_scores,
    .kept_sum = kept_sum,
    .adamw = adamw,
    .bf16_to_float = bf16_to_float,
    .float16_to_float = float16_to_float,
    .float_to_bf16 = float_to_bf16,
};
