"""What a scorer outside rdo needs: preference data as rdo reads them, and a coefficient file to put rewards into.

`rdo prepare` does the reading: which rows are good, their texts, and the ids by which training looks for them are its
own. Needs h5py, numpy, pyyaml and xxhash.
"""

import contextlib
import dataclasses
import datetime
import gzip
import itertools
import json
import os
import pathlib
import subprocess
import sys

import h5py
import numpy as np
import xxhash
import yaml

# rdo's exit codes.
USAGE, DATA, ARTEFACT, NUMERICAL = 2, 3, 4, 5


class Failure(Exception):
    """What ends the program with one line and an exit code."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


# Data


@dataclasses.dataclass
class Row:
    """A prompt and its responses: the policy's ids and the record's own texts."""

    number: int  # lines of all files before it
    prompt: np.ndarray
    responses: list
    scores: list
    query: str
    texts: list
    messages: list | None = None  # of a chat, without the response


@dataclasses.dataclass
class Data:
    rows: list
    files: list
    provenance: dict

    def owners(self):
        """The row of every response."""
        return [row for row in self.rows for _ in row.texts]

    def place(self, row):
        """FILE:LINE of a row."""
        for number, (file, line, _) in enumerate(lines(self.files)):
            if number == row.number:
                return f"{file}:{line}"
        raise Failure(DATA, f"{', '.join(self.files)}: the data changed while they were read")


def lines(files):
    """(file, line number, bytes) of every line, blank ones too, counted as rdo counts them."""
    for file in files:
        with open(file, "rb") as plain:
            packed = plain.read(2) == b"\x1f\x8b"
        with (gzip.open if packed else open)(file, "rb") as text:
            for number, line in enumerate(text, 1):
                yield file, number, line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line


def prepare(rdo, config, settings, output):
    """Lets rdo read the data; it says on stderr what is bad. Returns the configuration with all of its defaults."""
    words = [word for each in [*settings, f"output={output}"] for word in ("--set", each)]
    result = subprocess.run([rdo, "prepare", config, *words], stdout=sys.stderr)
    if result.returncode != 0:
        raise Failure(result.returncode if result.returncode > 0 else ARTEFACT, "`rdo prepare` failed, see above")
    return yaml.safe_load((output / ".rdo/config.yaml").read_text(encoding="utf-8"))


def read_data(rdo, config, settings, part, output):
    """The rows of data.train or data.test with the ids of the model that will be aligned.

    `output` is an empty directory for what rdo makes of them."""
    alone = ["data.test=[]", "score.data=train"]
    effective = prepare(rdo, config, settings + (alone if part == "train" else []), output / "first")
    files, aligning = effective["data"][part], [name for name in effective["passes"] if name in ("dpo", "rrhf", "kto")]
    if not files:
        raise Failure(USAGE, f"{config}: data.{part} names no files")
    again = []
    if policy := effective[(aligning or ["dpo"])[0]]["model"]:
        again += [f"model.path={policy}", "model.init=null"]
    if part == "test":
        limit = effective["data"]["test_limit"]
        again += [f"data.train={json.dumps(files)}", f"data.limit={json.dumps(limit)}"]
    output /= "again" if again else "first"
    if again:
        effective = prepare(rdo, config, [*settings, *again, *alone], output)
    # Passes with data of their own have sets of their own.
    found = [(path.parent, json.loads(path.read_text())) for path in (output / "data").glob("*-responses-*/index.json")]
    directory, index = next(
        each for each in found if [file["path"] for file in each[1]["report"]["files"]] == files)
    data = Data([row for each in index["parts"] for row in read_part(directory / each["file"])], files, {
        "tokenizer_digest": xxhash.xxh3_128(tokenizer_file(effective["model"], output).read_bytes()).hexdigest(),
        # Sets of earlier versions do not say it: their templates were names.
        "data_digest": index["digest"], "template": index.get("template", effective["data"]["template"])})
    if single := next((row for row in data.rows if len(row.texts) < 2), None):
        raise Failure(DATA, f"{data.place(single)}: one response only; coefficients are of pairs and lists")
    add_messages(data, {file["path"]: file["format"] for file in index["report"]["files"]})
    return data


def tokenizer_file(model, output):
    """What rdo reads of a model's directory."""
    path = model["path"] or output / "initial-model"
    path = pathlib.Path(path if model["tokenizer"] in (None, "bytes") else model["tokenizer"])
    return next(each for each in (path / "tokenizer.json", path / "tokenizer.model", path) if each.is_file())


def read_part(path):
    """The rows of a file of prepared data (docs/files.md)."""
    with h5py.File(path) as file:
        column = {name: file[name][:] for name in (
            "rows/row", "rows/kind", "rows/prompt_start", "rows/response_start", "rows/prompt_text_start",
            "prompts/ids", "prompts/text", "responses/start", "responses/ids", "responses/text_start",
            "responses/text", "responses/score")}

    def cut(values, starts, place):
        return column[values][column[starts][place]:column[starts][place + 1]]

    for place, number in enumerate(column["rows/row"]):
        own = range(*column["rows/response_start"][place:place + 2])
        scores = column["responses/score"][own.start:own.stop].tolist()
        yield Row(
            number=int(number), prompt=cut("prompts/ids", "rows/prompt_start", place),
            responses=[cut("responses/ids", "responses/start", response) for response in own],
            # A pair's chosen response is better than the rejected one.
            scores=scores if column["rows/kind"][place] == 1 else [1.0, 0.0],
            query=cut("prompts/text", "rows/prompt_text_start", place).tobytes().decode(),
            texts=[cut("responses/text", "responses/text_start", response).tobytes().decode() for response in own])


def add_messages(data, formats):
    """Prepared data hold of a chat its contents alone, so its roles are read from the files."""
    rows = {row.number: row for row in data.rows}
    for number, (file, _, line) in enumerate(lines(data.files)):
        if formats[file] not in ("messages", "questions") or number not in rows:
            continue
        row, fields = rows[number], json.loads(line)
        messages = chat(fields) if formats[file] == "messages" else question(fields, row.query)
        if messages and "\n\n".join(message["content"] for message in messages) != row.query:
            raise Failure(DATA, f"{data.place(row)}: the chat is not what rdo read")
        row.messages = messages


def chat(fields):
    """The messages before the response (docs/data.md)."""
    messages = [{"role": each["role"], "content": each["content"]} for each in fields["chosen"][:-1]]
    prompt = fields.get("prompt")
    if isinstance(prompt, list):
        prompt = [{"role": each["role"], "content": each["content"]} for each in prompt]
        return messages if messages[:len(prompt)] == prompt else prompt + messages
    return messages or [{"role": "user", "content": prompt}]


def question(fields, query):
    """None where the question has no system message."""
    if query == fields["question"]:
        return None
    return [{"role": "system", "content": fields["system"]}, {"role": "user", "content": fields["question"]}]


# A coefficient file


def key(*parts):
    """A key of docs/files.md over lists of the policy's ids."""
    digest = xxhash.xxh3_128()
    for ids in parts:
        digest.update(np.uint32(len(ids)).astype("<u4").tobytes() + ids.astype("<i4").tobytes())
    return np.frombuffer(digest.digest(), np.uint8)


def tables(data):
    """Every column but the rewards: of every two responses to a prompt the earlier one stands first."""
    columns = {name: [] for name in (
        "queries/text", "queries/key", "responses/text", "responses/query", "responses/token_count", "pairs/query",
        "pairs/first", "pairs/second", "pairs/label", "pairs/key")}
    queries = {}
    for row in data.rows:
        own = key(row.prompt)
        query = queries.setdefault(own.tobytes(), len(queries))
        if query == len(columns["queries/key"]):
            columns["queries/key"].append(own)
            columns["queries/text"].append(row.query)
        start = len(columns["responses/text"])
        columns["responses/text"] += row.texts
        columns["responses/query"] += [query] * len(row.texts)
        columns["responses/token_count"] += [len(ids) for ids in row.responses]
        for first, second in sorted(itertools.combinations(range(len(row.texts)), 2), key=lambda pair: pair[::-1]):
            columns["pairs/query"].append(query)
            columns["pairs/first"].append(start + first)
            columns["pairs/second"].append(start + second)
            columns["pairs/label"].append(
                (row.scores[first] > row.scores[second]) - (row.scores[first] < row.scores[second]))
            columns["pairs/key"].append(key(row.prompt, row.responses[first], row.responses[second]))
    return columns


def check_repeats(data, columns, inputs):
    """Pairs that are equal to the policy, whose ids may be cut, must be equal to the scorer: rdo takes one value.

    - inputs: for each response the number of what the scorer reads."""
    seen, rows = {}, data.owners()
    for own, first, second in zip(columns["pairs/key"], columns["pairs/first"], columns["pairs/second"]):
        earlier = seen.setdefault(own.tobytes(), (first, second))
        if [inputs[place] for place in earlier] != [inputs[first], inputs[second]]:
            raise Failure(DATA, (
                f"{data.place(rows[first])} and {data.place(rows[earlier[0]])} are the same tokens to the policy and "
                "other texts to the scorer: raise data.max_tokens, or remove one of them"))


def check_target(path, program, force):
    """A file that is there is replaced when `program` made it, or with `force`."""
    if not path.parent.is_dir() or path.is_dir():
        raise Failure(USAGE, f"{path}: not a place for a file")
    if force or not path.exists():
        return
    made_here = False
    with contextlib.suppress(OSError), h5py.File(path) as file:
        made_here = str(file.attrs.get("software", "")).startswith(program)
    if not made_here:
        raise Failure(USAGE, f"{path}: the file is there, and {program} did not make it; name another one, or --force")


def write(path, columns, rewards, attributes):
    """Writes beside the place, then renames.

    - columns: of `tables`; rewards: f32, one for each response; attributes: of the root, beside those of the layout."""
    kinds = {"key": np.uint8, "label": np.int8, "text": h5py.string_dtype()}
    first, second = (rewards[columns[f"pairs/{name}"]] for name in ("first", "second"))
    partial = path.with_name(f"{path.name}.{os.getpid()}.writing")
    try:
        with h5py.File(partial, "x") as file:
            file.attrs.update({
                "schema": "rdo.coefficients/1", "scorer": "reward", "symmetric": 0, "world_size": 1,
                "created": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"), **attributes})
            for name, values in columns.items():
                # Texts of variable length cannot carry checksums. They end at the first NUL; rdo too stores U+FFFD.
                is_text = name.endswith("text")
                values = [text.replace("\0", "\ufffd") for text in values] if is_text else values
                kind = kinds.get(name.split("/")[1], np.int32)
                file.create_dataset(name, data=np.array(values, kind), fletcher32=not is_text)
            file.create_dataset("responses/reward", data=rewards, fletcher32=True)
            file.create_dataset("pairs/difference", data=first - second, fletcher32=True)
        with open(partial, "rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
