#!/usr/bin/env python3
"""Mutates every kind of input of rdo and checks how it takes that.

    Tests/scripts/fuzz.py RDO [--cases 2000] [--seed 1] [--only KIND ...] [--case KIND:NUMBER] [--keep DIR]

Whatever the input: an exit code of docs/errors.md that is right for the kind, within 10 s and 1 GB of resident memory;
with a code other than 0 exactly one line of at most 1000 characters, none of them a control character, that names a
place; nothing written but the output, and inputs left as they were. Cases depend on the seed, their kind and number
alone, so that one can be run again by itself. Exit code 1 when any case is at fault. Standard library
only; runs one rank at a time.
"""

import argparse
import collections
import os
import random
import shutil
import signal
import sys
import tempfile

from fuzzing import program, verdict
from fuzzing.base import Base
from fuzzing.case import Case, listing, shown
from fuzzing.kinds import KINDS


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("rdo")
    parser.add_argument("--cases", type=int, default=2000, help="dealt evenly to all kinds")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=sorted(KINDS), metavar="KIND", help=", ".join(sorted(KINDS)))
    parser.add_argument("--first", type=int, default=0, help="the number of the first case of each kind")
    parser.add_argument("--case", metavar="KIND:NUMBER", help="run this case alone, and show what it says")
    parser.add_argument("--keep", metavar="DIR", help="with --case: put its files there")
    return parser.parse_args()


class Suite:
    def __init__(self, rdo, seed, root):
        self.seed, self.root = seed, root
        # Inputs lie two levels down, so that a path upwards still ends in the case.
        self.room = os.path.join(root, "case")
        self.here = os.path.join(self.room, "here")
        self.base = Base(os.path.abspath(rdo), root, self.here)

    def run(self, kind, number):
        """Makes and runs a case; what came of it, and its faults."""
        room, here = self.room, self.here
        shutil.rmtree(room, ignore_errors=True)
        os.makedirs(here)
        case = Case(self.base, random.Random(f"{self.seed} {kind} {number}"), here)
        KINDS[kind](case)
        before = listing(room, [])
        # What is longer the system itself refuses to hand over.
        arguments = [each.encode("utf-8", "surrogateescape")[:100_000] for each in case.arguments]
        outcome = program.run(self.base.rdo, arguments, here, os.path.join(self.root, "scratch"), case.stdin,
                              seconds=program.SECONDS * (3 if case.has_large_file else 1))
        return case, outcome, verdict.faults(case, outcome, self.changes(case, before, listing(room, [])))

    @staticmethod
    def changes(case, before, after):
        """Files that are not as they were, beside the outputs."""
        found = {}
        for name in before.keys() | after.keys():
            own = any(name == f"here/{each}" or name.startswith(f"here/{each}/")
                      for each in (case.outputs or []) + case.touched)
            if own or before.get(name) == after.get(name):
                continue
            if name in before or case.outputs is not None or not name.startswith("here/"):
                found[name] = "written" if name not in before else "changed" if name in after else "removed"
        return found


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text[:110]}", end="", file=sys.stderr, flush=True)


def run_again(suite, options):
    """One case, with everything that it says."""
    kind, _, number = options.case.rpartition(":")
    case, outcome, faults = suite.run(kind, int(number))
    print(f"{case.what}\nrdo {shown(case.arguments)}")
    print(f"{outcome.word} after {outcome.seconds:.1f} s, {outcome.resident >> 20} MB")
    print(f"may be 0 or {sorted(case.codes)}, naming one of {[each[:40] for each in case.places]}")
    sys.stdout.flush()
    sys.stdout.buffer.write(outcome.output[:2000] + b"\n" + outcome.error[:4000] + b"\n")
    sys.stdout.flush()
    print("faults: " + ("; ".join(faults) or "none"))
    if options.keep:
        shutil.copytree(case.here, options.keep, symlinks=True, ignore=lambda folder, names: [
            each for each in names if not os.path.islink(os.path.join(folder, each))
            and not os.path.isdir(os.path.join(folder, each)) and not os.path.isfile(os.path.join(folder, each))])
        with open(os.path.join(options.keep, "stdin"), "wb") as file:
            file.write(case.stdin)
    return bool(faults)


def run_all(suite, options):
    kinds = [kind for kind in KINDS if not options.only or kind in options.only]
    words, failed, found = collections.defaultdict(collections.Counter), collections.Counter(), 0
    for index in range(options.cases):
        kind, number = kinds[index % len(kinds)], options.first + index // len(kinds)
        progress(f"{index + 1}/{options.cases} {kind}:{number}, {found} faults")
        case, outcome, faults = suite.run(kind, number)
        words[kind][outcome.word] += 1
        if faults:
            found += 1
            failed[kind] += 1
            progress("")
            line = next((line for line in outcome.error.decode("utf-8", "replace").split("\n")
                         if "rdo: error:" in line), "")
            print(f"FAULT --seed {options.seed} --case '{kind}:{number}': {'; '.join(faults)} | {case.what} | "
                  f"rdo {shown(case.arguments)[:160]} | {line[:160]!r}", flush=True)
    progress("")
    columns = sorted({word for counts in words.values() for word in counts}, key=lambda word: (len(word), word))
    print(f"{'kind':24}{'cases':>7}" + "".join(f"{word:>10}" for word in columns) + f"{'faults':>8}")
    for kind in kinds:
        counts = words[kind]
        print(f"{kind:24}{sum(counts.values()):7}" + "".join(f"{counts[word] or '':>10}" for word in columns)
              + f"{failed[kind] or '':>8}")
    print(f"{options.cases} cases of seed {options.seed}, {found} faults")
    return bool(found)


def main():
    options = arguments()
    # So that the temporary directory is removed then too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    root = tempfile.mkdtemp(prefix="rdo-fuzz-")
    try:
        suite = Suite(options.rdo, options.seed, root)
        return run_again(suite, options) if options.case else run_all(suite, options)
    finally:
        shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
