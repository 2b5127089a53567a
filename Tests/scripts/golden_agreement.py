#!/usr/bin/env python3
"""Prints the values that Tests/JudgingTests/AgreementTests.swift compares with. Needs numpy and statsmodels.

Fleiss' kappa and Wilson's interval come from statsmodels, and kappa once more from exact fractions of its definition.
"""
from collections import Counter
from fractions import Fraction
from itertools import combinations

import numpy as np
from statsmodels.stats.inter_rater import aggregate_raters, fleiss_kappa
from statsmodels.stats.proportion import proportion_confint


def ratings(items, raters):
    """The formula of the tests: raters that mostly, but not always, follow the item."""
    return [[(i * i + (r * (i % 5) if i % 3 else 0)) % 3 for r in range(raters)] for i in range(items)]


def exact(table):
    pairs = [list(combinations(row, 2)) for row in table]
    observed = sum(Fraction(sum(a == b for a, b in row), len(row)) for row in pairs) / len(table)
    everything = Counter(value for row in table for value in row)
    total = sum(everything.values())
    chance = sum(Fraction(count, total) ** 2 for count in everything.values())
    return float((observed - chance) / (1 - chance))


for items, raters in ((40, 3), (25, 2), (60, 5)):
    table = ratings(items, raters)
    kappa = fleiss_kappa(aggregate_raters(np.array(table))[0])
    assert abs(kappa - exact(table)) < 1e-12
    print(items, raters, repr(float(kappa)))
for hits, count in ((24, 24), (7, 24), (0, 5)):
    print(hits, count, *map(float, proportion_confint(hits, count, method="wilson")))
