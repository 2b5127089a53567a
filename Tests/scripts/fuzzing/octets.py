"""Mutations of bytes, whatever they mean."""

import struct

HOSTILE_WORDS = [0, 1, 2, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1, 1 << 63,
                 (1 << 64) - 1]


def place(random, data):
    return random.randrange(len(data)) if data else 0


def piece(random, data, most=64):
    start = place(random, data)
    return start, min(len(data), start + random.randint(1, most))


def flip(random, data):
    changed = bytearray(data)
    for _ in range(random.choice([1, 1, 1, 2, 8])):
        if changed:
            changed[place(random, changed)] ^= 1 << random.randrange(8)
    return "bits flipped", bytes(changed)


def replace(random, data):
    changed = bytearray(data)
    for _ in range(random.choice([1, 2, 16])):
        if changed:
            changed[place(random, changed)] = random.randrange(256)
    return "bytes replaced", bytes(changed)


def truncate(random, data):
    cut = random.choice([1, 2, 8, len(data) // 2, place(random, data), place(random, data)])
    return f"cut by {min(cut, len(data))} bytes", data[:max(0, len(data) - cut)]


def insert(random, data):
    start = place(random, data)
    new = random.choice([
        b"\0", b"\n", b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"\xf4\x90\x80\x80", b"\xe2\x80\xa8", b"\x1b[31m", b"\r",
        b"\"", b"\\", b"{", b"]", b"\xef\xbb\xbf", random.randbytes(random.randint(1, 32))])
    return f"{len(new)} bytes put in at {start}", data[:start] + new + data[start:]


def delete(random, data):
    start, stop = piece(random, data)
    return f"bytes {start} to {stop} left out", data[:start] + data[stop:]


def repeat(random, data):
    start, stop = piece(random, data)
    return f"bytes {start} to {stop} repeated", data[:stop] + data[start:stop] * random.randint(1, 20) + data[stop:]


def swap(random, data):
    (a, b), (c, d) = sorted([piece(random, data), piece(random, data)])
    if b > c:
        return flip(random, data)
    return "two blocks swapped", data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def zero(random, data):
    start, stop = piece(random, data, 512)
    return f"bytes {start} to {stop} zeroed", data[:start] + bytes(stop - start) + data[stop:]


def word(random, data):
    """A number of four or eight bytes: small ones are lengths, counts and places, and worth more than others."""
    size = random.choice([4, 8])
    code = "<I" if size == 4 else "<Q"
    if len(data) < size:
        return flip(random, data)
    for _ in range(200):
        start = random.randrange(len(data) - size + 1)
        if 0 < struct.unpack_from(code, data, start)[0] < 1 << 17:
            break
    old = struct.unpack_from(code, data, start)[0]
    new = random.choice(HOSTILE_WORDS + [old + 1, old - 1, 2 * old, old << 16]) & ((1 << 8 * size) - 1)
    changed = data[:start] + struct.pack(code, new) + data[start + size:]
    return f"the {size}-byte number {old} at {start} becomes {new}", changed


def ending(random, data):
    tail = random.choice([b"\0", b"\n", b"\n\n", b"\0" * 4096, b"garbage", data[:64], b"\x1a"])
    return "more at the end", data + tail


OPERATIONS = [flip, flip, replace, truncate, truncate, insert, delete, repeat, swap, zero, word, word, ending]


def mutate(random, data):
    """What was done, and the bytes."""
    return random.choice(OPERATIONS)(random, data)
