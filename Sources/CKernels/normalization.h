// y = x w / rms(x), rms(x)^2 = mean(x^2) + epsilon.

static float rms_norm_forward(const float *x, const float *weight, float epsilon, float *y, ptrdiff_t count) {
    const float inverse_rms = 1.0f / sqrtf(dot(x, x, count) / (float)count + epsilon);
    FOR_BLOCKS(i, lanes, count) { store(y + i, lanes, load(x + i, lanes) * inverse_rms * load(weight + i, lanes)); }
    return inverse_rms;
}

// With n = x / rms: dx = (w dy - n mean(w dy n)) / rms, dw = dy n.
static void rms_norm_backward(const float *dy, const float *x, const float *weight, float inverse_rms, float *dx,
                              float *weight_gradient, ptrdiff_t count) {
    floats sum = 0;
    FOR_BLOCKS(i, lanes, count) { sum += load(dy + i, lanes) * load(weight + i, lanes) * load(x + i, lanes); }
    const float mean = total(sum) * inverse_rms / (float)count;
    FOR_BLOCKS(i, lanes, count) {
        const floats upstream = load(dy + i, lanes), normed = load(x + i, lanes) * inverse_rms;
        const floats gradient = (upstream * load(weight + i, lanes) - normed * mean) * inverse_rms;
        store(dx + i, lanes, load(dx + i, lanes) + gradient);
        if (weight_gradient) {
            store(weight_gradient + i, lanes, upstream * normed + load(weight_gradient + i, lanes));
        }
    }
}
