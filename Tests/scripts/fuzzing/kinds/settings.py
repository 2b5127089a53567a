"""Configurations: YAML files and --set."""

import json
import pathlib
import re

from .. import base, octets, values
from ..case import ARTEFACT, DATA, NUMERICAL, USAGE

PAGE = pathlib.Path(__file__).resolve().parents[4] / "docs/configuration.md"
# What only the structure of YAML can say.
YAML = ["&a [*a, *a]", "*nowhere", "!!python/object:os.system x", "!!binary aGk=", "!!int 7", "!<tag:x> 1",
        "? [a, b]\n  : c", "|\n  text",
        ">-\n  text", "<<: {a: 1}", "---\na: 1", "%YAML 9.9", "{", "[1, 2", "'open", "\"open", "\"\\x00\"",
        "\"\\e[31m\"", "\"\\uD800\"",
        "0x10", "0o17", "1_000", ".inf", "-.inf", ".nan", "~", "yes", "2024-01-01", "12:30:45", "1e3", "+1", "@x",
        "`x`", "\tx",
        "&a1 [x,x]", "- a", "a: b: c", "{a: 1, a: 2}", "{<<: *x}", "[[[[[[[[]]]]]]]]", "!!null", "!!str 5",
        "!!set {a, b}", "key: |"]


def settings():
    """Keys of the page that lists them, with what it says of their values."""
    found = []
    for line in PAGE.read_text().splitlines():
        match = re.match(r"\| `([a-z0-9_.NAME]+)` \| ([^|]*) \| ([^|]*) \|", line)
        if match:
            found.append((match[1].replace("NAME", "x"), match[2]))
    return found


def codes_of(key):
    """What may be wrong with another value of a setting: the value itself, or what it names."""
    codes = {USAGE}
    if key.startswith(("data", "evaluate", "generate.prompts")) or key.endswith(".data"):
        codes.add(DATA)
    paths = ("model", "file", "head", "start", "adapter", "lora", "coefficients")
    if "." not in key or key.endswith(paths) or key.startswith(
            ("model", "evaluate", "data.template", "score", "reference")):
        codes.add(ARTEFACT)
    return codes


def command(case, name, more=()):
    """A cheap command that reads a configuration."""
    case.inputs("train.jsonl", "test.jsonl", "machine.json")
    choice = case.random.choice(["run", "run", "prepare", "plan"])
    if choice == "run":
        return ["run", "--dry-run", name, *more]
    if choice == "prepare":
        return ["prepare", name, *more]
    return ["plan", name, "--ranks", "2", "--machine", "machine.json", "--tokens", "20,20", *more]


def file(case):
    """config.yaml."""
    random = case.random
    name = "config.yaml"
    case.inputs(name)
    case.outputs = None
    case.expect({USAGE}, name)
    case.arguments = command(case, name)
    draw = random.random()
    if draw < 0.05:
        case.change_file(name)
    elif draw < 0.3:
        case.change_bytes(name)
        case.expect({DATA, ARTEFACT}, ".jsonl", "tokenizer", "run", "model")
    elif draw < 0.45:
        lines = case.content(name).decode().split("\n")
        number = random.randrange(len(lines))
        new = random.choice(YAML)
        lines[number] = random.choice([
            lines[number].split(":")[0] + ": " + new, new, lines[number] + "\n" + lines[number], "\t" + lines[number],
            lines[number] + " " + new])
        case.put(name, "\n".join(lines))
        case.describe(name, f"line {number + 1}: YAML")
        case.expect({DATA, ARTEFACT}, ".jsonl", "tokenizer", "model")
    elif draw < 0.5:
        count = random.choice([9, 20])
        case.put(name, case.content(name).decode() + "x0: &x0 [a, a]\n" + "".join(
            f"x{i + 1}: &x{i + 1} [" + ", ".join([f"*x{i}"] * 9) + "]\n" for i in range(count)))
        case.describe(name, "aliases of aliases")
    else:
        what, names, new = values.mutate(random, values.load(json.dumps(base.CONFIGURATION)))
        # JSON is YAML; text beyond what JSON allows is something else again.
        case.put(name, values.dump(new))
        case.describe(name, what)
        key = ".".join(names)
        case.expect(codes_of(key), *names, "jsonl", "tokenizer", "model")
        if key.startswith("output") or not names:
            case.expect({DATA, ARTEFACT})


def value_text(random):
    draw = random.random()
    if draw < 0.3:
        return random.choice(YAML)
    new = values.hostile(random)
    return (new if isinstance(new, str) else values.text_of(new)).replace("\0", "\\0")[:60_000]


def overrides(case):
    """--set."""
    random = case.random
    name = "config.yaml"
    case.inputs(name)
    case.outputs = None
    key, sort = random.choice(settings())
    text = value_text(random)
    draw = random.random()
    if draw < 0.1:
        # As where a key is not one.
        key = octets.mutate(random, key.encode())[1].decode("utf-8", "replace").replace("\0", "")
    setting = f"{key}={text}" if draw < 0.95 else random.choice(
        [key, "=", "", f"={text}", f"{key}==", f"{key}:{text}", "a.b.c.d=1"])
    case.arguments = command(
        case, name, ["--set", setting.encode("utf-8", "surrogateescape").decode("utf-8", "replace")])
    case.expect(codes_of(key), *key.split(".")[:2], "--set", name, "jsonl")
    if key.startswith(("output", "model", "data")):
        case.expect({USAGE, DATA, ARTEFACT}, "tokenizer", "model", text[:20])
    case.what = f"--set {key}, {sort.strip()}"


NUMERIC = re.compile(r"number|integer")
# Settings whose greater values rightly take longer or more memory.
COSTLY = re.compile(
    r"steps|epochs|max_|hidden|intermediate|layers|heads|batch|bootstrap|threads|chunk|rank|beams|responses|timeout")


def trained(case):
    """Numbers that a pass computes with: extreme ones are refused, or end in code 5."""
    random = case.random
    case.inputs("config.yaml", "train.jsonl", "test.jsonl", "run")
    case.outputs = ["run"]
    name = random.choice(["dpo", "difference"])
    key, sort = random.choice([
        (key, sort) for key, sort in settings()
        if key.startswith((name + ".", "data.", "parallel.", "seed")) and NUMERIC.search(sort)
        and not COSTLY.search(key)])
    number = random.choice([0, -1, 1, 1e-300, 1e-45, 1e30, 1e300, -1e300, 2**31 - 1, 2**31, 2**63 - 1, 2**63, 0.5,
                            0.9999999, 1e-8, ".inf", ".nan", 1e5])
    case.arguments = ["train", name, "config.yaml", "--set", f"{key}={number}"]
    case.expect({USAGE, NUMERICAL}, key, key.split(".")[-1], "step", "loss")
    if key.startswith("data."):
        case.expect({DATA}, "jsonl")
    case.what = f"{key} is {number}"


KINDS = {"configuration": file, "overrides": overrides, "numbers": trained}
