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


def statistics(d, r, label, first=None, second=None):
    """Of pairs; `r` is None where one order is stored, `first` and `second` where lengths are not known."""
    big_r = d if r is None else (d - r) / 2
    known = label != 0
    right = big_r * label > 0
    size = np.abs(big_r)
    result = {"histogram": np.histogram(d, 20)[0].tolist(), "agreement": share((d * label > 0)[known])}
    if r is not None:
        result["symmetric"] = share(right[known])
        result["bias"], result["deviation"] = float(np.mean((d + r) / 2)), float(np.std((d + r) / 2))
    ranges = [known & (size >= low) & (size < high) for low, high in ((0, 1), (1, 2), (2, 3), (3, np.inf))]
    result["ranges"] = [share(right[part]) for part in ranges if part.any()]
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
    if first is not None:
        longer = first - second
        result["correlation"] = float(np.corrcoef(big_r, longer)[0, 1])
        unequal = known & (longer != 0)
        result["longer"] = share((longer * label > 0)[unequal])
        result["scorer"] = share(right[unequal])
    oriented = (big_r * label)[known]
    if first is not None:
        slope = (big_r @ longer) / (longer @ longer)
        plain = big_r - slope * longer
        result["slope"], result["slope_correlation"] = float(slope), float(np.corrcoef(plain, longer)[0, 1])
        result["debiased"] = share((plain * label > 0)[known])
        result["temperature"] = temperature(oriented)
        result["debiased_temperature"] = temperature((plain * label)[known])
        result["temperature_ece"] = calibration_error(big_r[known] / result["temperature"], right[known])
        result["debiased_ece"] = calibration_error(
            plain[known] / result["debiased_temperature"], (plain * label > 0)[known])
    result["weights"] = {}
    for name in ("zero", "absolute", "flip", "keep"):
        rows = []
        for alpha in (0, 0.25, 0.5, 1, 2):
            negative = {"zero": 0, "absolute": np.abs(oriented) ** alpha, "flip": np.abs(oriented) ** alpha, "keep": 1}[name]
            c = np.where(oriented >= 0, np.abs(oriented) ** alpha, negative) if alpha else np.ones_like(oriented)
            rows.append([float(c.mean()), float((c == 0).mean()), float(c.sum() ** 2 / (c * c).sum())])
        result["weights"][name] = rows
    return result


def temperature(margins):
    """Where the mean of -log sigmoid(m / T) is least: the root of its slope by 1/T, halved in."""
    low, high = 1e-6, 1e6
    for _ in range(300):
        middle = np.sqrt(low * high)
        slope = -(margins / (1 + np.exp(np.clip(middle * margins, -700, 700)))).mean()
        low, high = (middle, high) if slope < 0 else (low, middle)
    return float(1 / np.sqrt(low * high))


def calibration_error(r, right):
    confidence = 1 / (1 + np.exp(-np.abs(r)))
    place = np.clip(np.digitize(confidence, np.linspace(0.5, 1, 11)) - 1, 0, 9)
    parts = [place == k for k in range(10)]
    return float(sum(abs(confidence[p].mean() - right[p].mean()) * p.mean() for p in parts if p.any()))


def circles(values):
    """Triples of a list, and those of which each is better than the next."""
    count = len(values)
    triples = contradictions = 0
    for i in range(count):
        for j in range(count):
            for k in range(count):
                # Each circle is met once from its least member.
                if i < j and i < k and j != k:
                    contradictions += values[i, j] > 0 and values[j, k] > 0 and values[k, i] > 0
                triples += i < j < k
    return triples, contradictions


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
        found = circles(values)
        triples, contradictions = triples + found[0], contradictions + found[1]
    return {"triples": int(triples), "contradictions": int(contradictions), "residual": left / whole}


def ledger():
    """Eighty pairs, visited at steps 3, 10 and 40 (every fourth not at the last)."""
    pairs, steps = np.arange(80), np.array([3, 10, 40])
    margin = ((pairs[:, None] * 29 + steps * 13) % 23 - 11 + steps / 8) / 4
    scale = (pairs[:, None] * 17 + steps) % 31 / 32
    weight = (pairs * 11 % 40) / 8
    judged = (pairs * 37 % 50 - 20) / 8
    visited = np.ones((80, 3), bool)
    visited[pairs % 4 == 3, 2] = False
    learned, never, forgotten, start, when, sums, last = 0, 0, 0, 0, [], [], []
    for row, seen, scales in zip(margin, visited, scale):
        right = row[seen] > 0
        start += right[0]
        sums.append(scales[seen].sum())
        last.append(row[seen][-1])
        if not right.any():
            never += 1
        elif not right[-1]:
            forgotten += 1
        else:
            learned += 1
            when.append(steps[seen][len(right) - np.argmax(np.append(~right[::-1], True))])
    order = np.argsort(weight, kind="stable")
    fifths = [order[len(order) * k // 5:len(order) * (k + 1) // 5] for k in range(5)]
    sums = np.array(sums)
    return {
        "learned": learned, "never": never, "forgotten": forgotten, "start": int(start),
        "steps": np.quantile(when, [0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1]).tolist(),
        "weight": [float(weight[f].sum() / weight.sum()) for f in fifths],
        "gradient": [float(sums[f].sum() / sums.sum()) for f in fifths],
        "correlation": float(np.corrcoef(weight, sums)[0, 1]),
        "judged_gradient": float(np.corrcoef(judged, sums)[0, 1]),
        "judged_margin": float(np.corrcoef(judged, last)[0, 1]),
    }


def comparison():
    """Two scorers, the second with many equal values."""
    i = np.arange(300)
    a, b = (i * 7919 % 1009) / 128 - 3.5, np.round((i * 7919 % 1009) / 256 + (i * 31 % 17) / 4 - 4)
    def ranks(values):
        # Equal values share the mean of their ranks.
        return np.array([(values < v).sum() + ((values == v).sum() - 1) / 2 for v in values])
    return {
        "pearson": float(np.corrcoef(a, b)[0, 1]), "spearman": float(np.corrcoef(ranks(a), ranks(b))[0, 1]),
        "distance": float(np.abs(a - b).mean()), "flips": share(a * b < 0),
    }


if __name__ == "__main__":
    golden = {"pairs": statistics(*columns(500)), "lists": lists(), "ledger": ledger(), "comparison": comparison()}
    print(json.dumps(golden, indent=1))
