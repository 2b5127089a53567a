#!/usr/bin/env python3
"""Trains the demo's scorers in several ways, over several seeds, and says what helped.

    Benchmarks/scorer_variants.py RDO [--out DIR] [--corpora bradley-terry,comparative] [--seeds 1,2,3]
                                  [--variants "difference model;both orders"] [--update]

Each variant is the demo's configuration with one thing changed. Held-out pairs are judged by the truth that the demo's
data carry, in the way of the demo's table. What needs labels (the temperature) is fitted on labels that are drawn as the
training labels are, in two halves of the held-out pairs, each judged by what the other half gave. "Helped" and "hurt" are
said where a paired t-test over the seeds allows it at 95 %. A run that is complete is not done again. With --update the
tables replace what stands between the markers in docs/scorers.md. Needs numpy and h5py.
"""

import argparse
import json
import math
import os
import pathlib
import subprocess

import h5py
import numpy as np

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs" / "scorers.md"
MARKERS = ("<!-- scorer-variants -->", "<!-- /scorer-variants -->")
# Labels of both corpora follow Bradley and Terry with this temperature (docs/results.md).
LABEL_TEMPERATURE = 2.0
# Two-sided 95 % of Student's t, by degrees of freedom.
STUDENT = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26}

# What a variant sets beside the demo's own settings; REWARD stands for the reward model of the same seed.
REWARD = "{reward}"
TRAINED = {
    "reward model": {"passes": ["reward", "score"], "score": {"scorer": "reward"}},
    "difference model": {},
    "both orders": {"difference": {"both_orders": True}},
    "from the reward model, new head": {"difference": {"start": "reward"}},
    "from the reward model, its head": {"difference": {"model": REWARD}},
}
REWARD_NAME, BASELINE = "reward model", "difference model"


def run(rdo, *arguments):
    environment = dict(
        os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_mpi_yield_when_idle="1")
    result = subprocess.run([rdo, *arguments], env=environment, capture_output=True, text=True)
    if result.returncode != 0:
        raise SystemExit(f"{rdo} {' '.join(arguments)}\n{result.stderr}")


# MARK: Training

def demo(rdo, root, corpus):
    """The demo's data and SFT model; its other passes take one step each, because they are made anew below."""
    output = root / corpus / "demo"
    if not (output / "results.md").exists():
        steps = [f"{name}.steps=1" for name in ("reward", "difference", "dpo", "rrhf", "kto")]
        run(rdo, "run", "--set", f"demo.corpus={corpus}", f"output={output}", "demo.seeds=[1]", *steps)
    return output


def configuration(demo, output, seed, changes, reward):
    scorer = {
        "batch_size": 16, "micro_batches": 4, "learning_rate": 1e-3, "head_learning_rate": 1e-2, "checkpoint_every": 0}
    settings = {
        "output": str(output), "seed": seed, "passes": ["difference", "score"],
        "model": {"path": str(demo / "initial-model")},
        "data": {
            "train": [str(demo / "data/train.jsonl")], "test": [str(demo / "data/test.jsonl")], "max_tokens": 256},
        "difference": dict(scorer, epochs=7), "reward": dict(scorer, epochs=3),
        "score": {"data": "both", "chunk": 32}, "dpo": {"model": str(demo / "sft/model")},
    }
    for key, value in changes.items():
        settings[key] = {**settings[key], **value} if isinstance(value, dict) else value
    for name in ("difference", "reward"):
        own = settings[name]
        if own.get("model") == REWARD:
            own["model"] = str(reward / "reward/model")
        elif "start" not in own:
            own["model"] = str(demo / "sft/model")
    return settings


def train(rdo, root, corpus, name, seed):
    """Trains and scores one variant; returns its directory."""
    where = root / corpus
    reward = where / f"{REWARD_NAME.replace(' ', '-')}-{seed}"
    output = where / f"{name.replace(' ', '-').replace(',', '')}-{seed}"
    if (output / "done").exists():
        return output
    output.mkdir(parents=True, exist_ok=True)
    if name != REWARD_NAME:
        # What `start: reward` looks for in the run's own output.
        if not (output / "reward").exists():
            (output / "reward").symlink_to(reward / "reward")
    settings = configuration(where / "demo", output, seed, TRAINED[name], reward)
    (output / "config.yaml").write_text(json.dumps(settings))
    run(rdo, "run", str(output / "config.yaml"))
    (output / "done").touch()
    return output


# MARK: Judging

class Pairs:
    """The held-out pairs of a scored run: both orders' d, lengths, and the true difference of first over second."""

    def __init__(self, output, truths):
        with h5py.File(output / "coefficients-test.h5") as file:
            texts = [t.decode() for t in file["responses/text"][:]]
            queries = [t.decode() for t in file["queries/text"][:]]
            places = [file[f"pairs/{name}"][:] for name in ("query", "first", "second")]
            self.forward = file["pairs/difference"][:].astype(float)
            self.backward = -self.forward
            if "difference_reversed" in file["pairs"]:
                self.backward = file["pairs/difference_reversed"][:].astype(float)
            counts = file["responses/token_count"][:]
            self.longer = (counts[places[1]] - counts[places[2]]).astype(float)
        self.truth = np.array([truths[queries[q], texts[a], texts[b]] for q, a, b in zip(*places)])
        self.r = (self.forward - self.backward) / 2


def truths(demo):
    rows = [json.loads(line) for line in open(demo / "data/test.jsonl")]
    known = {}
    for row in rows:
        known[row["prompt"], row["chosen"], row["rejected"]] = row["true_difference"]
        known[row["prompt"], row["rejected"], row["chosen"]] = -row["true_difference"]
    return known


def log_sigmoid(z):
    return np.minimum(z, 0) - np.log1p(np.exp(-np.abs(z)))


def temperature(margins):
    """T with the least mean −log σ(m / T); by golden section over log T, unlike the program's Newton steps."""
    def loss(log_t):
        return -log_sigmoid(margins / math.exp(log_t)).mean()

    low, high, ratio = -7.0, 7.0, (math.sqrt(5) - 1) / 2
    while high - low > 1e-7:
        a, b = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, b) if loss(a) < loss(b) else (a, high)
    return math.exp((low + high) / 2)


def debiased(r, longer, halves):
    """R less its regression on the difference in length, fitted on the other half."""
    result = r.copy()
    for own, other in halves:
        result[own] -= (r[other] @ longer[other]) / (longer[other] @ longer[other]) * longer[own]
    return result


def calibrated(r, labels, halves):
    result, found = r.copy(), []
    for own, other in halves:
        found.append(temperature(labels[other] * r[other]))
        result[own] /= found[-1]
    return result, float(np.mean(found))


def figures(r, truth):
    """Of the demo's table: accuracy, Pearson with the true size, cross-entropy and calibration error of σ(|R|)."""
    p = 1 / (1 + np.exp(-truth / LABEL_TEMPERATURE))
    gain = np.where(truth > 0, r, -r)
    sure = 1 / (1 + np.exp(-np.abs(r)))
    right = np.where(r > 0, p, 1 - p)
    bins = np.minimum(9, ((sure - 0.5) * 20).astype(int))
    error = sum(abs((sure[bins == b] - right[bins == b]).sum()) for b in range(10)) / len(r)
    return {
        "accuracy": float((gain > 0).mean()), "Pearson": float(np.corrcoef(gain, np.abs(truth))[0, 1]),
        "cross-entropy": float((-p * log_sigmoid(r) - (1 - p) * log_sigmoid(-r)).mean()), "calibration": float(error)}


def of_seed(runs, truth, seed):
    """Every row of the table for one seed, by name; `runs` are the trained variants' pairs."""
    rows = {}
    count = len(truth)
    draw = np.random.default_rng(2024)
    labels = np.where(draw.random(count) < 1 / (1 + np.exp(-truth / LABEL_TEMPERATURE)), 1.0, -1.0)
    order = draw.permutation(count)
    first, second = order[: count // 2], order[count // 2:]
    halves = [(first, second), (second, first)]
    for name, pairs in runs.items():
        rows[name] = figures(pairs.r, truth)
    for name in BASELINE, "both orders":
        if name in runs:
            rows[f"{name}: one order alone"] = figures(runs[name].forward, truth)
    base = runs[BASELINE]
    for name in REWARD_NAME, BASELINE:
        r, t = calibrated(runs[name].r, labels, halves)
        rows[f"{name}: divided by T"] = figures(r, truth) | {"T": t}
    rows[f"{BASELINE}: length taken out"] = figures(debiased(base.r, base.longer, halves), truth)
    return rows


def mean_and_deviation(values):
    if len(values) < 2:
        return f"{np.mean(values):.3f}"
    return f"{np.mean(values):.3f} ± {np.std(values, ddof=1):.3f}"


def verdict(values, base, lower_is_better):
    """Of paired values: helped, hurt, or nothing that these seeds can tell."""
    gains = (np.array(base) - values) if lower_is_better else (np.array(values) - base)
    if len(gains) < 2:
        return ""
    error = gains.std(ddof=1) / math.sqrt(len(gains))
    if not np.any(gains):
        return "the same"
    if abs(gains.mean()) <= STUDENT.get(len(gains) - 1, 2.0) * error:
        return "within noise"
    return "helped" if gains.mean() > 0 else "hurt"


COLUMNS = [("accuracy", False), ("Pearson", False), ("cross-entropy", True), ("calibration", True)]


def table(corpus, by_seed, seeds, ensembles):
    names = list(dict.fromkeys(name for rows in by_seed.values() for name in rows))
    lines = [
        f"`{corpus}`, seeds {', '.join(map(str, seeds))}:", "",
        "| variant | " + " | ".join(f"{name} | " for name, _ in COLUMNS) + " |",
        "|---|" + "---|---|" * len(COLUMNS)]
    compared = {name: name.split(":")[0] if ":" in name else BASELINE for name in names}
    for name in names:
        cells = []
        for column, lower in COLUMNS:
            values = [by_seed[s][name][column] for s in seeds]
            base = [by_seed[s][compared[name]][column] for s in seeds]
            cells += [mean_and_deviation(values), "" if name == BASELINE else verdict(values, base, lower)]
        title = name + (f" = {mean_and_deviation([by_seed[s][name]['T'] for s in seeds])}" if "divided" in name else "")
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    for name, rows in ensembles.items():
        cells = []
        for column, _ in COLUMNS:
            cells += [mean_and_deviation([row[column] for row in rows]), ""]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return lines


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rdo")
    parser.add_argument("--out", default="runs/scorer-variants", type=pathlib.Path)
    parser.add_argument("--corpora", default="bradley-terry,comparative")
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--variants", default=";".join(TRAINED), help="semicolons between them; all by default")
    parser.add_argument("--update", action="store_true")
    arguments = parser.parse_args()
    root, seeds = arguments.out.resolve(), [int(s) for s in arguments.seeds.split(",")]
    # The others start from the first and are compared with the second.
    names = list(dict.fromkeys([REWARD_NAME, BASELINE, *arguments.variants.split(";")]))
    lines = []
    for corpus in arguments.corpora.split(","):
        known = truths(demo(arguments.rdo, root, corpus))
        runs = {}
        for seed in seeds:
            runs[seed] = {
                name: Pairs(train(arguments.rdo, root, corpus, name, seed), known) for name in names}
        truth = runs[seeds[0]][BASELINE].truth
        by_seed = {seed: of_seed(runs[seed], truth, seed) for seed in seeds}
        ensembles = {}
        for name in names:
            mean = np.mean([runs[seed][name].r for seed in seeds], axis=0)
            ensembles[f"{name}: mean R of the {len(seeds)} seeds"] = [figures(mean, truth)]
        lines += table(corpus, by_seed, seeds, ensembles) + [""]
    text = "\n".join(lines).rstrip()
    print(text)
    if arguments.update:
        page = PAGE.read_text()
        start, end = (page.index(marker) for marker in MARKERS)
        PAGE.write_text(f"{page[:start]}{MARKERS[0]}\n{text}\n{page[end:]}")


if __name__ == "__main__":
    main()
