#!/usr/bin/env python3
"""Golden values of Tests/InspectionTests: the statistics of `rdo evaluate`, computed with numpy and statsmodels.

    Tests/scripts/golden_evaluation.py > Tests/InspectionTests/evaluation-goldens.json

The samples are formulas of the row, which the tests write down again; the bootstrap draws from a second implementation of
`KeyedRandom`. Made with numpy 2.4, statsmodels 0.15.
"""

import json
import warnings

import numpy as np
import statsmodels.api as sm

MASK = (1 << 64) - 1
INCREMENT = 0x9E3779B97F4A7C15
STREAM = 0xB007


def mixed(z):
    """SplitMix64's finalizer."""
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
    return z ^ (z >> 31)


def draws(seed, count, resamples):
    """Which units each resample has: [resamples, count]."""
    key = mixed((seed + INCREMENT) & MASK)
    inner = mixed(key ^ mixed((STREAM + 2 * INCREMENT) & MASK))
    outer = mixed(~inner & MASK)
    bits = [mixed(outer ^ mixed((inner + i * INCREMENT) & MASK)) for i in range(count * resamples)]
    return np.array([(b * count) >> 64 for b in bits]).reshape(resamples, count)


def interval(value, resampled):
    low, high = np.quantile(resampled, [0.025, 0.975])
    return [float(value), float(low), float(high)]


def fit(outcome, design):
    """θ and φ by statsmodels; outcomes of ½ are half a success."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = sm.GLM(outcome, design, family=sm.families.Binomial())
        return model.fit(tol=1e-14, maxiter=200).params


def length_control(outcome, longer, drawn):
    t = np.tanh(longer / np.std(longer))
    design = np.stack([np.ones_like(t), t], axis=1)
    theta, phi = fit(outcome, design)
    resampled = [1 / (1 + np.exp(-fit(outcome[rows], design[rows])[0])) for rows in drawn]
    return {"theta": float(theta), "phi": float(phi), "rate": interval(1 / (1 + np.exp(-theta)), resampled)}


def main():
    i = np.arange(120)
    score = (i * 7919 % 1009) / 128 - 3.5
    other = (i * 104729 % 257) / 64 - 2
    margin = np.where(i % 10 == 0, 0, np.round((score - other) * 4) / 4)
    longer = (i * 37 % 50 - 20 + 4 * np.sign(margin) * (i % 3)).astype(float)
    tokens = (5 + i * 53 % 60).astype(float)
    loss = 2 + (i * 31 % 17) / 8 * tokens / 20
    drawn = draws(7, len(i), 400)
    golden = {
        "draws": drawn[:2, :10].tolist(),
        "mean": interval(score.mean(), score[drawn].mean(axis=1)),
        "ratio": interval(
            np.exp(loss.sum() / tokens.sum()), np.exp(loss[drawn].sum(axis=1) / tokens[drawn].sum(axis=1))),
    }
    for name, tie in (("exact", 0.0), ("loose", 1.0)):
        outcome = np.where(np.abs(margin) <= tie, 0.5, (margin > 0).astype(float))
        judged = {}
        for key, value in (("win", 1.0), ("tie", 0.5), ("lose", 0.0)):
            share = (outcome == value).astype(float)
            judged[key] = interval(share.mean(), share[drawn].mean(axis=1))
        judged["rate"] = interval(outcome.mean(), outcome[drawn].mean(axis=1))
        judged["margin"] = interval(margin.mean(), margin[drawn].mean(axis=1))
        judged["correlation"] = float(np.corrcoef(margin, longer)[0, 1])
        judged["control"] = length_control(outcome, longer, drawn)
        golden[name] = judged
    print(json.dumps(golden, indent=1))


if __name__ == "__main__":
    main()
