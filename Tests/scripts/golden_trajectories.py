#!/usr/bin/env python3
"""Train a small real model with PyTorch in double precision, every method for twelve steps, and keep the figures.

usage: golden_trajectories.py --write RDO    data, coefficients, heads and trajectories.json, anew
       golden_trajectories.py --check RDO    run RDO with what is stored and print how far from it it is
       golden_trajectories.py --mistakes     which mistakes in the update and the losses the stored figures would show

The goldens are in Tests/EndToEndTests/Goldens; GoldenTrajectoryTests.swift compares with them too. RDO is the executable.
Writing takes from it what a seed draws (order of responses, partners), by --trace, and nothing else. The model is
stories260K of the assets (RDO_ASSETS, by default ../shared/assets beside the package). Needs torch, safetensors,
tokenizers, h5py and xxhash.
"""
import argparse
import json
import math
import os
import pathlib
import platform
import random
import struct
import subprocess
import tempfile

import h5py
import numpy as np
import torch
import xxhash
from safetensors.numpy import load_file, save_file

from golden_training import Method, Model, Rules, train

PACKAGE = pathlib.Path(__file__).resolve().parents[2]
GOLDENS = PACKAGE / "Tests/EndToEndTests/Goldens"
MODEL = pathlib.Path(os.environ.get("RDO_ASSETS", PACKAGE / "../shared/assets")) / "models/stories260K"

STEPS = 12
SHARED = {"steps": STEPS, "micro_batches": 4, "checkpoint_every": 0}
WEIGHTED = {"alpha": 0.5}

# What differs between methods is chosen so that every rule of the update matters in one of them at least.
METHODS = {
    "sft": ("pairs", {
        "batch_size": 8, "learning_rate": 1e-3, "schedule": "cosine", "warmup_steps": 3,
        "minimum_learning_rate_ratio": 0.1, "weight_decay": 0.1, "beta2": 0.95, "max_grad_norm": 0.5}),
    "reward": ("pairs", {
        "batch_size": 8, "learning_rate": 2e-4, "head_learning_rate": 2e-3, "schedule": "linear", "warmup_ratio": 0.2,
        "minimum_learning_rate_ratio": 0.25, "weight_decay": 0.5, "max_grad_norm": 2.5}),
    "difference": ("pairs", {
        "batch_size": 6, "learning_rate": 2e-4, "head_learning_rate": 1e-3, "schedule": "constant", "warmup_steps": 2,
        "weight_decay": 0.2, "beta1": 0.8, "beta2": 0.99, "max_grad_norm": 5.0, "lambda_duplication": 0.7,
        "lambda_reverse": 0.3}),
    "difference+both": ("pairs", {
        "batch_size": 6, "learning_rate": 2e-4, "head_learning_rate": 1e-3, "schedule": "constant", "warmup_steps": 2,
        "weight_decay": 0.2, "beta1": 0.8, "beta2": 0.99, "max_grad_norm": 5.0, "lambda_duplication": 0.7,
        "lambda_reverse": 0.3, "both_orders": "true"}),
    "dpo": ("pairs", {
        "batch_size": 8, "learning_rate": 1e-4, "schedule": "linear", "warmup_ratio": 0.1, "weight_decay": 0.1,
        "max_grad_norm": 0.5, "beta": 0.1}),
    "dpo+rc": ("pairs", {
        "batch_size": 8, "learning_rate": 1e-4, "schedule": "cosine", "warmup_ratio": 0.25,
        "minimum_learning_rate_ratio": 0.2, "weight_decay": 0.3, "epsilon": 1e-5, "max_grad_norm": 1.0, "beta": 0.2,
        "coefficients": WEIGHTED | {"disagreement": "absolute", "denominator": "weights"}}),
    "rrhf": ("lists", {
        "batch_size": 5, "learning_rate": 2e-4, "schedule": "constant", "warmup_ratio": 0.0, "weight_decay": 0.1,
        "max_grad_norm": 0.0, "ranking_weight": 1.0}),
    "rrhf+rc": ("lists", {
        "batch_size": 5, "learning_rate": 3e-4, "schedule": "linear", "warmup_steps": 4, "weight_decay": 0.0,
        "beta1": 0.85, "max_grad_norm": 0.5, "ranking_weight": 3.0,
        "coefficients": WEIGHTED | {"disagreement": "flip", "denominator": "pairs"}}),
    "kto": ("pairs", {
        "batch_size": 8, "learning_rate": 1.5e-4, "schedule": "cosine", "warmup_ratio": 0.1, "weight_decay": 0.1,
        "max_grad_norm": 1.0, "beta": 0.3, "desirable_weight": 1.3, "undesirable_weight": 1.0}),
    "kto+rc": ("pairs", {
        "batch_size": 8, "learning_rate": 1.5e-4, "schedule": "linear", "warmup_steps": 1,
        "minimum_learning_rate_ratio": 0.1, "weight_decay": 0.1, "beta2": 0.99, "max_grad_norm": 0.1, "beta": 0.3,
        "desirable_weight": 1.0, "undesirable_weight": 1.1,
        "coefficients": WEIGHTED | {"disagreement": "zero", "denominator": "weights"}}),
}

# About five times the worst of single-precision runs with five OpenBLAS kernels (--check), whose learning rates are double
# precision. A small rate moves a weight by few of its own rounding steps, which is most of what the last four allow.
TOLERANCES = {
    "loss": 3e-5, "grad_norm": 8e-5, "learning_rate": 1e-12, "update_norm": 6e-4, "norm": 3e-4, "sum": 3e-4,
    "entry": 5e-3}


# MARK: Data

WHO = ["fox", "owl", "girl", "bear", "boy", "duck", "snail", "mouse"]
WHAT = ["kite", "drum", "stone", "lamp", "boat", "cake", "rope", "bell"]
WHERE = ["by the lake", "in the barn", "under a tree", "near the old wall", "on the hill"]
GOOD = ["thanked the {a} and shared the {b}", "found the {b} and gave it back", "laughed and put the {b} away",
        "asked mom, and mom helped with the {b}", "waited, and the {b} was there"]
BAD = ["said {b}, {b}, {b}", "did not know", "ran off with the {b} and the {b} was sad", "said it is a {b} is a {b}",
       "cried. No. No. No"]


def sentence(draw, forms, who, what):
    tail = ". The end." if draw.random() < 0.4 else "."
    return "The " + who + " " + draw.choice(forms).format(a=draw.choice(WHO), b=what) + tail


def rows(seed):
    """Twenty pairs and twelve lists of four, some with equal scores; responses of one row all differ."""
    draw = random.Random(seed)

    def prompt(number):
        who, what = draw.choice(WHO), draw.choice(WHAT)
        return f"Day {number}. A {who} lost a {what} {draw.choice(WHERE)}.", who, what

    pairs, lists = [], []
    for number in range(20):
        text, who, what = prompt(number)
        pairs.append({
            "prompt": text, "chosen": sentence(draw, GOOD, who, what), "rejected": sentence(draw, BAD, who, what)})
    for number in range(12):
        text, who, what = prompt(number)
        responses = []
        while len(responses) < 4:
            one = sentence(draw, GOOD if draw.random() < 0.5 else BAD, who, what)
            if one not in responses:
                responses.append(one)
        scores = draw.sample([-1.5, 0.25, 1, 2.5], 4)
        if number % 4 == 3:
            scores[draw.randrange(4)] = max(scores)
        lists.append({"prompt": text, "responses": responses, "scores": scores})
    return pairs, lists


def key(*parts):
    """The key of docs/files.md over token ids."""
    digest = xxhash.xxh3_128()
    for ids in parts:
        digest.update(struct.pack(f"<I{len(ids)}i", len(ids), *ids))
    return np.frombuffer(digest.digest(), np.uint8)


def write_inputs():
    """Rows, coefficient files and scalar heads."""
    GOLDENS.mkdir(exist_ok=True)
    draw, model = random.Random(20), Model(MODEL)
    pairs, lists = rows(seed=7)
    for name, data in ("pairs", pairs), ("lists", lists):
        (GOLDENS / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in data))

    def pair_key(row, first, second):
        return key(model.bos + model.ids(row["prompt"]), *(model.ids(r) + model.eos for r in (first, second)))

    # Pairs are scored in both orders, lists in one, which is the wrong one for every other pair.
    keys = [pair_key(r, r["chosen"], r["rejected"]) for r in pairs]
    write_coefficients("pairs", keys, [draw.gauss(0.8, 1) for _ in keys], [draw.gauss(-0.8, 1) for _ in keys])
    keys = [
        pair_key(r, r["responses"][i], r["responses"][j]) for r in lists for i in range(4) for j in range(i + 1, 4)
        if r["scores"][i] != r["scores"][j]]
    write_coefficients("lists", keys, [draw.gauss(0.3, 1) for _ in keys])
    for name in "reward", "difference":
        head = np.array([[draw.gauss(0, 0.03) for _ in range(64)]], np.float32)
        save_file({"score.weight": head}, GOLDENS / f"{name}-head.safetensors")
        os.chmod(GOLDENS / f"{name}-head.safetensors", 0o644)


def write_coefficients(name, keys, strengths, reversed_strengths=None):
    with h5py.File(GOLDENS / f"{name}.h5", "w") as file:
        file.attrs["schema"] = "rdo.coefficients/1"
        file["pairs/key"] = np.stack(keys)
        file["pairs/difference"] = np.array(strengths, np.float32)
        if reversed_strengths is not None:
            file["pairs/difference_reversed"] = np.array(reversed_strengths, np.float32)


def read_strengths(name, model, data):
    """R of each pair by row, and by (row, better, worse) of lists, joined by key in either order."""
    with h5py.File(GOLDENS / f"{name}.h5") as file:
        forward = file["pairs/difference"][:].astype(float)
        if "difference_reversed" in file["pairs"]:
            forward = (forward - file["pairs/difference_reversed"][:]) / 2
        stored = dict(zip(map(bytes, file["pairs/key"][:]), forward))
    found = {}
    for number, row in enumerate(data):
        scores = row.get("scores", [1, 0])
        texts = row.get("responses", [row.get("chosen"), row.get("rejected")])
        query, ids = model.bos + model.ids(row["prompt"]), [model.ids(t) + model.eos for t in texts]
        for i in range(len(ids)):
            for j in range(len(ids)):
                if scores[i] > scores[j]:
                    one, other = bytes(key(query, ids[i], ids[j])), bytes(key(query, ids[j], ids[i]))
                    strength = stored[one] if one in stored else -stored[other]
                    found[(number, i, j) if "scores" in row else (number,)] = strength
    return found


# MARK: Training

def head_of(name):
    task = name.split("+")[0]
    return GOLDENS / f"{task}-head.safetensors" if task in ("reward", "difference") else None


def trajectory(name, draws, rules=Rules()):
    """The steps of a method, its weights before and after."""
    data, settings = METHODS[name]
    rows = [json.loads(line) for line in open(GOLDENS / f"{data}.jsonl")]
    models = [Model(MODEL, head_of(name)) for _ in range(2)]
    strengths = read_strengths(data, models[0], rows) if "coefficients" in settings else None
    start, method = (
        Method(model, name.split("+")[0], SHARED | settings, rows, strengths, draws, rules) for model in models)
    steps = train(method, start)
    before, after = ({n: w.detach().numpy() for n, w in model.weights.items()} for model in models)
    return steps, before, after


def summary(before, after, entries=None):
    """Of every parameter the sum, the norm, the norm of what training changed, and some entries."""
    result = {}
    for name, w in after.items():
        w, old = w.astype(np.float64).ravel(), before[name].astype(np.float64).ravel()
        places = entries[name] if entries else sorted(random.Random(name).sample(range(w.size), 8))
        result[name] = {
            "count": w.size, "sum": w.sum(), "norm": np.linalg.norm(w), "update_norm": np.linalg.norm(w - old),
            "entries": [[place, w[place]] for place in places]}
    return result


def overrides(name):
    """What `--set` takes, with {goldens}, {model} and {output} to be filled in."""
    data, settings = METHODS[name]
    task = name.split("+")[0]
    needs = ["reference", task] if task in ("dpo", "kto") else [task]
    pairs = {
        "output": "{output}", "passes": f"[{', '.join(needs)}]", "seed": 11, "model.path": "{model}",
        "data.train": "{goldens}/" + data + ".jsonl", "data.shuffle": "false"}
    if head_of(name):
        pairs[f"{task}.head"] = "{goldens}/" + head_of(name).name
    flat = {k: v for k, v in (SHARED | settings).items() if k != "coefficients"}
    pairs |= {f"{task}.{k}": v for k, v in flat.items()}
    if "coefficients" in settings:
        pairs[f"{task}.coefficients.file"] = "{goldens}/" + data + ".h5"
        pairs |= {f"{task}.coefficients.{k}": v for k, v in settings["coefficients"].items()}
    elif task in ("dpo", "rrhf", "kto"):
        pairs[f"{task}.coefficients.use"] = "false"
    return [f"{k}={v}" for k, v in pairs.items()]


def run(rdo, name, settings, entries=None):
    """What the program does: its steps, a summary of its weights, and the trace."""
    task = name.split("+")[0]
    with tempfile.TemporaryDirectory() as folder:
        places = {"output": folder + "/run", "goldens": GOLDENS, "model": MODEL.resolve()}
        pathlib.Path(folder, "config.yaml").write_text("seed: 11\n")
        command = [rdo, "run", folder + "/config.yaml", "--trace", folder + "/trace.jsonl"]
        for setting in settings:
            command += ["--set", setting.format(**places)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        steps, trace = (
            [json.loads(line) for line in open(f"{folder}/{file}")]
            for file in (f"run/{task}/metrics.jsonl", "trace.jsonl"))
        after = load_file(f"{folder}/run/{task}/model/model.safetensors")
    before = load_file(MODEL / "model.safetensors")
    if head_of(name):
        before |= load_file(head_of(name))
    return steps, summary(before, after, entries), trace


def drawn(trace):
    """What the seed decides, of a trace."""
    names = "first", "duplicated", "partners"
    return [{name: step[name] for name in names if name in step} for step in trace]


# MARK: Comparison

def deviations(golden, steps, weights):
    """The largest deviation of each kind, where it is, and the same of weights."""
    worst = {kind: (0.0, "") for kind in TOLERANCES}

    def note(kind, value, where):
        if not value <= worst[kind][0]:
            worst[kind] = (value, where)

    for number, (ours, theirs) in enumerate(zip(golden["steps"], steps, strict=True)):
        for kind in "loss", "grad_norm", "learning_rate":
            note(kind, abs(theirs[kind] / ours[kind] - 1), f"step {number}")
    # Adam moves no entry much further than the sum of the learning rates.
    reach = sum(step["learning_rate"] for step in golden["steps"])
    for name, ours in golden["weights"].items():
        theirs = weights[name]
        # In units of what training changed: a sum of n entries goes at most sqrt(n) times as far as their norm.
        change = ours["update_norm"]
        note("update_norm", abs(theirs["update_norm"] / change - 1), name)
        note("norm", abs(theirs["norm"] - ours["norm"]) / change, name)
        note("sum", abs(theirs["sum"] - ours["sum"]) / change / math.sqrt(ours["count"]), name)
        room = reach * golden["head_ratio"] if name == "score.weight" else reach
        for (place, value), (_, other) in zip(ours["entries"], theirs["entries"], strict=True):
            note("entry", abs(value - other) / room, f"{name}[{place}]")
    return worst


def read_goldens():
    return json.loads((GOLDENS / "trajectories.json").read_text())


def beyond(worst):
    return [kind for kind, (value, _) in worst.items() if not value <= TOLERANCES[kind]]


def check(rdo):
    failed = False
    for name, golden in read_goldens()["methods"].items():
        entries = {n: [place for place, _ in w["entries"]] for n, w in golden["weights"].items()}
        steps, weights, trace = run(rdo, name, golden["settings"], entries)
        worst = deviations(golden, steps, weights)
        print(f"{name:11}", "  ".join(f"{kind} {value:.1e} ({at})" for kind, (value, at) in worst.items()))
        if golden.get("draws", drawn(trace)) != drawn(trace):
            print(f"{name}: the seed draws something else now; write the goldens again")
            failed = True
        failed = failed or bool(beyond(worst))
    raise SystemExit(failed)


def write(rdo):
    write_inputs()
    check_forward()
    methods = {}
    for name, (_, settings) in METHODS.items():
        golden = {"settings": overrides(name)}
        draws = None
        if name.split("+")[0] in ("difference", "kto"):
            draws = golden["draws"] = drawn(run(rdo, name, golden["settings"])[2])
        steps, before, after = trajectory(name, draws)
        golden["steps"], golden["weights"] = steps, summary(before, after)
        golden["head_ratio"] = settings.get("head_learning_rate", 0) / settings["learning_rate"]
        clipped = sum(s["grad_norm"] > settings["max_grad_norm"] > 0 for s in steps)
        print(f"{name}: loss {steps[0]['loss']:.4f} to {steps[-1]['loss']:.4f}, {clipped} steps clipped")
        methods[name] = golden
    versions = {"torch": torch.__version__, "python": platform.python_version(), "precision": "float64"}
    text = json.dumps({"versions": versions, "tolerances": TOLERANCES, "methods": methods}, separators=(",", ":"))
    (GOLDENS / "trajectories.json").write_text(text.replace('{"settings"', '\n{"settings"') + "\n")


def check_forward():
    """The model here against log-probabilities that transformers computed."""
    model = Model(MODEL)
    items = [i for i in json.load(open(MODEL / "logits_ref.json"))["items"] if i.get("chosen")]
    stored = load_file(MODEL / "logits_ref.safetensors")
    worst = 0.0
    for item in items:
        for kind in "chosen", "rejected":
            query, response = model.bos + model.ids(item["prompt"]), model.ids(item[kind]) + model.eos
            with torch.no_grad():
                ours = model.token_logprobs(query, response).numpy()
            worst = max(worst, np.abs(ours - stored[f"pair{item['pair']}.{kind}.response_logps"]).max())
    print(f"{len(items)} pairs, token log-probabilities within {worst:.1e} of transformers in single precision")
    if not worst < 1e-4:
        raise SystemExit("the model here is not that of transformers")


# Each in a method where it matters.
MISTAKES = [
    ("sft", {"warmup": "reached at"}), ("sft", {"warmup": "none"}), ("sft", {"last_step": "at floor"}),
    ("sft", {"has_floor": False}), ("sft", {"clips": False}), ("sft", {"norm_counts_tied": 2}),
    ("sft", {"decays": "all"}), ("sft", {"decays": "none"}), ("sft", {"decays": "in gradient"}),
    ("sft", {"epsilon": "inside"}), ("dpo+rc", {"epsilon": "inside"}), ("sft", {"correction": "late"}),
    ("difference", {"correction": "none"}), ("reward", {"head_rate": "body"}), ("difference", {"head_rate": "body"}),
    ("rrhf", {"decays": "all"}), ("sft", {"counts_eos": False}), ("rrhf", {"length_normalised": False}),
    ("dpo+rc", {"alpha_scale": 2.0}), ("dpo+rc", {"disagreement": "zero"}), ("dpo+rc", {"divides_by": "examples"}),
    ("rrhf+rc", {"disagreement": "absolute"}), ("kto+rc", {"disagreement": "absolute"}),
    ("kto+rc", {"divides_by": "examples"}), ("kto+rc", {"baseline": "free"}), ("kto", {"baseline": "zero"})]


def mistakes():
    goldens = read_goldens()["methods"]

    def deviation(name, rules):
        golden = goldens[name]
        steps, before, after = trajectory(name, golden.get("draws"), rules)
        entries = {n: [place for place, _ in w["entries"]] for n, w in golden["weights"].items()}
        return deviations(golden, steps, summary(before, after, entries))

    failed = False
    for name in "sft", "reward":
        worst = deviation(name, Rules(by_hand=True))
        print(f"{name}, no mistake: off by {max(value for value, _ in worst.values()):.0e}", flush=True)
        failed = failed or bool(beyond(worst))
    for name, mistake in MISTAKES:
        worst = deviation(name, Rules(by_hand=True, **mistake))
        seen = {kind: worst[kind][0] / TOLERANCES[kind] for kind in beyond(worst)}
        print(f"{name}, {mistake}:", ", ".join(f"{k} {v:.0f}x" for k, v in seen.items()) or "not seen", flush=True)
        failed = failed or not seen
    raise SystemExit(failed)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", metavar="RDO")
    action.add_argument("--check", metavar="RDO")
    action.add_argument("--mistakes", action="store_true")
    options = parser.parse_args()
    if not MODEL.is_dir():
        raise SystemExit(f"no model at {MODEL}: RDO_ASSETS names the directory of the assets")
    if options.mistakes:
        mistakes()
    elif options.check:
        check(options.check)
    else:
        write(options.write)


if __name__ == "__main__":
    main()
