"""What rdo wrote earlier: HDF5 files, checkpoints, prepared data, responses, what a run remembers."""

import json
import os

from .. import hdf5, xxh3
from ..case import ARTEFACT, DATA, NUMERICAL, USAGE

C = "run/coefficients.h5"
STEP = "run/dpo/checkpoints/step-00000002"
AGAIN = ["config.yaml", "train.jsonl", "test.jsonl", "run"]


def change_hdf5(case, name):
    if case.random.random() < 0.04:
        return case.change_file(name)
    what, new = hdf5.mutate(case.random, case.base.content(name), case.base.layout(name))
    case.put(name, new)
    case.describe(name, what)


def coefficients(case):
    """coefficients.h5, read by every command that reads one."""
    case.inputs(C, "imported.h5", "run/coefficients-test.h5")
    case.expect({ARTEFACT}, "coefficients.h5", "imported.h5", "coefficients-test.h5")
    arguments, prints = case.random.choice([
        (["inspect", C, "--json", "--pairs", "3"], "json"), (["inspect", C, "--pairs", "2", "--full"], None),
        (["verify", C], None), (["diff", C, "imported.h5", "--json"], "json"), (["export-pairs", C], "lines"),
        (["export-lists", C], "lines"), (["merge", C, "imported.h5", "--out", "out/merged.h5"], None),
        (["calibrate", C, "--on", "run/coefficients-test.h5", "--out", "out/calibrated.h5"], None),
        (["inspect", C, "--where", "r > 0", "--sort", "r desc", "--limit", "3"], None)])
    if case.random.random() < 0.15:
        case.inputs(*AGAIN)
        arguments, prints = ["train", "dpo", "config.yaml", "--set", "dpo.steps=1"], None
        case.outputs = ["run"]
        case.expect({NUMERICAL}, "step", "pair")
    case.arguments, case.prints = arguments, prints
    change_hdf5(case, C)


def reference(case):
    """reference.h5."""
    case.inputs(*AGAIN)
    case.outputs = ["run"]
    case.expect({ARTEFACT, NUMERICAL}, "reference.h5", "step")
    case.arguments = case.random.choice([
        ["inspect", "run/reference.h5"], ["verify", "run/reference.h5"],
        ["train", "dpo", "config.yaml", "--set", "dpo.steps=1"], ["reference", "config.yaml"],
        ["run", "--dry-run", "config.yaml"]])
    change_hdf5(case, "run/reference.h5")


def ledger(case):
    """ledger.h5."""
    name = "run/dpo/ledger.h5"
    case.inputs(name, C)
    case.expect({ARTEFACT}, "ledger.h5")
    # The key that --pair asks for may be the changed one.
    case.expect({USAGE}, "ledger.h5")
    case.arguments, case.prints = case.random.choice([
        (["inspect", name, "--json", "--pairs", "3"], "json"), (["inspect", name, "--pair", "0"], None),
        (["verify", name], None), (["inspect", name, "--coefficients", C, "--pairs", "2"], None)])
    change_hdf5(case, name)


def digested(case, name):
    """States the digest of what is there now, so that it is read."""
    lines = case.content(STEP + "/digests").decode().splitlines()
    own = os.path.basename(name)
    case.put(STEP + "/digests", "".join(
        (xxh3.digest(case.content(name)) + line[32:] if line.endswith(own) else line) + "\n" for line in lines))
    case.what += ", its digest put right"


def checkpoint(case):
    """A checkpoint's directory."""
    case.inputs(*AGAIN)
    case.outputs = ["run", "out"]
    case.expect({ARTEFACT, NUMERICAL}, "step-0", "checkpoint")
    arguments, prints = case.random.choice([
        (["verify", STEP], None), (["inspect", STEP, "--json"], "json"), (["export", STEP, "--out", "out/model"], None),
        (["export", "run/dpo/checkpoints", "--out", "out/model", "--bf16"], None),
        (["train", "dpo", "config.yaml", "--set", "dpo.steps=3"], None)])
    case.arguments, case.prints = arguments, prints
    name = STEP + "/" + case.random.choice(["index.h5", "index.h5", "shard-00000-of-00001.h5",
                                            "shard-00000-of-00001.h5", "digests"])
    if name.endswith("h5"):
        change_hdf5(case, name)
        path = case.path(name)
        if case.random.random() < 0.7 and os.path.isfile(path) and 240 < os.path.getsize(path) < 1 << 20:
            digested(case, name)
    else:
        case.change(name)


def prepared(case):
    """Prepared data: the parts and their index."""
    case.inputs(*AGAIN)
    case.outputs = ["run"]
    # Numbers that changed unnoticed make other keys, which then are missing elsewhere.
    case.expect({ARTEFACT, DATA}, "run/data", ".jsonl", "reference.h5", "coefficients.h5", "run/sft/model: row")
    directories = sorted(each for each in os.listdir(case.path("run/data")) if each.startswith("train-responses"))
    directory = "run/data/" + case.random.choice(directories)
    case.arguments = case.random.choice([
        ["prepare", "config.yaml"], ["reference", "config.yaml", "--set", "reference.file=run/other.h5"],
        ["train", "dpo", "config.yaml", "--set", "dpo.steps=1"]])
    if case.random.random() < 0.5:
        case.change(directory + "/index.json", lambda name: case.change_json(name, clean=True))
    else:
        name = directory + "/" + next(each for each in sorted(os.listdir(case.path(directory))) if each.endswith(".h5"))
        if case.random.random() < 0.1:
            return case.change_file(name)
        # Passes read rows at places that the index names, without the library.
        data = bytearray(case.content(name))
        for _ in range(case.random.choice([1, 1, 4])):
            place = case.random.randrange(len(data) // 2, len(data))
            data[place] = case.random.choice([0, 1, 2, 0x7F, 0x80, 0xFF])
        case.put(name, bytes(data))
        case.describe(name, "other numbers")
        if case.random.random() < 0.7:
            # Otherwise they are made again.
            index = json.loads(case.content(directory + "/index.json"))
            for part in index["parts"]:
                if part["file"] == os.path.basename(name):
                    part["digest"] = xxh3.digest(bytes(data))
            case.put(directory + "/index.json", json.dumps(index).encode())
            case.what += ", their digest put right"


def responses(case):
    """generated.jsonl, what is said about it, and its unfinished form."""
    case.inputs(*AGAIN)
    case.outputs = ["run", "out"]
    # A file that is not as `generate` left it belongs to somebody else: then the name is wrong.
    case.expect({DATA, ARTEFACT, USAGE}, "generated.jsonl")
    name = case.random.choice(["generated.jsonl", "generated.jsonl.info.json", "generated.jsonl.partial"])
    if name.endswith("partial"):
        os.rename(case.path("run/generated.jsonl"), case.path("run/" + name))
    case.arguments = case.random.choice([
        ["generate", "config.yaml"], ["run", "--dry-run", "config.yaml"],
        ["evaluate", "config.yaml", "--set", "evaluate.policies.a=run/generated.jsonl", "evaluate.policies.b=chosen",
         "evaluate.scorers.r=run/reward/model", "evaluate.bootstrap=10"]])
    case.change("run/" + name, case.change_json if name.endswith("json") else None)


def memory(case):
    """.rdo/, logs and figures: none of it may end a command badly."""
    case.inputs(*AGAIN, "chart.min.js")
    case.outputs = ["run", "out"]
    folder = "run/.rdo/"
    names = [folder + each for each in sorted(os.listdir(case.path(folder)))] + [
        "run/dpo/metrics.jsonl", "run/dpo/evaluation.jsonl", "run/rdo.log", "run/dpo/model/rdo.json",
        "run/data-report-train.jsonl.json", "run/.lock"]
    name = case.random.choice([each for each in names if os.path.exists(case.path(each))])
    case.expect({ARTEFACT, USAGE, DATA}, os.path.basename(name), "run/.rdo", "run/dpo")
    case.arguments = case.random.choice([
        ["status", "run"], ["run", "--dry-run", "config.yaml"],
        ["report", "run", "--out", "out/report.html", "--chart-library", "chart.min.js"], ["run", "config.yaml"]])
    case.change(name, case.change_json if name.endswith(".json") else None)


def machine(case):
    """machine.json of `rdo bench`."""
    case.inputs("config.yaml", "machine.json", "train.jsonl", "test.jsonl")
    case.expect({ARTEFACT, USAGE}, "machine.json")
    case.arguments = ["plan", "config.yaml", "--ranks", "2", "--machine", "machine.json", "--tokens", "20,20", "--json"]
    case.prints = "json"
    case.change("machine.json", case.change_json)


KINDS = {
    "coefficients": coefficients, "reference": reference, "ledger": ledger, "checkpoint": checkpoint,
    "prepared data": prepared,
    "responses": responses, "memory": memory, "machine": machine}
