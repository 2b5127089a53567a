"""Compares directories of what rdo wrote, bit by bit, and says what differs first. Needs numpy and h5py."""

import json
import pathlib

import h5py
import numpy as np

# What says how fast the machine was, or when and where.
MACHINE = {
    "seconds", "tokens_per_second", "mfu", "comm_exposed_seconds", "state_memory_bytes", "gathered_memory_bytes",
    "peak_memory_bytes", "created", "software", "config", "checkpoint", "blas_core", "path",
    # Which shard of a checkpoint holds which rows.
    "first_rows", "shards"}
# Logs and locks hold times; shards are compared through index.h5; digests are of files that hold dates.
UNCOMPARED = {"stderr.txt", "rdo.log", "digests", ".lock"}
ROUGHLY = 0.03


class Difference(Exception):
    """What differs first."""


class Comparison:
    """`added` collects what only the second side has; `rough` numbers may differ by 3 %."""

    def __init__(self, ignored=(), rough=()):
        self.ignored, self.rough, self.added = MACHINE | set(ignored), set(rough), set()

    def directories(self, base, new):
        """Compares all files below two directories and says how many."""
        names = []
        for root in (base, new):
            files = {p.relative_to(root).as_posix() for p in root.rglob("*") if p.is_file()}
            # What a run remembers of its files are their inodes and times.
            names.append({p for p in files if p.split("/")[-1] not in UNCOMPARED and "/shard-" not in p
                          and ".rdo" not in p.split("/")})
        if names[0] - names[1]:
            raise Difference(f"{min(names[0] - names[1])} is missing")
        self.added.update(f"{name} (file)" for name in names[1] - names[0])
        kinds = {
            ".safetensors": self.safetensors, ".h5": self.hdf5, ".jsonl": self.lines, ".json": self.json,
            ".txt": self.printed}
        # Metrics and traces first: they say at which step a difference begins.
        order = lambda name: (not name.endswith("metrics.jsonl"), not name.endswith(".jsonl"), name)
        for name in sorted(names[0], key=order):
            try:
                kinds.get(pathlib.Path(name).suffix, self.bytes)(base / name, new / name, name)
            except (ValueError, OSError) as error:
                raise Difference(f"{name} cannot be read: {error}")
        return len(names[0])

    def values(self, a, b, where, key=None):
        """Two JSON values, without the keys that measure the machine."""
        if isinstance(a, dict) and isinstance(b, dict):
            for name in [name for name in a if name not in self.ignored]:
                if name not in b:
                    raise Difference(f"{where}: {name} is missing")
                self.values(a[name], b[name], f"{where}: {name}", name)
            place = where.split(":")[0].split("[")[0]
            self.added.update(f"{place}: {name}" for name in b.keys() - a.keys() - self.ignored)
        elif isinstance(a, list) and isinstance(b, list):
            if len(a) != len(b):
                raise Difference(f"{where}: {len(a)} values, {len(b)} values")
            for index, (x, y) in enumerate(zip(a, b)):
                self.values(x, y, f"{where}[{index}]")
        elif key in self.rough and isinstance(a, (int, float)) and isinstance(b, (int, float)):
            if abs(a - b) > ROUGHLY * abs(a):
                raise Difference(f"{where}: {a} became {b}")
        # repr tells -0.0 from 0.0 and is equal for two NaN.
        elif type(a) is not type(b) or repr(a) != repr(b):
            raise Difference(f"{where}: {str(a)[:80]!r} became {str(b)[:80]!r}")

    def array(self, a, b, where):
        if a.shape != b.shape or a.dtype != b.dtype:
            raise Difference(f"{where}: {a.dtype}{a.shape} became {b.dtype}{b.shape}")
        if a.dtype == object:
            unequal = np.flatnonzero(a.ravel() != b.ravel())
        else:
            unequal = np.flatnonzero(np.frombuffer(a.tobytes(), np.uint8) != np.frombuffer(b.tobytes(), np.uint8))
            unequal = np.unique(unequal // a.dtype.itemsize)
        if unequal.size:
            first = unequal[0]
            raise Difference(
                f"{where}: {unequal.size} of {a.size} values, first [{first}]: {a.ravel()[first]!r} became "
                f"{b.ravel()[first]!r}")

    def safetensors(self, a, b, where):
        first, second = tensors(a), tensors(b)
        for name in first:
            if name not in second:
                raise Difference(f"{where}: {name} is missing")
            self.array(first[name], second[name], f"{where}: {name}")
        if a.read_bytes() != b.read_bytes():
            raise Difference(f"{where}: equal tensors, another header")

    def hdf5(self, a, b, where):
        with h5py.File(a) as first, h5py.File(b) as second:
            names, others = [], []
            first.visit(names.append)
            second.visit(others.append)
            # The list of shards has digests of files that hold dates; the arrays over them are compared.
            names, others = ([n for n in found if not n.startswith("shards")] for found in (names, others))
            self.added.update(f"{where}: {name}" for name in set(others) - set(names))
            for name in ["/"] + names:
                if name not in second:
                    raise Difference(f"{where}: {name} is missing")
                if isinstance(first[name], h5py.Dataset):
                    self.array(first[name][()], second[name][()], f"{where}: {name}")
                texts = [{k: str(v) for k, v in file[name].attrs.items()} for file in (first, second)]
                self.values(*texts, f"{where}: attributes of {name}")

    def lines(self, a, b, where):
        self.values(*([json.loads(line) for line in path.read_text().splitlines()] for path in (a, b)), where)

    def json(self, a, b, where):
        self.values(json.loads(a.read_text()), json.loads(b.read_text()), where)

    def bytes(self, a, b, where):
        if a.read_bytes() != b.read_bytes():
            raise Difference(f"{where}: other bytes")

    def printed(self, a, b, where):
        """What was printed: a JSON value, or one on each line; of prose only the number of lines counts."""
        texts = a.read_text(), b.read_text()
        for read in (json.loads, lambda text: [json.loads(line) for line in text.splitlines()]):
            try:
                values = read(texts[0]), read(texts[1])
            except ValueError:
                continue
            return self.values(*values, where)
        if len(texts[0].splitlines()) != len(texts[1].splitlines()):
            raise Difference(f"{where}: {len(texts[0].splitlines())} lines, {len(texts[1].splitlines())} lines")


def tensors(path):
    """The tensors of a safetensors file; bf16 and f16 as the 16-bit numbers that they are stored as."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    kinds = {"F32": "<f4", "F64": "<f8"}
    found = {}
    for name, entry in json.loads(data[8:8 + length]).items():
        if name != "__metadata__":
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            found[name] = np.frombuffer(data[begin:end], kinds.get(entry["dtype"], "<u2")).reshape(entry["shape"])
    return found
