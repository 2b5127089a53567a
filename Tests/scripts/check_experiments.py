#!/usr/bin/env python3
"""The statistics and the page of scripts/experiments.py against known values.

    Tests/scripts/check_experiments.py

Quantiles are those of Student's t table (NIST/SEMATECH e-Handbook of Statistical Methods, section 1.3.6.7.2); means
and correlations were computed with scipy 1.17.1 (t.interval, ttest_rel, spearmanr). Standard library only.
"""

import math
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "scripts"))

from experiment import page, statistics, truth  # noqa: E402


def equal(found, wanted, within=5e-7):
    if abs(found - wanted) > within:
        raise SystemExit(f"{found} is not {wanted}")


for degrees, quantile in [(1, 12.706), (2, 4.303), (4, 2.776), (9, 2.262), (30, 2.042), (100, 1.984)]:
    equal(statistics.student_quantile(degrees), quantile, within=5e-4)
equal(statistics.student_quantile(4, 0.95), 2.132, within=5e-4)

first, second = [0.91, 0.90, 0.93, 0.89, 0.92], [0.90, 0.895, 0.915, 0.88, 0.905]
whole = statistics.mean(first)
equal(whole.mean, 0.91)
equal(whole.high - whole.mean, 0.0196324316)
difference = statistics.paired(first, second)
equal(difference.mean, 0.011)
equal(difference.low, 0.0058057468)
equal(difference.high, 0.0161942532)

for values, word in [(first, "holds"), ([value - 0.05 for value in first], "does not hold"),
                     ([0.86, 0.94, 0.88, 0.93, 0.895], "undecided")]:
    found = statistics.verdict(statistics.paired(values, second))
    if found != word:
        raise SystemExit(f"{values} over {second}: {found}, not {word}")
if statistics.verdict(statistics.paired([1], [0])) != "undecided":
    raise SystemExit("one seed decides nothing")

if statistics.ranks([3, 1, 3, 2, 3]) != [4, 1, 4, 2, 4]:
    raise SystemExit("equal values share a rank")
equal(statistics.pearson([1, 2, 3, 4], [2, 1, 4, 3]), 0.6)
found = statistics.rank_correlation([1, 2, 2, 5, 7, 8, 9, 9], [2, 1, 4, 3, 9, 7, 8, 8.5])
equal(found.mean, 0.7711403083)
if not -1 <= found.low < found.mean < found.high <= 1:
    raise SystemExit(f"{found.low} to {found.high} is no interval of {found.mean}")
equal(statistics.pearson([1, 1, 1], [1, 2, 3]), 0)

line = page.claim("a > b", ("order", first, second), ("quality", second, first))
wanted = "- a > b: order **holds** (+0.011 ± 0.005), quality **does not hold** (−0.011 ± 0.005)"
if line != wanted:
    raise SystemExit(f"{line!r} is not {wanted!r}")
with tempfile.TemporaryDirectory() as directory:
    path = pathlib.Path(directory) / "page.md"
    path.write_text("before\n<!-- x -->\nold\n<!-- /x -->\nafter\n")
    page.write_section(path, "x", "new\n")
    page.write_section(path, "x", "newer\n")
    if path.read_text() != "before\n<!-- x -->\n\nnewer\n\n<!-- /x -->\nafter\n":
        raise SystemExit(f"the section is not replaced: {path.read_text()!r}")

if (truth.quality("review tea:", " fresh, bland tea."), truth.quality("review tea:", " nasty boat")) != (3, -3):
    raise SystemExit("the truth is misread")
if not math.isinf(statistics.mean([1]).high):
    raise SystemExit("one value has no interval")
