// 16-bit formats. Exact integer work (and one exact product), so the compiler may vectorise as it likes.

INLINE float float_of_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

INLINE uint32_t bits_of_float(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

// bf16 is the upper half of a float.
static void bf16_to_float(const uint16_t *restrict x, float *restrict y, ptrdiff_t count) {
    for (ptrdiff_t i = 0; i < count; i++) y[i] = float_of_bits((uint32_t)x[i] << 16);
}

// Five exponent bits, ten fraction bits. Moved into a float's fields, the value is 2^112 times too small, subnormals
// included.
static void float16_to_float(const uint16_t *restrict x, float *restrict y, ptrdiff_t count) {
    for (ptrdiff_t i = 0; i < count; i++) {
        const uint32_t sign = (uint32_t)(x[i] & 0x8000) << 16;
        const uint32_t magnitude = (uint32_t)(x[i] & 0x7fff) << 13;
        const uint32_t scaled = bits_of_float(float_of_bits(magnitude) * 0x1p112f);
        const uint32_t infinite = magnitude | 0x7f800000;  // infinity or NaN
        y[i] = float_of_bits(sign | (magnitude >= (uint32_t)0x7c00 << 13 ? infinite : scaled));
    }
}

static void float_to_bf16(const float *restrict x, uint16_t *restrict y, ptrdiff_t count) {
    for (ptrdiff_t i = 0; i < count; i++) {
        const uint32_t bits = bits_of_float(x[i]);
        const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
        const uint32_t quiet = bits >> 16 | 0x40;  // rounding could turn a NaN into infinity
        y[i] = (uint16_t)((bits & 0x7fffffff) > 0x7f800000 ? quiet : rounded);
    }
}
