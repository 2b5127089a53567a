// Softmax over a row, whole (attention) or as log-sum-exp only (language-model head).

// Sum of exp(scale * x - shift), also stored in `out` unless null. Lanes sum 1,024 columns in single precision, the
// rest is double, so that 128,000 columns lose no accuracy.
INLINE double exponential_sum(const float *x, float scale, float shift, float *out, ptrdiff_t count) {
    const ptrdiff_t chunk = 1024;
    double sum = 0;
    for (ptrdiff_t start = 0; start < count; start += chunk) {
        floats chunk_sum = 0;
        FOR_BLOCKS(i, lanes, smaller(count - start, chunk)) {
            const floats value = exponential(load_or(x + start + i, lanes, -INFINITY) * scale - shift);
            if (out) store(out + start + i, lanes, value);
            chunk_sum += value;
        }
        sum += total(chunk_sum);
    }
    return sum;
}

static float softmax_forward(float *scores, float factor, ptrdiff_t count) {
    const float shift = factor * maximum(scores, count);
    const double sum = exponential_sum(scores, factor, shift, scores, count);
    scale(scores, (float)(1 / sum), count);
    return (float)(shift + log(sum));
}

static void scaled_exponential(float *x, float scale, float shift, float factor, ptrdiff_t count) {
    FOR_BLOCKS(i, lanes, count) {
        store(x + i, lanes, factor * exponential(load(x + i, lanes) * scale - shift));
    }
}

static void softmax_backward(const float *p, float *dp, float row_dot, float scale, ptrdiff_t count) {
    FOR_BLOCKS(i, lanes, count) {
        store(dp + i, lanes, scale * load(p + i, lanes) * (load(dp + i, lanes) - row_dot));
    }
}

static double log_sum_exp(const float *x, ptrdiff_t count) {
    const float shift = maximum(x, count);
    return shift + log(exponential_sum(x, 1, shift, NULL, count));
}
