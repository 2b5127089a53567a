// AdamW: Loshchilov and Hutter, Decoupled Weight Decay Regularization (2019), algorithm 2.

static void adamw(float *parameters, const float *gradients, float *first_moment, float *second_moment,
                  ptrdiff_t count, const struct rdo_adamw *constants) {
    const struct rdo_adamw c = *constants;
    FOR_BLOCKS(i, lanes, count) {
        const floats g = load(gradients + i, lanes) * c.gradient_scale;
        const floats m = c.beta1 * load(first_moment + i, lanes) + c.one_minus_beta1 * g;
        const floats v = c.beta2 * load(second_moment + i, lanes) + c.one_minus_beta2 * (g * g);
        const floats root = __builtin_elementwise_sqrt(v) * c.root_correction + c.epsilon;
        const floats p = load(parameters + i, lanes);
        store(first_moment + i, lanes, m);
        store(second_moment + i, lanes, v);
        store(parameters + i, lanes, p - (c.decay * p + c.step_size * m / root));
    }
}
