"""Just enough of HDF5 to change a file and put its checksums right, so that changes get beyond them.

The format: https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html.
"""

import struct

from . import octets

USER_BLOCK = 512
MASK = 0xFFFFFFFF


def rotated(value, by):
    return (value << by | value >> 32 - by) & MASK


def lookup3(data):
    """Bob Jenkins' hash, which metadata carry."""
    a = b = c = (0xDEADBEEF + len(data)) & MASK
    padded = data + bytes(-len(data) % 12)
    words = struct.unpack(f"<{len(padded) // 4}I", padded)
    for start in range(0, len(words) - 3, 3):
        a, b, c = (a + words[start]) & MASK, (b + words[start + 1]) & MASK, (c + words[start + 2]) & MASK
        a = (a - c & MASK) ^ rotated(c, 4)
        c = c + b & MASK
        b = (b - a & MASK) ^ rotated(a, 6)
        a = a + c & MASK
        c = (c - b & MASK) ^ rotated(b, 8)
        b = b + a & MASK
        a = (a - c & MASK) ^ rotated(c, 16)
        c = c + b & MASK
        b = (b - a & MASK) ^ rotated(a, 19)
        a = a + c & MASK
        c = (c - b & MASK) ^ rotated(b, 4)
        b = b + a & MASK
    if not words:
        return c
    a, b, c = (a + words[-3]) & MASK, (b + words[-2]) & MASK, (c + words[-1]) & MASK
    c = ((c ^ b) - rotated(b, 14)) & MASK
    a = ((a ^ c) - rotated(c, 11)) & MASK
    b = ((b ^ a) - rotated(a, 25)) & MASK
    c = ((c ^ b) - rotated(b, 16)) & MASK
    a = ((a ^ c) - rotated(c, 4)) & MASK
    b = ((b ^ a) - rotated(a, 14)) & MASK
    return ((c ^ b) - rotated(b, 24)) & MASK


def fletcher32(data):
    """Of a chunk of a dataset, in words of two bytes, the greater first."""
    first = second = 0
    for word in struct.unpack(f">{len(data) // 2}H", data[:len(data) & ~1]):
        first = (first + word) % 65535
        second = (second + first) % 65535
    if len(data) % 2:
        first = (first + (data[-1] << 8)) % 65535
        second = (second + first) % 65535
    return second << 16 | first


# The most bytes before the checksum of blocks that are no object headers.
LONGEST = {b"OCHK": 600, b"FRHP": 160, b"BTHD": 40, b"BTLF": 600, b"FAHD": 40, b"FADB": 600, b"\x89HDF": 44}


def metadata(data):
    """Ranges of bytes that are followed by their lookup3: headers of objects, and other blocks."""
    found = []
    for start in range(len(data) - 16):
        signature = data[start:start + 4]
        if signature == b"OHDR":
            flags = data[start + 5]
            before = 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
            size = 1 << (flags & 3)
            lengths = [before + size + int.from_bytes(data[start + before:start + before + size], "little")]
        else:
            lengths = range(12, LONGEST.get(signature, 0) + 1)
        for length in lengths:
            stored = int.from_bytes(data[start + length:start + length + 4], "little")
            # The hash is dear: only where a number could be one.
            if stored > 1 << 20 and lookup3(data[start:start + length]) == stored:
                found.append((start, start + length))
                break
    return found


def chunks(data, metadata):
    """Ranges of bytes that are followed by their Fletcher32: chunks of tables, where some metadata point to."""
    base = USER_BLOCK if data[USER_BLOCK:USER_BLOCK + 4] == b"\x89HDF" else 0
    starts = {base + int.from_bytes(data[place:place + 8], "little")
              for start, stop in metadata for place in range(start, stop - 7)}
    found = []
    for start in sorted(each for each in starts if base + 48 < each < len(data) - 8):
        if found and start < found[-1][1]:
            continue
        first = second = 0
        for place in range(start, min(start + 4096, len(data) - 5), 2):
            first = (first + (data[place] << 8 | data[place + 1])) % 65535
            second = (second + first) % 65535
            if first and int.from_bytes(data[place + 2:place + 6], "little") == second << 16 | first:
                found.append((start, place + 2))
                break
    return found


class Layout:
    """Where the checksums of a file stand."""

    def __init__(self, data):
        self.metadata = metadata(data)
        self.chunks = chunks(data, self.metadata)


def unsealed(data):
    """Without the digest of the whole in the user block: as another program would have written it."""
    return bytes(USER_BLOCK) + data[USER_BLOCK:] if data.startswith(b"rdo xxh3") else data


def mutate(random, data, layout):
    """What was done, and the bytes: of metadata or of a table, its checksum put right, or of any bytes."""
    kind = random.choice(["metadata"] * 4 + ["chunk"] * 4 + ["bytes", "sealed"])
    ranges = {"metadata": layout.metadata, "chunk": layout.chunks}.get(kind)
    if not ranges:
        what, changed = octets.mutate(random, data if kind == "sealed" else unsealed(data))
        return what, changed
    data = unsealed(data)
    start, stop = random.choice(ranges)
    part = bytearray(data[start:stop])
    what = inside_chunk(random, part) if kind == "chunk" else inside_metadata(random, part)
    checksum = fletcher32(bytes(part)) if kind == "chunk" else lookup3(bytes(part))
    changed = bytes(part) + struct.pack("<I", checksum)
    return f"{what} of the {kind} at {start}", data[:start] + changed + data[stop + 4:]


def inside_chunk(random, part):
    """Numbers of a table: places in other tables, keys, lengths, scores."""
    size = random.choice([size for size in (1, 4, 4, 8) if size <= len(part)])
    index = random.randrange(len(part) // size)
    new = random.choice([0, 1, -1, 2, 7, 127, -128, 1 << 20, (1 << 31) - 1, -1 << 31, -1 << 63, 0x7FC00000, 0x7F800000,
                         0xFF800000, 0x7F7FFFFF, 0x7FF8 << 48, 0x7FF0 << 48, 0xFFF0 << 48, 0x7FE0 << 48])
    new &= (1 << 8 * size) - 1
    part[index * size:(index + 1) * size] = new.to_bytes(size, "little")
    return f"element {index} of {size} bytes becomes {new:#x}"


def inside_metadata(random, part):
    """A byte or a number behind the signature, or letters of a name."""
    if random.random() < 0.4:
        place = random.randrange(4, len(part))
        part[place] = random.choice([0, 1, 2, 0x7F, 0x80, 0xFF, part[place] ^ 1 << random.randrange(8)])
        return f"byte {place} becomes {part[place]}"
    size = random.choice([size for size in (2, 4, 8) if size + 4 < len(part)])
    small = [place for place in range(4, len(part) - size)
             if 0 < int.from_bytes(part[place:place + size], "little") < 1 << 16]
    place = random.choice(small or [4])
    old = int.from_bytes(part[place:place + size], "little")
    new = random.choice(octets.HOSTILE_WORDS + [old + 1, old - 1, 2 * old]) & ((1 << 8 * size) - 1)
    part[place:place + size] = new.to_bytes(size, "little")
    return f"the {size}-byte number {old} at {place} becomes {new}"
