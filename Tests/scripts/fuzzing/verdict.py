"""What must hold of every run, whatever the input was."""

import json
import re
import signal
import unicodedata

from . import program

CODES = {0, 2, 3, 4, 5, 6}
LONGEST_LINE = 1000
# What rdo writes on standard error: its own lines and those of its log.
OWN = re.compile(r"rdo: |\d\d:\d\d:\d\d ")
# What the C library says of a heap that the HDF5 library has damaged, before rdo hears of it.
HEAP = re.compile(r"(free|malloc|realloc|munmap_chunk)\w*\(\): [\w ()>:-]+$|(double free or )?corruption|corrupted ")


def faults(case, outcome, changes):
    """What is wrong with a run, in words; `changes` are files that differ although they must not."""
    found = []
    if outcome.status == -signal.SIGXFSZ and case.has_large_file:
        return []  # It was to grow beyond the limit that program.py sets.
    if outcome.status is None:
        found.append(outcome.why)
    elif outcome.status not in CODES:
        found.append(f"ended by signal {-outcome.status}" if outcome.status < 0 else f"code {outcome.status}")
    elif outcome.status and outcome.status not in case.codes:
        found.append(f"code {outcome.status} instead of {' or '.join(map(str, sorted(case.codes)))}")
    if outcome.status is not None and outcome.resident > program.RESIDENT:
        found.append(f"{outcome.resident >> 20} MB resident")
    found += lines(case, outcome)
    if outcome.status == 0:
        found += output(case, outcome)
    return found + [f"{name} was {how}" for name, how in sorted(changes.items())[:3]]


def lines(case, outcome):
    try:
        text = outcome.error.decode()
    except UnicodeDecodeError:
        return ["standard error is not UTF-8"]
    found = []
    every = text.split("\n")
    errors = [line for line in every if "rdo: error:" in line]
    if outcome.status in CODES and len(errors) != (outcome.status != 0):
        found.append(f"{len(errors)} error lines")
    for line in errors[:1]:
        if len(line) > LONGEST_LINE:
            found.append(f"an error line of {len(line)} characters")
        # A long name is cut in the middle, an empty one shown as such.
        places = case.places + [each[:100] for each in case.arguments if len(each) > 250] + ['""']
        if not any(place in line for place in places):
            found.append("the error line names no place")
    if any(unicodedata.category(character) == "Cc" for line in every for character in line):
        found.append("control characters on standard error")
    has_crashed = any("makes the HDF5 library crash" in line for line in errors)
    foreign = [line for line in every if line and not OWN.match(line) and not (has_crashed and HEAP.match(line))]
    if foreign and outcome.status in CODES:
        found.append(f"a line that is none of rdo's: {foreign[0][:80]!r}")
    return found


def refuse(word):
    raise ValueError(word)


def output(case, outcome):
    """Standard output of a command that ended well."""
    texts = {"json": [outcome.output], "lines": outcome.output.split(b"\n")}.get(case.prints, [])
    for text in texts:
        try:
            if text.strip() or case.prints == "json":
                json.loads(text.decode(), parse_constant=refuse)
        except (ValueError, RecursionError) as error:
            return [f"standard output is not JSON ({str(error)[:60]})"]
    return []
