// Element by element: sums, scaling, the gated activation, the rotary embedding.

static void add(const float *a, const float *b, float *sum, ptrdiff_t count) {
    FOR_BLOCKS(i, lanes, count) { store(sum + i, lanes, load(a + i, lanes) + load(b + i, lanes)); }
}

static void scale(float *x, float factor, ptrdiff_t count) {
    FOR_BLOCKS(i, lanes, count) { store(x + i, lanes, load(x + i, lanes) * factor); }
}

static void add_scaled(const float *x, float factor, float *y, ptrdiff_t count) {
    FOR_BLOCKS(i, lanes, count) { store(y + i, lanes, load(x + i, lanes) * factor + load(y + i, lanes)); }
}

INLINE floats sigmoid(floats x) { return 1.0f / (1.0f + exponential(-x)); }

static void swiglu_forward(const float *gate, const float *up, float *out, ptrdiff_t count) {
    FOR_BLOCKS(i, lanes, count) {
        const floats g = load(gate + i, lanes);
        store(out + i, lanes, g * sigmoid(g) * load(up + i, lanes));
    }
}

// silu'(g) = s (1 + g (1 - s)), s = sigmoid(g)
static void swiglu_backward(const float *dout, const float *gate, const float *up, float *dgate, float *dup,
                            ptrdiff_t count) {
    FOR_BLOCKS(i, lanes, count) {
        const floats upstream = load(dout + i, lanes), g = load(gate + i, lanes), u = load(up + i, lanes);
        const floats s = sigmoid(g);
        store(dup + i, lanes, upstream * (g * s));
        store(dgate + i, lanes, upstream * u * (s * (1.0f + g * (1.0f - s))));
    }
}

// gelu(g) = g s, s = sigmoid(2 sqrt(2 / pi) (g + 0.044715 g^3)): the tanh form, 1 + tanh(u) = 2 sigmoid(2 u).
INLINE floats gelu_gate(floats g) { return sigmoid(1.5957691216057308f * g * (1.0f + 0.044715f * g * g)); }

static void geglu_forward(const float *gate, const float *up, float *out, ptrdiff_t count) {
    FOR_BLOCKS(i, lanes, count) {
        const floats g = load(gate + i, lanes);
        store(out + i, lanes, g * gelu_gate(g) * load(up + i, lanes));
    }
}

// gelu'(g) = s + g s (1 - s) 2 sqrt(2 / pi) (1 + 3 * 0.044715 g^2)
static void geglu_backward(const float *dout, const float *gate, const float *up, float *dgate, float *dup,
                           ptrdiff_t count) {
    FOR_BLOCKS(i, lanes, count) {
        const floats upstream = load(dout + i, lanes), g = load(gate + i, lanes), u = load(up + i, lanes);
        const floats s = gelu_gate(g), slope = 1.5957691216057308f * (1.0f + 0.134145f * g * g);
        store(dup + i, lanes, upstream * (g * s));
        store(dgate + i, lanes, upstream * u * (s + g * s * (1.0f - s) * slope));
    }
}

static void rotary(float *head, const float *cosines, const float *sines, float direction, ptrdiff_t half) {
    FOR_BLOCKS(i, lanes, half) {
        const floats c = load(cosines + i, lanes), s = load(sines + i, lanes) * direction;
        const floats first = load(head + i, lanes), second = load(head + half + i, lanes);
        store(head + i, lanes, first * c - second * s);
        store(head + half + i, lanes, second * c + first * s);
    }
}
