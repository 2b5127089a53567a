#!/usr/bin/env python3
"""Follow a --trace file with plain formulas and compare the losses with metrics.jsonl.

usage: replay_trace.py dpo|difference|reward|sft TRACE.jsonl METRICS.jsonl [--beta 0.1] [--denominator pairs|weights]
                       [--lambda-duplication 0.5] [--lambda-reverse 0.5] [--both-orders] [--tolerance 1e-5]

Needs nothing but Python. The trace records, for every step, the data rows, what was drawn, the coefficients and the
model's answers; the losses here are computed from those alone. Exits 1 at a difference beyond the tolerance.
"""
import argparse
import json
import math


def softplus(x):
    """log(1 + exp(x)) without overflow; -log sigmoid(x) = softplus(-x)."""
    return max(x, 0.0) + math.log1p(math.exp(-abs(x)))


def dpo_loss(step, options):
    total = 0.0
    for weight, flipped, chosen, rejected, ref_chosen, ref_rejected in zip(
        step["coefficients"], step["flipped"], step["logps_chosen"], step["logps_rejected"],
        step["reference_chosen"], step["reference_rejected"],
    ):
        h = (chosen - ref_chosen) - (rejected - ref_rejected)
        total += weight * softplus(-options.beta * (-h if flipped else h))
    weights = sum(step["coefficients"])
    return total / (weights if options.denominator == "weights" else len(step["rows"]))


def difference_loss(step, options):
    main = duplication = reverse = 0.0
    for first, d, dup, rev in zip(
        step["first"], step["difference_main"], step["difference_duplication"], step["difference_reverse"]
    ):
        sign = 1 if first == "chosen" else -1
        main += (softplus(-sign * d) + softplus(sign * rev)) / 2 if options.both_orders else softplus(-sign * d)
        duplication += dup * dup
        reverse += (d + rev) ** 2
    count = len(step["rows"])
    return (main + options.lambda_duplication * duplication + options.lambda_reverse * reverse) / count


def reward_loss(step, options):
    pairs = list(zip(step["rewards_chosen"], step["rewards_rejected"]))
    return sum(softplus(-(chosen - rejected)) for chosen, rejected in pairs) / len(pairs)


def sft_loss(step, options):
    return -sum(map(sum, step["logps"])) / sum(map(sum, step["tokens"]))


LOSSES = {"dpo": dpo_loss, "difference": difference_loss, "reward": reward_loss, "sft": sft_loss}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("objective", choices=LOSSES)
    parser.add_argument("trace")
    parser.add_argument("metrics")
    parser.add_argument("--beta", type=float, default=0.1)
    parser.add_argument("--denominator", choices=["pairs", "weights"], default="pairs")
    parser.add_argument("--lambda-duplication", type=float, default=0.5)
    parser.add_argument("--lambda-reverse", type=float, default=0.5)
    parser.add_argument("--both-orders", action="store_true")
    parser.add_argument("--tolerance", type=float, default=1e-5)
    options = parser.parse_args()

    steps = {s["step"]: s for s in map(json.loads, open(options.trace))}
    metrics = {m["step"]: m for m in map(json.loads, open(options.metrics))}
    if not steps or steps.keys() != metrics.keys():
        raise SystemExit(f"{len(steps)} traced steps, {len(metrics)} steps in the metrics: not the same run")
    worst = 0.0
    for number in sorted(steps):
        replayed = LOSSES[options.objective](steps[number], options)
        worst = max(worst, abs(replayed - metrics[number]["loss"]))
    print(f"{len(steps)} steps, largest difference of a loss {worst:.2e}")
    if not worst <= options.tolerance:
        raise SystemExit(1)


main()
