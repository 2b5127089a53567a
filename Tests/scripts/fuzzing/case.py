"""One case: a directory of inputs of which something is wrong, a command, and what may come of it."""

import hashlib
import os
import stat
import sys

from . import base as inputs
from . import octets, values

DATA, USAGE, ARTEFACT, NUMERICAL = 3, 2, 4, 5


class Case:
    """Kinds fill it in; the directory `here` is the one in which the command runs."""

    def __init__(self, base, random, here):
        self.base, self.random, self.here = base, random, here
        self.arguments, self.stdin = [], b""
        self.what = "nothing"
        # Exit codes beside 0 that are right, and words of which an error line must have one.
        self.codes, self.places = set(), []
        # Names that the command may write; None where the case decides itself where it writes.
        self.outputs = ["out"]
        os.mkdir(self.path("out"))
        # Names that it may write where it has no other output than its configuration's.
        self.touched = []
        # What standard output is of a command that ends well: "json", "lines" of JSON, or anything.
        self.prints = None
        # Two gigabytes are there to be refused, or to be read in more time.
        self.has_large_file = False

    def path(self, name):
        return os.path.join(self.here, name)

    def inputs(self, *names):
        self.base.copy(names, self.here)

    def content(self, name):
        return inputs.read(self.path(name))

    def put(self, name, content):
        inputs.write(self.path(name), content)

    def expect(self, codes, *places):
        self.codes |= set(codes)
        self.places += places

    def describe(self, name, what):
        self.what = f"{name}: {what}"

    def change_bytes(self, name):
        what, new = octets.mutate(self.random, self.content(name))
        self.put(name, new)
        self.describe(name, what)

    def change_json(self, name, clean=False):
        """The keys on the way to what was changed."""
        mutate = values.clean if clean else values.mutate
        what, names, new = mutate(self.random, values.load(self.content(name)))
        self.put(name, values.dump(new))
        self.describe(name, what)
        return names

    def change_file(self, name):
        """Something else in the place of a file."""
        path = self.path(name)
        os.remove(path)
        kinds = {
            "missing": lambda: None, "an empty file": lambda: self.put(name, b""),
            "a directory": lambda: os.mkdir(path),
            "a FIFO": lambda: os.mkfifo(path), "a dangling link": lambda: os.symlink("no-such-file", path),
            "a link to itself": lambda: os.symlink(os.path.basename(path), path),
            "/dev/null": lambda: os.symlink("/dev/null", path), "/dev/zero": lambda: os.symlink("/dev/zero", path),
            "one line feed": lambda: self.put(name, b"\n"), "2 GB of nothing": lambda: sparse(path, 2 << 30)}
        # Root reads everything.
        if os.geteuid() != 0:
            kinds["unreadable"] = lambda: (self.put(name, b"{}"), os.chmod(path, 0))
        kind = self.random.choice(sorted(kinds))
        self.has_large_file = kind.startswith("2 GB")
        kinds[kind]()
        self.describe(name, kind)

    def change(self, name, structure=None):
        """A file's structure in most cases, else its bytes or what it is."""
        draw = self.random.random()
        if draw < 0.05:
            self.change_file(name)
        elif draw < (0.35 if structure else 1):
            self.change_bytes(name)
        else:
            return structure(name)
        return []


def sparse(path, size):
    with open(path, "wb") as file:
        file.truncate(size)


def listing(directory, ignored):
    """What every file below a directory is, without `ignored` names at its top."""
    found = {}
    for folder, folders, files in os.walk(directory):
        relative = os.path.relpath(folder, directory)
        if relative == ".":
            folders[:] = [name for name in folders if name not in ignored]
            files = [name for name in files if name not in ignored]
        for name in folders + files:
            path = os.path.join(folder, name)
            key = os.path.normpath(os.path.join(relative, name))
            info = os.lstat(path)
            if stat.S_ISREG(info.st_mode) and info.st_size < 1 << 24:
                with open(path, "rb") as file:
                    found[key] = hashlib.sha1(file.read()).hexdigest()
            elif stat.S_ISLNK(info.st_mode):
                found[key] = os.readlink(path)
            else:
                found[key] = (stat.S_IFMT(info.st_mode), info.st_size if stat.S_ISREG(info.st_mode) else 0)
    return found


def shown(arguments):
    """Arguments for people."""
    return " ".join(repr(each)[1:-1] if len(each) < 80 else repr(each[:60])[1:-1] + "…" for each in arguments) \
        .encode(sys.stdout.encoding or "utf-8", "replace").decode(sys.stdout.encoding or "utf-8")
