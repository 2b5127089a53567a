"""Preference data: JSONL in every layout, plain and gzip, and what `rdo import` reads."""

import gzip
import json

from .. import base, octets, values
from ..case import DATA


def rows_changed(case, content):
    """A row's JSON, or the bytes of all; one JSON value a line."""
    random = case.random
    if random.random() < 0.3:
        what, new = octets.mutate(random, content)
        return what, new
    rows = content.split(b"\n")[:-1]
    number = random.randrange(len(rows))
    what, _, new = values.mutate(random, values.load(rows[number]))
    rows[number] = values.dump(new)
    return f"line {number + 1}: {what}", b"\n".join(rows) + random.choice([b"\n", b"\n", b"", b"\r\n", b"\n\n \n"])


def gzip_changed(case, content):
    """The compressed bytes, or what is behind them."""
    packed = base.zipped(content)
    if case.random.random() < 0.3:
        more = case.random.choice([packed, b"garbage", b"\0" * 512, packed[:10], b"\x1f\x8b", b"\x1f\x8b\x08\0" * 3])
        return "gzip and more behind it", packed + more
    what, new = octets.mutate(case.random, packed)
    return f"gzip: {what}", new


def bomb(case):
    """Few bytes that are many: one line without an end, or as many bad rows."""
    piece = case.random.choice([b"x" * (1 << 22), b"x\n" * (1 << 21), b" " * (1 << 22), b"[" * (1 << 22),
                                b"\n" * (1 << 22)])
    return f"128 MB of {piece[:2]!r} in gzip", gzip.compress(piece, mtime=0) * 32


def file(case, name, target, codes=(DATA,)):
    """Puts the mutated rows of input `name` at `target`, or at `target`.gz; the name of what was put."""
    case.inputs(name)
    case.expect(codes, target)
    content = case.content(name)
    draw = case.random.random()
    if draw < 0.04:
        case.put(target, content)
        case.change_file(target)
        return target
    if draw < 0.05:
        what, new = bomb(case)
        target += ".gz"
    elif draw < 0.15:
        what, new = gzip_changed(case, content)
        target += ".gz"
    else:
        what, new = rows_changed(case, content)
        if draw < 0.2:
            new, target = base.zipped(new), target + ".gz"
    case.put(target, new)
    case.describe(target, what)
    return target


def reading(case, layout):
    """A command that reads data of a layout."""
    case.inputs("config.yaml")
    template = case.random.choice(["chatml", "hh", "vicuna"])
    return ["prepare", "config.yaml", "--set", "output=out", "passes=[prepare]", "data.test=[]",
            f"data.template={template}", f"data.format={case.random.choice(['auto', layout])}",
            f"data.on_error={case.random.choice(['fail', 'fail', 'skip'])}"]


def rows(case):
    """A row of each layout."""
    layout = case.random.choice(sorted(base.ROWS))
    name = file(case, f"rows/{layout}.jsonl", "mutated.jsonl")
    case.arguments = [*reading(case, layout), f"data.train={name}"]


def training_rows(case):
    """Rows that a pass learns from or answers."""
    name = file(case, "train.jsonl", "mutated.jsonl")
    case.inputs("config.yaml", "test.jsonl", "model")
    case.arguments = case.random.choice([
        ["train", "sft", "config.yaml", "--set", "output=out", f"data.train={name}", "data.test=[]", "sft.lora=null"],
        ["logprobs", "--model", "model", "--data", name, "--out", "out/lp.h5"],
        ["generate", "config.yaml", "--set", "output=out", "generate.model=model", f"generate.prompts={name}",
         "generate.limit=3", "generate.max_new_tokens=2"]])


def judged(case):
    """Rows with strengths."""
    name = file(case, "judged.jsonl", "mutated.jsonl")
    case.inputs("model")
    case.arguments = ["import", name, "--out", "out/imported.h5"] + case.random.choice([[], ["--model", "model"]])


def long_names(case):
    """Names of data files that are awkward but allowed."""
    random = case.random
    name = random.choice(["a b.jsonl", "a #b.jsonl", "a: b.jsonl", "'a'.jsonl", "é.jsonl", "-a.jsonl",
                          "n" * 240 + ".jsonl",
                          "a\nb.jsonl", "a\x1b[31mb.jsonl", "[a].jsonl", "~a.jsonl", "a.jsonl.gz", "%s.jsonl", "null",
                          "*a.jsonl"])
    case.inputs("rows", "model", "config.yaml")
    content = case.content("rows/pairs.jsonl")
    broken = random.random() < 0.5
    case.put(name, content + (b"{\n" if broken else b""))
    case.expect({DATA}, repr(name)[1:12], "jsonl", name, "mutated")
    case.describe(name, "a bad row" if broken else "an awkward name")
    case.arguments = random.choice([
        ["logprobs", "--model", "model", f"--data={name}", "--out", "out/lp.h5"],
        [*reading(case, "pairs"), "data.train=" + json.dumps(name, ensure_ascii=False)]])


KINDS = {"rows": rows, "training data": training_rows, "judged rows": judged, "file names": long_names}
