"""The inputs that cases are mutations of: made once, by rdo itself where rdo writes them."""

import glob
import gzip
import json
import os
import shutil
import struct

from . import hdf5, program, tokenizers, values

WORDS = "ash birch cedar elm fir hazel larch maple oak pine".split()
PLAIN = [{"prompt": f"say {WORDS[i % 10]} ({i})", "chosen": f" {WORDS[i % 10]}", "rejected": f" {WORDS[(i + 3) % 10]}"}
         for i in range(16)]
USER = {"role": "user", "content": "Name a prime."}
# A row of each layout of docs/data.md.
ROWS = {
    "pairs": {"prompt": "Name a prime.", "chosen": "7", "rejected": "9", "weight": 0.5},
    "hh": {"chosen": "\n\nHuman: Name a prime.\n\nAssistant: 7",
           "rejected": "\n\nHuman: Name a prime.\n\nAssistant: 9"},
    "dahoas": {"prompt": "\n\nHuman: A prime?\n\nAssistant:", "response": " 7", "chosen": " 7", "rejected": " 9"},
    "tldr": {"info": {"subreddit": "tifu", "title": "Keys", "post": "They were cold."}, "choice": 0,
             "summaries": [{"text": "Keys in fridge."}, {"text": "A fridge."}]},
    "messages": {"chosen": [USER, {"role": "assistant", "content": "7"}],
                 "rejected": [USER, {"role": "assistant", "content": "9"}]},
    "lists": {"query": "Name a prime.", "responses": ["7", "1", "9"], "scores": [2.0, 0.5, -1]},
    "questions": {"question": "A prime?", "chosen": "7", "rejected": "9", "system": "Be short."},
    "kto": {"prompt": "Name a prime.", "completion": "7", "label": True},
}
MODEL = {"init": {"hidden_size": 8, "intermediate_size": 12, "layers": 1, "heads": 2, "key_value_heads": 2,
                  "max_positions": 128},
         "tokenizer": "bytes"}
SHORT = {"steps": 1, "batch_size": 4, "micro_batches": 2}
CONFIGURATION = {
    "output": "run", "seed": 3, "model": MODEL,
    "data": {"train": "train.jsonl", "test": "test.jsonl", "max_tokens": 120},
    "passes": ["sft", "reward", "difference", "generate", "score", "reference", "dpo"],
    "sft": {**SHORT, "lora": {"rank": 2, "alpha": 4}}, "reward": SHORT, "difference": SHORT,
    "generate": {"prompts": "test.jsonl", "max_new_tokens": 6},     "dpo": {**SHORT, "steps": 2, "ledger": True},
}
MACHINE = {"schema": "rdo.machine/1", "profiles": [{
    "attention": [{"size": 16, "forward": 3e10, "training": 2e10}, {"size": 64, "forward": 7e10, "training": 5e10}],
    "blocks": [{"size": 64, "forward": 3e10, "training": 4e10}, {"size": 256, "forward": 2e10, "training": 2e10}],
    "head": [{"size": 64, "forward": 1e10, "training": 1e10}, {"size": 256, "forward": 1e10, "training": 1e10}],
    "baseBytes": 45137920, "gemmPeak": 7e10, "optimizerRate": 1e9, "ranksPerNode": 1, "reduceBandwidth": 1e12,
    "reduceLatency": 0, "software": "rdo", "streamBandwidth": 2e10}]}
JUDGES = {"seed": 1, "both_orders": False, "judges": [
    {"name": "one", "url": "http://localhost:9/v1", "model": "large", "retries": 0, "timeout": 1, "input_price": 2.5},
    {"name": "two", "url": "http://localhost:9/v1", "model": "small", "retries": 0, "system": "Be fair."}]}


def write(path, content):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "wb") as file:
        file.write(content if isinstance(content, bytes) else content.encode())


def read(path):
    with open(path, "rb") as file:
        return file.read()


def lines(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def block(value, indent=""):
    """YAML in block style."""
    return "".join(
        f"{indent}{key}:\n{block(each, indent + '  ')}" if isinstance(each, dict) and each else
        f"{indent}{key}: {json.dumps(each)}\n" for key, each in value.items())


class Base:
    """A directory of inputs, and what is known about them."""

    def __init__(self, rdo, directory, where):
        self.rdo, self.directory, self.layouts = rdo, directory, {}
        # What a run remembers goes by the paths of its inputs: they are made where cases have them, and then put aside.
        self.here = where
        os.makedirs(self.here)
        self.put_own()
        self.put_run()
        self.put_models()
        self.put_sheet()
        self.here = os.path.join(directory, "inputs")
        os.rename(where, self.here)

    def path(self, name):
        return os.path.join(self.here, name)

    def put(self, name, content):
        write(self.path(name), content)

    def content(self, name):
        return read(self.path(name))

    def layout(self, name):
        """Where the checksums of an HDF5 file stand, found once."""
        if name not in self.layouts:
            self.layouts[name] = hdf5.Layout(self.content(name))
        return self.layouts[name]

    def run(self, *arguments):
        outcome = program.run(self.rdo, arguments, self.here, os.path.join(self.directory, "scratch"), seconds=120)
        if outcome.status != 0:
            raise SystemExit(f"fuzz: the inputs cannot be made: {' '.join(arguments)}: {outcome.error.decode()[-400:]}")

    def put_own(self):
        """What people write: data, configurations, tokenizers."""
        self.put("train.jsonl", lines(PLAIN[:12]))
        self.put("test.jsonl", lines(PLAIN[12:]))
        for name, row in ROWS.items():
            self.put(f"rows/{name}.jsonl", lines([row, {**row, "id": 1}, row] if name == "kto" else [row]))
        self.put("config.yaml", block(CONFIGURATION))
        self.put("machine.json", json.dumps(MACHINE))
        self.put("judges.yaml", block(JUDGES))
        self.put("chart.min.js", "/*! Chart.js v4.4.0 */\n")
        for name, rows in (("A", " oak"), ("B", " elm")):
            self.put(f"{name}.jsonl", lines(
                {"query": row["prompt"], "responses": [rows], "token_counts": [4], "ends": ["eos"]}
                for row in PLAIN[12:]))
        for name, files in tokenizers.all_tokenizers().items():
            for file, content in files.items():
                self.put(f"tokenizers/{name}/{file}", content)

    def put_run(self):
        """A run of every pass, and coefficients of other makes."""
        self.run("run", "config.yaml", "--set", "score.data=both")
        self.run("export-pairs", "run/coefficients.h5", "--out", "judged.jsonl")
        self.run("import", "judged.jsonl", "--out", "imported.h5")
        rows = [json.loads(line) for line in self.content("judged.jsonl").splitlines()]
        self.put("judged.jsonl", lines({key: row[key] for key in sorted(row)} for row in rows))
        # Keys of JSON objects come in any order; a case must not depend on it.
        for pattern in ("run/data/*/index.json", "run/.rdo/*.json", "run/**/rdo.json", "run/*.info.json"):
            for path in glob.glob(self.path(pattern), recursive=True):
                write(path, json.dumps(json.loads(read(path)), sort_keys=True))

    def put_models(self):
        """The model in one file and in parts."""
        shutil.copytree(self.path("run/initial-model"), self.path("model"))
        os.remove(self.path("model/rdo-init.json"))
        shutil.copytree(self.path("model"), self.path("sharded"))
        os.remove(self.path("sharded/model.safetensors"))
        header, tensors = split_safetensors(self.content("model/model.safetensors"))
        names = sorted(name for name in header if name != "__metadata__")
        weight_map = {}
        for number, part in enumerate((names[::2], names[1::2]), 1):
            file = f"model-{number:05}-of-00002.safetensors"
            entries, data = {}, b""
            for name in part:
                start, stop = header[name]["data_offsets"]
                entries[name] = {**header[name], "data_offsets": [len(data), len(data) + stop - start]}
                data += tensors[start:stop]
                weight_map[name] = file
            self.put("sharded/" + file, join_safetensors(json.dumps(entries).encode(), data))
        self.put("sharded/model.safetensors.index.json", json.dumps(
            {"metadata": {"total_size": len(tensors)}, "weight_map": weight_map}, sort_keys=True))

    def put_sheet(self):
        """A sheet for raters, its key and an answer."""
        self.run("judge", "--human", "A.jsonl", "B.jsonl", "--out", "sheet.html")
        sheet = json.loads(self.content("sheet.key.json"))["sheet"]
        self.put("answers.json", json.dumps({
            "schema": "rdo.sheet-answers/1", "sheet": sheet, "rater": "ann", "answers": {"1": "left", "2": "tie"}}))

    def copy(self, names, to):
        """Copies inputs for a case."""
        for name in names:
            source, target = self.path(name), os.path.join(to, name)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            if os.path.isdir(source):
                shutil.copytree(source, target, dirs_exist_ok=True)
            else:
                shutil.copyfile(source, target)


def split_safetensors(data):
    """The header and the bytes behind it."""
    length = struct.unpack_from("<Q", data)[0]
    return json.loads(data[8:8 + length]), data[8 + length:]


def join_safetensors(header, tensors, length=None):
    return struct.pack("<Q", len(header) if length is None else length) + header + tensors


def zipped(data):
    return gzip.compress(data, mtime=0)


def parsed(data):
    return values.load(data)
