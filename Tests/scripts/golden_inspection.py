#!/usr/bin/env python3
"""Golden values of Tests/InspectionTests: the statistics of `rdo inspect coefficients.h5`, computed with numpy.

    Tests/scripts/golden_inspection.py > Tests/InspectionTests/inspection-goldens.json

The columns are formulas of the row, exact in float32, which the tests write down again. Made with numpy 2.4.
"""

import json

import numpy as np


def columns(count):
    """Differences in both orders, labels and lengths of pairs."""
    i = np.arange(count)
    d = (i * 7919 + 13) % 1009 / 128 - 3.5
    r = -d + ((i * 104729) % 257 - 128) / 64
    agrees = (i * 31) % 100 < 60 + 8 * np.abs(d)
    label = np.where(agrees, np.where(d >= 0, 1, -1), np.where(d >= 0, -1, 1))
    label[i % 17 == 0] = 0
    return d, r, label, 5 + (i * 37) % 50, 5 + (i * 53) % 60


def wilson(hits, count):
    """Roots of (p - x)² = z² x (1 - x) / n, which is where the interval comes from."""
    z, p = 1.959963984540054, hits / count
    roots = np.roots([1 + z * z / count, -(2 * p + z * z / count), p * p])
    return {"share": p, "low": min(roots).real, "high": max(roots).real, "count": int(count)}


def share(cases):
    return wilson(np.count_nonzero(cases), len(cases))


def statistics():
    d, r, label, first, second = columns(500)
    size_of = lambda x: np.abs(x)
    big_r = (d - r) / 2
    known = label != 0
    right = big_r * label > 0
    size = size_of(big_r)
    result = {
        "histogram": np.histogram(d, 20)[0].tolist(),
        "agreement": share((d * label > 0)[known]),
        "symmetric": share(right[known]),
        "bias": float(np.mean((d + r) / 2)), "deviation": float(np.std((d + r) / 2)),
    }
    result["ranges"] = [
        share(right[known & (size >= low) & (size < high)]) for low, high in ((0, 1), (1, 2), (2, 3), (3, np.inf))]
    order = np.argsort(size[known], kind="stable")
    result["deciles"] = [
        share(right[known][part]) for part in
        [order[len(order) * k // 10:len(order) * (k + 1) // 10] for k in range(10)]]
    confidence = 1 / (1 + np.exp(-size[known]))
    place = np.clip(np.digitize(confidence, np.linspace(0.5, 1, 11)) - 1, 0, 9)
    error, bins = 0.0, []
    for k in range(10):
        members = place == k
        if members.any():
            mean, accuracy = confidence[members].mean(), right[known][members].mean()
            bins.append([int(members.sum()), float(mean), float(accuracy)])
            error += abs(mean - accuracy) * members.mean()
    result["bins"], result["ece"] = bins, float(error)
    longer = first - second
    result["correlation"] = float(np.corrcoef(big_r, longer)[0, 1])
    unequal = known & (longer != 0)
    result["longer"] = share((longer * label > 0)[unequal])
    result["scorer"] = share(right[unequal])
    oriented = (big_r * label)[known]
    result["weights"] = {}
    for name in ("zero", "absolute", "flip", "keep"):
        rows = []
        for alpha in (0, 0.25, 0.5, 1, 2):
            negative = {"zero": 0, "absolute": np.abs(oriented) ** alpha, "flip": np.abs(oriented) ** alpha, "keep": 1}[name]
            c = np.where(oriented >= 0, np.abs(oriented) ** alpha, negative) if alpha else np.ones_like(oriented)
            rows.append([float(c.mean()), float((c == 0).mean()), float(c.sum() ** 2 / (c * c).sum())])
        result["weights"][name] = rows
    return result


def lists():
    """Twenty lists of six responses: scores and a disturbance, fitted by least squares."""
    triples = contradictions = 0
    left = whole = 0.0
    for number in range(20):
        values = np.zeros((6, 6))
        for j in range(6):
            for i in range(j):
                values[i, j] = (((number * 11 + i * 5) % 13) - ((number * 11 + j * 5) % 13)) / 4 \
                    + ((number * 31 + i * 17 + j * 7) % 21 - 10) / 4
                values[j, i] = -values[i, j]
        rows, right = [], []
        for i in range(6):
            for j in range(i + 1, 6):
                row = np.zeros(6)
                row[i], row[j] = 1, -1
                rows.append(row)
                right.append(values[i, j])
        fitted = np.linalg.lstsq(np.array(rows), np.array(right), rcond=None)[0]
        left += float(np.sum((np.array(rows) @ fitted - right) ** 2))
        whole += float(np.sum(np.square(right)))
        for i in range(6):
            for j in range(6):
                for k in range(6):
                    # Each circle is met once from its least member.
                    if i < j and i < k and j != k:
                        contradictions += values[i, j] > 0 and values[j, k] > 0 and values[k, i] > 0
                    triples += i < j < k
    return {"triples": int(triples), "contradictions": int(contradictions), "residual": left / whole}


if __name__ == "__main__":
    print(json.dumps({"pairs": statistics(), "lists": lists()}, indent=1))
