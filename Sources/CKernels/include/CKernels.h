#ifndef RDO_CKERNELS_H
#define RDO_CKERNELS_H

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

/// Constants of one AdamW step, the bias corrections folded in.
struct rdo_adamw {
    float beta1, one_minus_beta1;
    float beta2, one_minus_beta2;
    /// learning rate / (1 - beta1^step)
    float step_size;
    /// 1 / sqrt(1 - beta2^step)
    float root_correction;
    float epsilon;
    /// learning rate * weight decay
    float decay;
    float gradient_scale;
};

/// Every kernel, compiled for one instruction set.
///
/// Arrays hold `count` elements and need no alignment. An output may be the very array of an input; arrays must not
/// overlap in any other way. An element of an element-wise result has the same bits wherever a slice begins or ends;
/// a reduction depends on its elements and their number only, never on addresses.
struct rdo_kernels {
    const char *name;

    float (*dot)(const float *a, const float *b, ptrdiff_t count);
    double (*sum_of_squares)(const float *x, ptrdiff_t count);
    void (*add)(const float *a, const float *b, float *sum, ptrdiff_t count);
    void (*scale)(float *x, float factor, ptrdiff_t count);
    /// y += factor * x
    void (*add_scaled)(const float *x, float factor, float *y, ptrdiff_t count);

    /// One row. Returns 1 / rms(x).
    float (*rms_norm_forward)(const float *x, const float *weight, float epsilon, float *y, ptrdiff_t count);
    /// One row. Adds to `dx` and, unless null, to `weight_gradient`.
    void (*rms_norm_backward)(const float *dy, const float *x, const float *weight, float inverse_rms, float *dx,
                              float *_Nullable weight_gradient, ptrdiff_t count);
    /// One head of one token, `[first half, second half]`, in place. `direction` is 1, or -1 for the inverse.
    void (*rotary)(float *head, const float *cosines, const float *sines, float direction, ptrdiff_t half);
    void (*swiglu_forward)(const float *gate, const float *up, float *out, ptrdiff_t count);
    void (*swiglu_backward)(const float *dout, const float *gate, const float *up, float *dgate, float *dup,
                            ptrdiff_t count);

    void (*geglu_forward)(const float *gate, const float *up, float *out, ptrdiff_t count);
    void (*geglu_backward)(const float *dout, const float *gate, const float *up, float *dgate, float *dup,
                           ptrdiff_t count);

    /// In place: softmax(scale * scores). Returns log sum exp(scale * scores).
    float (*softmax_forward)(float *scores, float scale, ptrdiff_t count);
    /// In place: factor * exp(scale * x - shift).
    void (*scaled_exponential)(float *x, float scale, float shift, float factor, ptrdiff_t count);
    /// In place in `dp`: scale * p * (dp - row_dot).
    void (*softmax_backward)(const float *p, float *dp, float row_dot, float scale, ptrdiff_t count);
    double (*log_sum_exp)(const float *x, ptrdiff_t count);

    /// Products of `heads` queries, `size` floats each, end to end, with kept keys: of the rows that `rows` numbers, or of
    /// the first `count` where it is null.
    void (*kept_scores)(const float *queries, ptrdiff_t heads, ptrdiff_t size, const float *keys, ptrdiff_t stride,
                        const int32_t *_Nullable rows, ptrdiff_t count, float *scores, ptrdiff_t score_stride);
    /// Adds the kept values, weighted, to `out`: `heads` times `size` floats, end to end.
    void (*kept_sum)(const float *weights, ptrdiff_t weight_stride, ptrdiff_t heads, ptrdiff_t size,
                     const float *values, ptrdiff_t stride, const int32_t *_Nullable rows, ptrdiff_t count,
                     float *out);

    void (*adamw)(float *parameters, const float *gradients, float *first_moment, float *second_moment,
                  ptrdiff_t count, const struct rdo_adamw *constants);

    /// Conversions: input and output must not overlap.
    void (*bf16_to_float)(const uint16_t *x, float *y, ptrdiff_t count);
    void (*float16_to_float)(const uint16_t *x, float *y, ptrdiff_t count);
    /// Rounds to nearest, ties to even; NaN stays NaN.
    void (*float_to_bf16)(const float *x, uint16_t *y, ptrdiff_t count);
};

/// The table compiled for the instruction set `name` ("baseline", "avx2", "avx512"), or null when this processor (or
/// this build) lacks it. "baseline" is never null.
const struct rdo_kernels *_Nullable rdo_kernels_named(const char *name);

#pragma clang assume_nonnull end

#endif
