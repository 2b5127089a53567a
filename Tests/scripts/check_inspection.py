#!/usr/bin/env python3
"""Compares what `rdo inspect --json` says of coefficient files with numpy's figures of the same files.

    Tests/scripts/check_inspection.py BINARY COEFFICIENTS.h5 ...

Needs h5py and numpy. Any file does: of pairs or lists, of rdo or of another program, with or without texts.
"""

import json
import re
import subprocess
import sys

import h5py
import numpy as np

from golden_inspection import circles, statistics


def near(found, wanted, name):
    """How many figures were compared; the names are those of what they are."""
    if isinstance(wanted, dict):
        return sum(near(found[key], wanted[key], f"{name}.{key}") for key in wanted)
    if isinstance(wanted, (list, tuple)):
        assert len(found) == len(wanted), f"{name}: {len(found)} instead of {len(wanted)}"
        return sum(near(a, b, f"{name}[{k}]") for k, (a, b) in enumerate(zip(found, wanted)))
    assert found is not None and abs(found - wanted) <= 1e-9 * max(1, abs(wanted)), f"{name}: {found}, numpy has {wanted}"
    return 1


def consistency(queries, firsts, seconds, big_r):
    """Lists all of whose pairs are there: circles, and what one score for each response leaves of the squares."""
    triples = contradictions = whole_lists = 0
    left = whole = 0.0
    for query in np.unique(queries):
        rows = np.flatnonzero(queries == query)
        members = sorted(set(firsts[rows]) | set(seconds[rows]))
        if len(members) < 3 or len(rows) != len(members) * (len(members) - 1) // 2:
            continue
        place = {member: k for k, member in enumerate(members)}
        values = np.zeros((len(members), len(members)))
        design = np.zeros((len(rows), len(members)))
        for k, row in enumerate(rows):
            i, j = place[firsts[row]], place[seconds[row]]
            values[i, j], values[j, i] = big_r[row], -big_r[row]
            design[k, i], design[k, j] = 1, -1
        if len({frozenset((firsts[row], seconds[row])) for row in rows}) != len(rows):
            continue
        found = circles(values)
        triples, contradictions, whole_lists = triples + found[0], contradictions + found[1], whole_lists + 1
        fitted = design @ np.linalg.lstsq(design, big_r[rows], rcond=None)[0]
        left, whole = left + np.sum((fitted - big_r[rows]) ** 2), whole + np.sum(big_r[rows] ** 2)
    if not whole_lists:
        return None
    return {
        "lists": whole_lists, "triples": int(triples), "contradictions": int(contradictions),
        "residual": float(left / whole) if whole else 0.0}


def near_duplicates(file, keys):
    def essence(text):
        return re.sub(rb"[^a-z0-9\x80-\xff]", b"", re.sub(rb"[A-Z]", lambda m: m[0].lower(), text))
    queries = [essence(text) for text in file["queries/text"][:]]
    responses = [essence(text) for text in file["responses/text"][:]]
    seen, count = {}, 0
    columns = zip(file["pairs/query"][:], file["pairs/first"][:], file["pairs/second"][:], keys)
    for query, first, second, key in columns:
        identity = (queries[query],) + tuple(sorted((responses[first], responses[second])))
        if identity in seen:
            count += seen[identity] != key
        else:
            seen[identity] = key
    return count


def check(binary, path):
    found = json.loads(subprocess.run(
        [binary, "inspect", path, "--json"], check=True, capture_output=True, text=True).stdout)["coefficients"]
    with h5py.File(path) as file:
        d = file["pairs/difference"][:].astype(float)
        keys = [bytes(key) for key in np.asarray(file["pairs/key"][:])]
        r = file["pairs/difference_reversed"][:].astype(float) if "pairs/difference_reversed" in file else None
        label = file["pairs/label"][:].astype(int) if "pairs/label" in file else np.ones(len(d), int)
        lengths, expected_lists, repeats = (), None, None
        if "queries/text" in file:
            tokens = file["responses/token_count"][:].astype(int)
            firsts, seconds = file["pairs/first"][:], file["pairs/second"][:]
            lengths = (tokens[firsts], tokens[seconds])
            expected_lists = consistency(file["pairs/query"][:], firsts, seconds, d if r is None else (d - r) / 2)
            repeats = near_duplicates(file, keys)
    wanted = statistics(d, r, label, *lengths)
    compared = near(found["pairs"], len(d), "pairs")
    quantiles = np.quantile(d, [0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1]).tolist()
    compared += near([q["difference"] for q in found["quantiles"]], quantiles, "quantiles")
    compared += near(found["mean_difference"], float(d.mean()), "mean")
    compared += near(found["histogram"]["counts"], wanted["histogram"], "histogram")
    compared += near(found["agreement_interval"], wanted["agreement"], "agreement")
    if r is not None:
        compared += near(found["symmetric_agreement_interval"], wanted["symmetric"], "symmetric agreement")
        compared += near(found["mean_position_bias"], wanted["bias"], "bias")
        compared += near(found["position_bias_deviation"], wanted["deviation"], "deviation of the bias")
    reliability = found["reliability"]
    compared += near([part["accuracy"] for part in reliability["ranges"]], wanted["ranges"], "ranges")
    compared += near([part["accuracy"] for part in reliability["deciles"]], wanted["deciles"], "deciles")
    bins = [[part["count"], part["confidence"], part["accuracy"]] for part in reliability["bins"]]
    compared += near(bins, wanted["bins"], "bins")
    compared += near(reliability["calibration_error"], wanted["ece"], "ECE")
    if lengths:
        bias = found["length_bias"]
        names = ("correlation", "longer_is_better", "scorer")
        for name, value in zip(names, (wanted["correlation"], wanted["longer"], wanted["scorer"])):
            compared += near(bias[name], value, name)
    if expected_lists:
        compared += near(found["lists"], expected_lists, "lists")
    else:
        assert found.get("lists") is None, "lists that numpy does not find"
    rows = [[row["mean"], row["zero_share"], row["effective_pairs"]] for row in found["weights"]["rows"]]
    compared += near(rows, wanted["weights"]["zero"], "weights")
    compared += near(found["duplicates"]["repeated_pairs"], len(keys) - len(set(keys)), "repeated pairs")
    if repeats is not None:
        compared += near(found["duplicates"]["near_duplicates"], repeats, "near-duplicates")
    print(f"{path}: {compared} figures of {len(d)} pairs equal numpy's")


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    for name in sys.argv[2:]:
        check(sys.argv[1], name)
