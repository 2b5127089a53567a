// Sums whose order depends on the count alone: four accumulators of sixteen lanes.

INLINE floats dot_lanes(const float *a, const float *b, ptrdiff_t count) {
    floats sum[4] = {0, 0, 0, 0};
    ptrdiff_t i = 0;
    for (; i + 4 * LANES <= count; i += 4 * LANES) {
        for (int k = 0; k < 4; k++) sum[k] += load(a + i + k * LANES, LANES) * load(b + i + k * LANES, LANES);
    }
    for (int k = 0; i < count; i += LANES, k++) {
        const ptrdiff_t lanes = smaller(count - i, LANES);
        sum[k] += load(a + i, lanes) * load(b + i, lanes);
    }
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static float dot(const float *a, const float *b, ptrdiff_t count) { return total(dot_lanes(a, b, count)); }

// A float's square is exact in double precision, so fused multiply-add changes nothing here.
static double sum_of_squares(const float *x, ptrdiff_t count) {
    doubles sum = 0;
    FOR_BLOCKS(i, lanes, count) {
        const doubles wide = __builtin_convertvector(load(x + i, lanes), doubles);
        sum += wide * wide;
    }
    double result = 0;
    for (int lane = 0; lane < LANES; lane++) result += sum[lane];
    return result;
}

INLINE float maximum(const float *x, ptrdiff_t count) {
    floats highest = -INFINITY;
    FOR_BLOCKS(i, lanes, count) {
        const floats value = load_or(x + i, lanes, -INFINITY);
        highest = value > highest ? value : highest;
    }
    return largest(highest);
}
