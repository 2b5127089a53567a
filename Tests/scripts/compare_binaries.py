#!/usr/bin/env python3
"""Runs the same set of runs with two rdo binaries and compares every result bit by bit.

    Tests/scripts/compare_binaries.py BASE NEW [--quick] [--assets DIR] [--work DIR] [--only TEXT]
                                      [--new-set KEY=VALUE ...] [--allow-plan] [--strict]

For a change that is not meant to change numbers: build the program before it (BASE) and after it (NEW). The set has
every training method on 1 and 4 ranks, with all weights and with LoRA, whole and stopped and continued (on another
number of ranks, by the number of steps and by SIGUSR1), meshes, recomputation, both scorers, references, a search,
tokenizing, log-probabilities of every data format, export, inspection, planning, exit codes, and checkpoints of BASE
that NEW continues. Data and models are made on the spot; what several runs need (models, scorers, coefficients,
references) is made once by BASE, so that one difference does not make all later runs differ.

Compared are safetensors and their JSON files, the arrays and state of checkpoints, the tables and digests of
coefficient, reference and log-probability files and ledgers, metrics.jsonl and evaluation.jsonl, --trace lines, data
reports, printed JSON and exit codes. Left out is what measures the machine or the moment: times, rates, memory, dates,
versions. Things that NEW has and BASE has not (a new metric, a new key) are named at the end; --strict counts them as
differences. Predictions of `rdo plan` may change by design: --allow-plan reports them and passes.

--only runs the cases whose name contains TEXT. --new-set gives the runs of NEW one more setting: a seed shows that
differences are found, `parallel.gather=block` that a setting changes no bit. --assets names a directory with
models/stories260K, models/*tokenizer* and data/hh_mixed_100 (default: RDO_ASSETS); without it those cases are left out,
visibly. --work keeps the files there. Exit code 1 at any difference. Needs mpirun, numpy and h5py.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import numpy as np

from result_files import Comparison, Difference

ENVIRONMENT = dict(
    os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_mpi_yield_when_idle="1")
MPIRUN = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n"]
SHARED = "../../shared/"
TIED = {
    "hidden_size": 32, "intermediate_size": 48, "layers": 2, "heads": 4, "key_value_heads": 2, "max_positions": 256}
UNTIED = dict(TIED, hidden_size=24, intermediate_size=40, key_value_heads=4, tie_embeddings=False)
VARIANTS = ["dpo", "ipo", "ipo_mean", "hinge", "simpo", "robust", "orpo", "apo_zero", "apo_down"]
SECTIONS = ["sft", "reward", "difference", "dpo", "rrhf", "kto"]


# Data and configurations


def write_data(directory):
    """Rows of every format: long ones that are cut, one that is bad, Unicode, equal scores."""
    words = "slate amber cobalt ivory russet teal ochre umber".split()
    directory.mkdir(parents=True)

    def put(name, rows):
        (directory / name).write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")

    def pair(i):
        wanted, other = words[i * 5 % 8], words[(i * 5 + 1 + i % 7) % 8]
        length = 30 if i % 11 == 5 else i % 4
        return {
            "prompt": f"Name the colour {wanted} ({i})" + (" ¿señal? 色" if i % 6 == 1 else ""),
            "chosen": " " + "quite " * length + wanted, "rejected": " " + other + " or so" * (i % 3),
            "weight": 0.25 + (i % 5) * 0.5}

    def scored(i):
        responses = [" " + f"{words[(i + k) % 8]} " * (k + 1) + str(i) for k in range(2 + i % 3)]
        return {
            "query": f"Which colour is number {i}?", "responses": responses,
            "scores": [1.0 if i % 5 == 4 else float((k * 7 + i) % 5) for k in range(len(responses))]}

    def single(i):
        good = i % 3 != 0
        return {
            "prompt": f"Paint it {words[i % 8]} ({max(i, 2)})", "completion": f" {words[i % 8] if good else 'no'} {i}",
            "label": good}

    def said(role, content):
        return {"role": role, "content": content}

    put("pairs.jsonl", [pair(i) for i in range(7)] + [{"prompt": "bad"}] + [pair(i) for i in range(7, 26)])
    put("held-out.jsonl", [pair(i) for i in range(40, 47)])
    put("lists.jsonl", map(scored, range(22)))
    put("held-out-lists.jsonl", map(scored, range(30, 36)))
    put("single.jsonl", map(single, range(21)))
    put("hh.jsonl", [
        {k: f"\n\nHuman: {pair(i)['prompt']}\n\nAssistant: yes\n\nHuman: again\n\nAssistant:{pair(i)[k]}"
         for k in ("chosen", "rejected")} for i in range(6)])
    put("tldr.jsonl", [
        {"info": {"subreddit": "paint", "title": f"Title {i}", "post": "It dried. " * (i + 1)},
         "summaries": [{"text": f"Dry {i}."}, {"text": "Wet."}], "choice": i % 2} for i in range(6)])
    put("messages.jsonl", [
        {k: [said("system", "Be short."), said("user", pair(i)["prompt"]), said("assistant", pair(i)[k])]
         for k in ("chosen", "rejected")} for i in range(6)])
    lines = ["", " two  spaces", "don't stop: 12345 x²", "naïve 色 🙂 end", "tab\there", "new\nline"]
    (directory / "lines.txt").write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


def configuration(model, /, **changes):
    """The configuration of a case; `changes` are dotted keys with two underscores for each dot."""
    train = {
        "steps": 4, "batch_size": 8, "micro_batches": 4, "learning_rate": 1e-3, "weight_decay": 0.01,
        "checkpoint_every": 2, "evaluate_every": 2}
    result = {
        "output": "out", "seed": 7, "model": {"path": SHARED + model},
        "data": {
            "train": SHARED + "data/pairs.jsonl", "test": SHARED + "data/held-out.jsonl", "max_tokens": 128,
            "over_long": "truncate", "on_error": "skip"},
        "score": {"chunk": 5}, "reference": {"chunk": 7, "file": SHARED + f"references/{model}.h5"},
        **{name: dict(train) for name in SECTIONS}}
    for name in ("dpo", "rrhf", "kto"):
        result[name].update(ledger=True, coefficients={"file": SHARED + "coefficients/pairs.h5"})
    for key, value in changes.items():
        section, names = result, key.split("__")
        for name in names[:-1]:
            section = section.setdefault(name, {})
        section[names[-1]] = value
    return result


LISTS = dict(
    data__train=SHARED + "data/lists.jsonl", data__test=SHARED + "data/held-out-lists.jsonl",
    rrhf__coefficients__file=SHARED + "coefficients/lists.h5", reference__file=SHARED + "references/lists.h5")
SINGLE = dict(
    data__train=SHARED + "data/single.jsonl", data__test=SHARED + "data/single.jsonl", kto__coefficients={"use": False})


# Cases: a name, a configuration, and launches (arguments after rdo, ranks, and how the launch goes)


class Launch:
    """One start of the program: `stop` sends SIGUSR1 after three steps or chunks, `base` is always run with BASE."""

    def __init__(self, arguments, ranks=0, stop=None, base=False, stdin=None, status=0):
        self.arguments, self.ranks, self.stop, self.base = arguments, ranks, stop, base
        self.stdin, self.status = stdin, 75 if stop else status


def methods():
    """Every training method: name, pass, model, changes."""
    yield "sft", "sft", "tied", {}
    yield "sft all responses", "sft", "untied", {"sft__responses": "all"}
    yield "reward", "reward", "untied", {}
    yield "difference", "difference", "tied", {}
    yield "difference of lists", "difference", "untied", dict(LISTS, data__pairs_per_list=2)
    for index, variant in enumerate(VARIANTS):
        smoothed = {"dpo__label_smoothing": 0.1} if variant == "robust" else {}
        yield f"dpo {variant}", "dpo", "tied" if index % 2 == 0 else "untied", dict(smoothed, dpo__variant=variant)
    plain = {"rrhf__coefficients": {"use": False}}
    yield "rrhf", "rrhf", "tied", dict(LISTS, **plain)
    yield "rrhf padded", "rrhf", "untied", dict(LISTS, rrhf__length="padded", rrhf__ranking_weight=100, **plain)
    yield "rrhf+rc by difference", "rrhf", "tied", dict(LISTS, rrhf__ranking="difference")
    yield "kto", "kto", "tied", {}
    yield "kto micro rotated", "kto", "untied", {
        "kto__kl_scope": "micro", "kto__kl_pairing": "rotated", "data__shuffle": False}
    yield "kto unpaired", "kto", "tied", SINGLE


def training(name, pass_, model, changes, stretches, extra=(), quick=False):
    """A training case; each stretch is (ranks, steps or None, "USR1" or None)."""
    passes = ["reference", pass_] if pass_ in ("dpo", "kto") else [pass_]
    # KTO adds to the reference file what its baseline needs, so it has one of its own.
    own = {"reference__file": "out/reference.h5"} if pass_ == "kto" else {}
    config = configuration(model, passes=passes, **changes, **own)
    launches = [
        Launch(
            ["run", "config.json", "--trace", "trace.jsonl", *extra, *([] if not steps else ["--set", steps])], ranks,
            stop=f"out/{pass_}/metrics.jsonl" if stop else None) for ranks, steps, stop in stretches]
    return (name, config, launches, quick)


def cases():
    everything = list(methods())
    for name, pass_, model, changes in everything:
        for ranks in (1, 4):
            yield training(f"{name}, {ranks} rank(s)", pass_, model, changes, [(ranks, None, None)], quick=True)
    for index, (name, pass_, model, changes) in enumerate(everything):
        targets = ["q_proj", "v_proj", "down_proj"] if index % 2 else ["k_proj", "o_proj"]
        adapters = dict(changes, **{f"{pass_}__lora": {"rank": 3, "alpha": 6, "targets": targets}})
        for ranks in (1, 4):
            yield training(f"{name}, LoRA, {ranks} rank(s)", pass_, model, adapters, [(ranks, None, None)])
    chosen = [m for m in everything if m[0] in (
        "sft", "reward", "difference", "dpo dpo", "dpo simpo", "rrhf", "rrhf+rc by difference", "kto", "kto unpaired")]
    for index, (name, pass_, model, changes) in enumerate(chosen):
        constant = {f"{pass_}__schedule": "constant", f"{pass_}__warmup_steps": 1}
        adapters = {f"{pass_}__lora": {"rank": 4}}
        for what, more in (("", constant), (", LoRA", dict(constant, **adapters))):
            first, second = ((1, 4), (4, 2))[index % 2]
            yield training(
                f"{name}{what}, continued after 2 steps, {first} then {second} ranks", pass_, model,
                dict(changes, **more), [(first, f"{pass_}.steps=2", None), (second, None, None)])
    for name, pass_, model, changes in chosen[1:5] + chosen[7:]:
        long = {f"{pass_}__steps": 60, f"{pass_}__checkpoint_every": 0, f"{pass_}__keep_checkpoints": 1,
                f"{pass_}__evaluate_every": 0}
        first, second = (4, 1) if pass_ in ("dpo", "reward") else (2, 4)
        yield training(
            f"{name}, SIGUSR1 on {first}, continued on {second} rank(s)", pass_, model, dict(changes, **long),
            [(first, None, "USR1"), (second, None, None)], quick=pass_ == "kto")
    mesh = {"parallel__shards": 2, "parallel__gather": "block"}
    for name, pass_, model, changes in [m for m in chosen if m[0] in ("difference", "dpo dpo", "rrhf", "kto")]:
        for what, more in (
            ("gather block", mesh), ("gather and recompute block", dict(mesh, parallel__recompute="block")),
            ("no shared memory", {"parallel__shards": 4, "parallel__shared_memory": False}),
            ("LoRA, gather and recompute block",
             dict(mesh, parallel__recompute="block", **{f"{pass_}__lora": {"rank": 4}})),
        ):
            yield training(
                f"{name}, mesh of 4, {what}", pass_, model, dict(changes, **more), [(4, None, None)],
                quick=what == "gather block")
    weighing = {
        "flip and weights": {"disagreement": "flip", "denominator": "weights"}, "one order": {"symmetric": False},
        "absolute, power 1": {"disagreement": "absolute", "alpha": 1}, "power 0": {"alpha": 0},
        "rows' weights": {"column": "multiply", "disagreement": "keep"}}
    for name, values in weighing.items():
        values = dict(values, file=SHARED + "coefficients/pairs.h5")
        yield training(f"dpo, {name}", "dpo", "tied", {"dpo__coefficients": values}, [(2, None, None)])
    optimizer = {
        "dpo__micro_batch_tokens": 96, "dpo__max_grad_norm": 0.05, "dpo__schedule": "cosine", "dpo__export": "bf16",
        "dpo__beta1": 0.8, "dpo__minimum_learning_rate_ratio": 0.1, "dpo__epochs": 1.5, "dpo__steps": None}
    yield training("dpo, small leaves, clipping, cosine, bf16", "dpo", "untied", optimizer, [(4, None, None)])
    yield training("difference, head from a file", "difference", "tied", {
        "difference__head": SHARED + "head.safetensors"}, [(1, None, None)])
    yield from passes()
    yield from commands()


def passes():
    """Forward passes, the whole pipeline and the search."""
    for ranks in (1, 4):
        for scorer, model in (("difference", "scorers/difference"), ("reward", "scorers/reward")):
            for data, more in (("pairs", {}), ("lists", LISTS)):
                config = configuration("tied", score__scorer=scorer, score__model=SHARED + model, score__data="both",
                                       **more)
                launch = Launch(["score", "config.json"], ranks)
                yield f"score {data} by {scorer}, {ranks} rank(s)", config, [launch], data == "pairs"
        config = configuration("untied", passes=["reference"], reference__file="out/reference.h5")
        yield f"reference, {ranks} rank(s)", config, [Launch(["reference", "config.json"], ranks)], True
    halves = {"parallel__frozen_weights": "bf16", "parallel__gather": "block"}
    config = configuration("half", score__model=SHARED + "scorers/difference-half", **halves)
    yield "score, bf16 weights", config, [Launch(["score", "config.json"], 4)], False
    config = configuration("half", reference__file="out/reference.h5", **halves)
    yield "reference, bf16 weights", config, [Launch(["reference", "config.json"], 2)], False
    config = configuration(
        "tied", passes=["sft", "reward", "difference", "score", "reference", "dpo", "kto"], score__data="both",
        reference__file="out/reference.h5", model={"init": UNTIED}, dpo__coefficients={}, kto__coefficients={})
    for ranks in (1, 4):
        yield f"whole pipeline, {ranks} rank(s)", config, [Launch(["run", "config.json"], ranks)], True
    stages = [Launch(["run", "config.json", "--set", "passes=[sft, difference, score]"], 4),
              Launch(["run", "config.json"], 2)]
    yield "whole pipeline in two goes", config, stages, False
    config = configuration("tied")
    search = ["grid", "difference", "config.json", "--vary", "difference.lambda_reverse=0,1", "--set",
              "difference.steps=2"]
    yield "grid", config, [Launch(search, 2)], False
    for pass_, model in (("difference", "tied"), ("dpo", "untied"), ("kto", "tied")):
        constant = {f"{pass_}__schedule": "constant", f"{pass_}__warmup_steps": 0}
        config = configuration(model, passes=["reference", pass_], reference__file="out/reference.h5", **constant)
        launches = [Launch(["run", "config.json", "--set", f"{pass_}.steps=2"], 2, base=True),
                    Launch(["run", "config.json"], 4)]
        yield f"{pass_}, begun by BASE", config, launches, True


def commands():
    """What prints or writes without training."""
    config = configuration("tied")
    data = SHARED + "data/"
    formats = [
        ("pairs", "plain"), ("pairs", "alpaca"), ("hh", "hh"), ("tldr", "tldr"), ("messages", "chatml"),
        ("lists", "plain"), ("single", "hh")]
    for name, template in formats:
        command = ["logprobs", "--model", SHARED + "untied", "--data", f"{data}{name}.jsonl", "--out", "out.h5"]
        for key in (f"template={template}", "max_tokens=128", "over_long=truncate", "on_error=skip"):
            command += ["--set", "data." + key]
        yield f"logprobs of {name}, template {template}", config, [Launch(command, 2 if name == "pairs" else 0)], False
    tokenize = [Launch(["tokenize", "--model", SHARED + "tied", "--json"], stdin="lines.txt")]
    yield "tokenize", config, tokenize, True
    for name, more in (("full", []), ("bf16", ["--bf16"])):
        command = ["export", SHARED + "run/dpo/checkpoints", "--out", "exported", *more]
        yield f"export {name}", config, [Launch(command)], True
    for name, more in (("merged", []), ("adapter", ["--adapter"])):
        command = ["export", SHARED + "adapters/dpo/checkpoints", "--out", "exported", *more]
        yield f"export {name}", config, [Launch(command)], True
    files = [
        ("coefficients", ["coefficients/pairs.h5", "--pairs", "5"]), ("reference", ["references/tied.h5"]),
        ("ledger", ["run/dpo/ledger.h5", "--pairs", "3"]), ("checkpoint", ["run/dpo/checkpoints/step-00000004"])]
    for name, (path, *more) in files:
        yield f"inspect {name}", config, [Launch(["inspect", SHARED + path, "--json", *more])], True
    everything = ("coefficients/pairs.h5", "references/tied.h5", "run/dpo/checkpoints/step-00000004")
    yield "verify", config, [Launch(["verify", *(SHARED + path for path in everything)])], False
    for ranks, more in ((1, []), (4, ["--nodes", "2", "--network", "2,12"]), (2, ["--tokens", "40,20"])):
        command = ["plan", "config.json", "--ranks", str(ranks), "--machine", SHARED + "machine.json", "--json", *more]
        planned = configuration("tied", passes=["difference", "dpo", "kto"])
        yield f"plan, {ranks} rank(s)", planned, [Launch(command)], False
    wrong = [
        ("unknown key", ["run", "config.json", "--set", "dpo.betta=1"], 2),
        ("bad row", ["run", "config.json", "--set", "passes=[sft]", "--set", "data.on_error=fail"], 3),
        ("coefficients of other pairs", ["train", "dpo", "config.json", "--set",
                                         f"dpo.coefficients.file={SHARED}coefficients/lists.h5"], 4)]
    for name, command, status in wrong:
        yield f"refused: {name}", config, [Launch(command, 2, status=status)], False


def asset_cases(assets):
    """A real small model and real pairs; real tokenizers."""
    stories, pairs = assets / "models/stories260K", assets / "data/hh_mixed_100/pairs.jsonl"
    if (stories / "model.safetensors").exists() and pairs.exists():
        for pass_ in ("difference", "dpo"):
            for ranks in (1, 4):
                config = configuration(
                    "tied", passes=["reference", pass_] if pass_ == "dpo" else [pass_], model={"path": str(stories)},
                    data={"train": str(pairs), "template": "hh", "max_tokens": 96, "over_long": "truncate",
                          "on_error": "skip", "limit": 30},
                    reference={}, dpo__coefficients={"use": False})
                launch = Launch(["run", "config.json", "--trace", "trace.jsonl"], ranks)
                yield f"stories260K {pass_}, {ranks} rank(s)", config, [launch], True
    for path in sorted(assets.glob("models/*/tokenizer*")):
        if path.name in ("tokenizer.json", "tokenizer.model"):
            launch = Launch(["tokenize", "--model", str(path), "--json"], stdin="lines.txt")
            yield f"tokenize, {path.parent.name}/{path.name}", configuration("tied"), [launch], False


# Running


def start(binary, launch, directory, extra):
    command = [binary] + launch.arguments
    if launch.arguments[0] in ("run", "train", "score", "reference", "grid"):
        command += [part for key in extra for part in ("--set", key)]
    if launch.ranks:
        command = MPIRUN + [str(launch.ranks)] + command
    source = open(directory.parent.parent / "shared/data" / launch.stdin) if launch.stdin else subprocess.DEVNULL
    # Open MPI's own directories are removed by the run that ends last: runs side by side need their own.
    with (tempfile.TemporaryDirectory(prefix="rdo-mpi-") as scratch, open(directory / "stdout.txt", "ab") as out,
          open(directory / "stderr.txt", "ab") as log):
        environment = dict(ENVIRONMENT, OMPI_MCA_orte_tmpdir_base=scratch)
        process = subprocess.Popen(command, cwd=directory, env=environment, stdin=source, stdout=out, stderr=log)
        if launch.stop:
            watched = directory / launch.stop
            while process.poll() is None and not (watched.exists() and watched.read_bytes().count(b"\n") >= 3):
                time.sleep(0.002)
            if process.poll() is None:
                process.send_signal(signal.SIGUSR1)
        try:
            return process.wait(timeout=120)
        except subprocess.TimeoutExpired:
            process.kill()
            return "no end within 120 s"


def run_case(binary, base, directory, config, launches, extra):
    """Runs a case; says what went wrong, or nothing."""
    for attempt in range(3):
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        (directory / "config.json").write_text(json.dumps(config))
        missed = False
        for launch in launches:
            status = start(base if launch.base else binary, launch, directory, [] if launch.base else extra)
            # A run may end before the signal arrives; then it is begun anew.
            missed = missed or (launch.stop is not None and status == 0)
            if status != launch.status and not missed:
                lines = (directory / "stderr.txt").read_text(errors="replace").strip().splitlines() or [""]
                errors = [line for line in lines if "error" in line] or lines
                return f"`{' '.join(launch.arguments)}` ends with {status}, not {launch.status}: {errors[-1]}"
        if not missed:
            return None
    return "the run ended before SIGUSR1 three times"


def prepare(base, work):
    """Makes what the cases share, with BASE."""
    shared = work / "shared"
    write_data(shared / "data")
    for name in ("coefficients", "references", "scorers"):
        (shared / name).mkdir()
    place = work / "prepare"

    def run(name, config, *launches):
        error = run_case(base, base, place / name, config, launches, [])
        if error:
            raise SystemExit(f"{base} cannot prepare {name}: {error}")
        return place / name / "out"

    for name, shape in (("tied", TIED), ("untied", UNTIED)):
        config = configuration("tied", passes=["sft"], model={"init": shape}, sft__learning_rate=3e-3)
        export = ["export", "out/sft/checkpoints", "--out", "out/half", "--bf16"]
        made = run(name, config, Launch(["run", "config.json"]), Launch(export))
        shutil.copytree(made / "sft/model", shared / name)
    shutil.copytree(place / "tied/out/half", shared / "half")
    for name, pass_, more in (("difference", "difference", {}), ("reward", "reward", {}),
                              ("difference-half", "difference", {"difference__export": "bf16"})):
        model = run(name, configuration("tied", **{f"{pass_}__steps": 12}, **more),
                    Launch(["train", pass_, "config.json"])) / pass_ / "model"
        shutil.copytree(model, shared / "scorers" / name)
    for name, more in (("pairs", {}), ("lists", LISTS)):
        config = configuration("tied", score__model=SHARED + "scorers/difference", score__data="both", **more)
        run("coefficients-" + name, config, Launch(["score", "config.json"]))
        for suffix in ("", "-test"):
            target = shared / "coefficients" / f"{name}{suffix}.h5"
            shutil.copy(place / f"coefficients-{name}/out/coefficients{suffix}.h5", target)
    for model in ("tied", "untied"):
        run("reference-" + model, configuration(model), Launch(["reference", "config.json"]))
    for name, more in (("run", {}), ("adapters", {"dpo__lora": {"rank": 4}})):
        config = configuration("tied", passes=["reference", "dpo"], **more)
        shutil.copytree(run(name, config, Launch(["run", "config.json"])), shared / name)
    # A head of another scale than the initial one, written by hand: header length, header, 32 numbers.
    header = json.dumps({"score.weight": {"dtype": "F32", "shape": [1, 32], "data_offsets": [0, 128]}}).encode()
    numbers = (np.arange(32, dtype="<f4") % 5 - 2) / 8
    (shared / "head.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + numbers.tobytes())
    rates = {"forward": 5e10, "training": 6e10}
    widths = [dict(rates, size=64), dict(rates, size=1024)]
    profile = {
        "attention": [dict(rates, size=16), dict(rates, size=64)], "blocks": widths, "head": widths,
        "baseBytes": 43000000,
        "gemmPeak": 1e11, "optimizerRate": 1.8e9, "reduceBandwidth": 5e9, "reduceLatency": 1e-5,
        "software": "by hand", "streamBandwidth": 2.8e10}
    profiles = [dict(profile, ranksPerNode=ranks) for ranks in (1, 2, 4)]
    (shared / "machine.json").write_text(json.dumps({"schema": "rdo.machine/1", "profiles": profiles}))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base")
    parser.add_argument("new")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--assets", default=os.environ.get("RDO_ASSETS"))
    parser.add_argument("--work")
    parser.add_argument("--only", default="")
    parser.add_argument("--jobs", type=int, default=4, help="runs at the same time (default: %(default)s)")
    parser.add_argument("--new-set", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--allow-plan", action="store_true")
    parser.add_argument("--strict", action="store_true")
    options = parser.parse_args()
    base, new = (str(pathlib.Path(path).resolve()) for path in (options.base, options.new))
    work = pathlib.Path(options.work or tempfile.mkdtemp(prefix="rdo-compare-")).resolve()
    for name in ("shared", "prepare", "base", "new"):
        shutil.rmtree(work / name, ignore_errors=True)
    began = time.monotonic()
    prepare(base, work)
    chosen = list(cases())
    if options.assets:
        chosen += asset_cases(pathlib.Path(options.assets).resolve())
    else:
        print("left out: stories260K and real tokenizers (no --assets, no RDO_ASSETS)")
    chosen = [case for case in chosen if options.only in case[0] and (case[3] or not options.quick)]
    different, tolerated, compared, added = 0, 0, 0, set()
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        started = []
        for number, (_, config, launches, _) in enumerate(chosen):
            places = [work / side / f"{number:03}" for side in ("base", "new")]
            started.append((places, [
                pool.submit(run_case, binary, base, place, config, launches, extra)
                for binary, place, extra in ((base, places[0], []), (new, places[1], options.new_set))]))
        for number, ((name, _, launches, _), (places, runs)) in enumerate(zip(chosen, started)):
            failures = [run.result() for run in runs]
            try:
                if failures[0]:
                    raise Difference(f"BASE: {failures[0]}")
                if failures[1]:
                    raise Difference(f"NEW: {failures[1]}")
                comparison = Comparison(
                    # Where a signal finds the run is chance, and with it on how many ranks a step was computed.
                    ignored={"rank_imbalance"} if any(launch.stop for launch in launches) else (),
                    # A plan counts the memory of the planning process itself.
                    rough={"process", "rank_bytes", "node_bytes"} if name.startswith("plan") else ())
                files = comparison.directories(*places)
                compared, added = compared + files, added | comparison.added
                print(f"same       {name} ({files} files)", flush=True)
            except Difference as difference:
                allowed = options.allow_plan and name.startswith("plan")
                different, tolerated = different + (not allowed), tolerated + allowed
                print(f"{'differs   ' if allowed else 'DIFFERENT '} {name} [{number:03}]: {difference}", flush=True)
    for name in sorted(added):
        print(f"only in NEW: {name}")
    if options.strict:
        different += len(added)
    print(f"{len(chosen)} runs, {compared} files compared, {different} differences"
          + (f", {tolerated} predictions differ" if tolerated else "") + f", {time.monotonic() - began:.0f} s")
    if not options.work and not different:
        shutil.rmtree(work)
    elif different:
        print(f"files: {work}")
    return 1 if different or not chosen else 0


if __name__ == "__main__":
    sys.exit(main())
