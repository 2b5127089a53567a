// Attention of one token's heads over rows that were kept: the heads that share a key-value head read each row once.

INLINE const float *kept_row(const float *first, ptrdiff_t stride, const int32_t *rows, ptrdiff_t index) {
    return first + (rows ? rows[index] : index) * stride;
}

static void kept_scores(const float *queries, ptrdiff_t heads, ptrdiff_t size, const float *keys, ptrdiff_t stride,
                        const int32_t *rows, ptrdiff_t count, float *scores, ptrdiff_t score_stride) {
    for (ptrdiff_t index = 0; index < count; index++) {
        const float *key = kept_row(keys, stride, rows, index);
        for (ptrdiff_t head = 0; head < heads; head++) {
            scores[head * score_stride + index] = dot(queries + head * size, key, size);
        }
    }
}

static void kept_sum(const float *weights, ptrdiff_t weight_stride, ptrdiff_t heads, ptrdiff_t size,
                     const float *values, ptrdiff_t stride, const int32_t *rows, ptrdiff_t count, float *out) {
    for (ptrdiff_t head = 0; head < heads; head++) {
        // Four registers of the sum at a time, so that each value is read once and nothing is written in between.
        for (ptrdiff_t start = 0; start < size; start += 4 * LANES) {
            float *target = out + head * size + start;
            const ptrdiff_t left = size - start;
            floats sum[4];
            for (int k = 0; k < 4 && k * LANES < left; k++) {
                sum[k] = load(target + k * LANES, smaller(left - k * LANES, LANES));
            }
            for (ptrdiff_t index = 0; index < count; index++) {
                const float weight = weights[head * weight_stride + index];
                const float *value = kept_row(values, stride, rows, index) + start;
                if (left >= 4 * LANES) {
                    for (int k = 0; k < 4; k++) sum[k] += weight * load(value + k * LANES, LANES);
                } else {
                    for (int k = 0; k < 4 && k * LANES < left; k++) {
                        sum[k] += weight * load(value + k * LANES, smaller(left - k * LANES, LANES));
                    }
                }
            }
            for (int k = 0; k < 4 && k * LANES < left; k++) {
                store(target + k * LANES, smaller(left - k * LANES, LANES), sum[k]);
            }
        }
    }
}
