// Sixteen lanes on every instruction set: the compiler splits them into the registers there are. So lane order, and
// with it every rounding, is the same everywhere; only fused multiply-add tells the baseline of x86-64 from the rest.

// Vectors never cross a real call (everything here is inlined), so their calling convention does not matter.
#pragma clang diagnostic ignored "-Wpsabi"

#define INLINE static inline __attribute__((always_inline))

enum { LANES = 16 };
typedef float floats __attribute__((ext_vector_type(16)));
typedef double doubles __attribute__((ext_vector_type(16)));
typedef int32_t ints __attribute__((ext_vector_type(16)));

INLINE ptrdiff_t smaller(ptrdiff_t a, ptrdiff_t b) { return a < b ? a : b; }

// Walks 0 ..< count in blocks of `lanes` <= LANES elements from `i`. The last, short block goes through the same
// vector arithmetic as the others, which is what makes an element's bits independent of its place.
#define FOR_BLOCKS(i, lanes, count) \
    for (ptrdiff_t i = 0, lanes; i < (count) && (lanes = smaller((count)-i, LANES)); i += LANES)

// The first `lanes` elements; the other lanes hold `fill`.
INLINE floats load_or(const float *p, ptrdiff_t lanes, float fill) {
    floats x = fill;
    if (lanes == LANES) {
        memcpy(&x, p, sizeof x);
    } else {
        memcpy(&x, p, (size_t)lanes * sizeof *p);
    }
    return x;
}

INLINE floats load(const float *p, ptrdiff_t lanes) { return load_or(p, lanes, 0); }

INLINE void store(float *p, ptrdiff_t lanes, floats x) {
    if (lanes == LANES) {
        memcpy(p, &x, sizeof x);
    } else {
        memcpy(p, &x, (size_t)lanes * sizeof *p);
    }
}

INLINE ints bits_of(floats x) { return (ints)x; }
INLINE floats floats_of(ints bits) { return (floats)bits; }

// Sum of the lanes as a tree of fixed shape.
INLINE float total(floats x) {
    float lane[LANES];
    memcpy(lane, &x, sizeof x);
    for (int width = LANES / 2; width > 0; width /= 2) {
        for (int i = 0; i < width; i++) lane[i] += lane[i + width];
    }
    return lane[0];
}

INLINE float largest(floats x) {
    float lane[LANES];
    memcpy(lane, &x, sizeof x);
    for (int width = LANES / 2; width > 0; width /= 2) {
        for (int i = 0; i < width; i++) lane[i] = lane[i] > lane[i + width] ? lane[i] : lane[i + width];
    }
    return lane[0];
}

// exp(x), relative error below 1.2e-7; 0 where the result would be subnormal, infinity above FLT_MAX, NaN for NaN.
//
// x = n ln 2 + r with |r| <= ln(2)/2, exp(x) = 2^n exp(r). exp(r) = 1 + r + r^2 q(r), q a least-maximum fit of
// degree 4 (relative error 4e-9). ln 2 is split so that n * high is exact.
INLINE floats exponential(floats x) {
    const float log2_e = 0x1.715476p+0f, ln2_high = 0x1.62e4p-1f, ln2_low = 0x1.7f7d1cp-20f;
    const float rounder = 0x1.8p+23f;  // adding it leaves a float without fraction bits
    const float lowest = -0x1.5d589ep+6f, highest = 0x1.62e42ep+6f;  // ln FLT_MIN, ln FLT_MAX

    const floats shifted = x * log2_e + rounder;
    const floats n = shifted - rounder;
    const floats r = (x - n * ln2_high) - n * ln2_low;
    floats q = 0x1.6a23d0p-10f;
    q = q * r + 0x1.123a20p-7f;
    q = q * r + 0x1.5558f2p-5f;
    q = q * r + 0x1.555492p-3f;
    q = q * r + 0x1.fffffcp-2f;
    const floats power = (q * r * r + r) + 1.0f;
    // The low bits of `shifted` are n; adding n to the exponent field multiplies by 2^n.
    const ints exponent = bits_of(shifted) << 23;
    const floats y = floats_of(bits_of(power) + exponent);
    const floats bounded = x < lowest ? (floats)0.0f : y;
    return x <= highest ? bounded : x + INFINITY;  // also keeps NaN
}
