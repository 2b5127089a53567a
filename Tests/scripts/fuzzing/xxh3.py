"""XXH3-128 of more than 240 bytes, so that a changed file can have the digest that belongs to it.

The algorithm: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md.
"""

import struct

MASK = (1 << 64) - 1
PRIME32 = 0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D
PRIME64 = 0x9E3779B185EBCA87, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0x85EBCA77C2B2AE63, 0x27D4EB2F165667C5
START = [PRIME32[2], *PRIME64[:4], PRIME32[1], PRIME64[4], PRIME32[0]]
SECRET = bytes.fromhex(
    "b8fe6c3923a44bbe7c01812cf721ad1cded46de9839097db7240a4a4b7b3671fcb79e64eccc0e578825ad07dccff7221b8084674f743248e"
    "e03590e6813a264c3c2852bb91c300cb88d0658b1b532ea371644897a20df94e3819ef46a9deacd8a8fa763fe39c343ff9dcbbc7c70b4f1d"
    "8a51e04bcdb45931c89f7ec9d9787364eac5ac8334d3ebc3c581a0fffa1363eb170ddd51b7f0da49d316552629d4689e2b16be587d47a1fc"
    "8ff8b8d17ad031ce45cb3a8f95160428afd7fbcabb4b407e")


def words(data, start, count=8):
    return struct.unpack_from(f"<{count}Q", data, start)


def add(sums, data, place, secret):
    """A stripe of 64 bytes."""
    for lane, (value, key) in enumerate(zip(words(data, place), words(SECRET, secret))):
        mixed = value ^ key
        sums[lane ^ 1] = sums[lane ^ 1] + value & MASK
        sums[lane] = sums[lane] + (mixed & 0xFFFFFFFF) * (mixed >> 32) & MASK


def merged(sums, secret, start):
    keys = words(SECRET, secret)
    for lane in range(0, 8, 2):
        product = (sums[lane] ^ keys[lane]) * (sums[lane + 1] ^ keys[lane + 1])
        start += (product ^ product >> 64) & MASK
    start &= MASK
    start = (start ^ start >> 37) * 0x165667919E3779F9 & MASK
    return start ^ start >> 32


def digest(data):
    """In hexadecimal; `data` must be longer than 240 bytes."""
    assert len(data) > 240
    sums = list(START)
    stripes = (len(data) - 1) // 64
    for stripe in range(stripes):
        add(sums, data, 64 * stripe, 8 * (stripe % 16))
        # After a block of 16 stripes, unless it is the end.
        if stripe % 16 == 15 and (stripe + 1) * 64 <= (len(data) - 1) // 1024 * 1024:
            for lane, key in enumerate(words(SECRET, 128)):
                sums[lane] = ((sums[lane] ^ sums[lane] >> 47) ^ key) * PRIME32[0] & MASK
    add(sums, data, len(data) - 64, 121)
    low = merged(sums, 11, len(data) * PRIME64[0] & MASK)
    high = merged(sums, 117, ~(len(data) * PRIME64[1]) & MASK)
    return f"{high:016x}{low:016x}"
