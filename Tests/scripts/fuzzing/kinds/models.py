"""Models, adapters and tokenizers."""

import json
import struct

from .. import base, octets, values
from ..case import ARTEFACT, DATA, NUMERICAL

# Where an error in a model's files may be seen.
MODEL_PLACES = ["config.json", "safetensors", "tokenizer", "model"]
TEXTS = "the hello é 12 ab\n\n  two  spaces, 中 \U0001f4a5</s><s>x\n"


def logprobs(case, model):
    case.arguments = ["logprobs", "--model", model, "--data", "test.jsonl", "--out", "out/lp.h5"]
    # Numbers that are none are found when they are to be written.
    case.places.append("out/lp.h5")


def safetensors(case, name):
    """The header, its length, or the tensors behind it."""
    random = case.random
    header, tensors = base.split_safetensors(case.content(name))
    kind = random.choice(["header"] * 5 + ["offsets"] * 2 + ["length", "values", "values"])
    length = None
    text = json.dumps(header).encode()
    if kind == "header":
        what, _, new = values.mutate(random, values.load(text))
        text = values.dump(new)
    elif kind == "offsets":
        entry = random.choice([each for key, each in sorted(header.items()) if key != "__metadata__"])
        index = random.randrange(2)
        old = entry["data_offsets"][index]
        entry["data_offsets"][index] = random.choice([0, old + 4, old - 4, 2**62, 2**63 - 1, -1, old // 2,
                                                      len(tensors) + 4])
        if random.random() < 0.3:
            entry["shape"] = random.choice([[0], [2**31, 2**31, 2**31], [], entry["shape"][::-1], [2**62, 4],
                                            [1] * 10_000])
        what, text = "other offsets or shape", json.dumps(header).encode()
    elif kind == "length":
        length = random.choice(octets.HOSTILE_WORDS + [len(text) + 1, len(text) - 1, len(text) + len(tensors), 1 << 30])
        what = f"the header's length is {length}"
    else:
        case.expect({NUMERICAL})
        place = 4 * random.randrange(len(tensors) // 4)
        value = random.choice([float("nan"), float("inf"), -float("inf"), 3e38, 1e-45, 0.0])
        what = f"a weight is {value}"
        tensors = tensors[:place] + struct.pack("<f", value) + tensors[place + 4:]
    case.put(name, base.join_safetensors(text, tensors, length))
    case.describe(name, what)
    return []


def weights(case):
    """model.safetensors, or its parts and their index."""
    model = case.random.choice(["model", "model", "sharded"])
    case.inputs(model, "test.jsonl")
    case.expect({ARTEFACT}, "safetensors", model)
    logprobs(case, model)
    if model == "model":
        name, structure = "model/model.safetensors", lambda name: safetensors(case, name)
    elif case.random.random() < 0.5:
        name, structure = "sharded/model-00001-of-00002.safetensors", lambda name: safetensors(case, name)
    else:
        name, structure = "sharded/model.safetensors.index.json", case.change_json
    case.change(name, structure)
    # Any byte may be one of a weight.
    case.expect({NUMERICAL})


def configuration(case):
    """config.json."""
    case.inputs("model", "test.jsonl")
    case.expect({ARTEFACT}, *MODEL_PLACES)
    logprobs(case, "model")
    names = case.change("model/config.json", case.change_json)
    if not {"max_position_embeddings", "eos_token_id", "bos_token_id"}.isdisjoint(names) or not names:
        # Rows that are too long for the model, or that hold what now ends a text.
        case.expect({DATA}, "test.jsonl")
    case.expect({NUMERICAL})


def generation_configuration(case):
    """generation_config.json."""
    case.inputs("model", "test.jsonl", "train.jsonl", "config.yaml")
    case.expect({ARTEFACT}, "generation_config.json")
    case.arguments = ["generate", "config.yaml", "--set", "output=out", "model.init=null", "model.path=model",
                      "model.tokenizer=null", "generate.model=model", "generate.max_new_tokens=3", "generate.limit=2"]
    case.change("model/generation_config.json", case.change_json)


# What says the same as an adapter without it, by keys that single modules have.
UNEVEN = {"rank_pattern": {"nothing": 2, r"layers\.7.*": 3}, "alpha_pattern": {r"(x|y)_proj": 1.5},
          "layers_to_transform": list(range(64)), "layers_pattern": ["layers", "h"], "modules_to_save": ["score"]}


def adapter(case):
    """adapter_config.json and adapter_model.safetensors."""
    case.inputs("model", "run/sft/adapter", "test.jsonl", "train.jsonl", "config.yaml")
    case.expect({ARTEFACT}, "adapter")
    case.arguments = case.random.choice([
        ["train", "sft", "config.yaml", "--set", "output=out", "sft.model=model", "sft.lora.start=run/sft/adapter",
         "data.test=[]"],
        ["generate", "config.yaml", "--set", "output=out", "generate.model=model", "generate.adapter=run/sft/adapter",
         "generate.max_new_tokens=3", "generate.limit=2"]])
    if case.random.random() < 0.5:
        name = "run/sft/adapter/adapter_config.json"
        if case.random.random() < 0.5:
            case.put(name, json.dumps(json.loads(case.content(name)) | UNEVEN).encode())
        case.change(name, case.change_json)
    else:
        case.change("run/sft/adapter/adapter_model.safetensors", lambda name: safetensors(case, name))
    case.expect({NUMERICAL}, "step", "model")


def tokenize(case, directory):
    case.arguments = ["tokenize", "--model", directory]
    case.prints = "lines"
    if case.random.random() < 0.3:
        case.arguments.append("--decode")
        case.stdin = b"[]\n[0, 1, 2, 257, 260, 261]\n[100, 259]\n"
    else:
        case.stdin = TEXTS.encode()


def tokenizer_json(case):
    """tokenizer.json: texts in and out."""
    directory = "tokenizers/" + case.random.choice(["bytes", "pieces", "metaspace"])
    case.inputs(directory)
    case.expect({ARTEFACT}, "tokenizer")
    tokenize(case, directory)
    case.change(directory + "/tokenizer.json", case.change_json)


PATTERNS = [r"(?(DEFINE)(?<x>ab\K))(?=(?&x))", "(*LIMIT_MATCH=1)(a|b)+c", "(a+)+$", r"\K", "a|", "(?R)", "(?:)", "[",
            "(?<=a+)b",
            r"\p{Nonsense}", "(((((((((a+)+)+)+)+)+)+)+)+)+$", "(?C)", r"(?<!\X)", r"\C", "(" * 300 + ")" * 300,
            "a{65536}",
            "(?s).*", r"\G", "^", "$", r"(?=a)|(?=b)", "\0", r"(*UTF)(*UCP)a", r"(?i)ſ", "x*", "(?|(a)|(b))",
            r"(\w+)\s\1"]


def pattern(case):
    """Regular expressions of tokenizer.json: they are programs, and somebody else's."""
    directory = "tokenizers/" + case.random.choice(["bytes", "pieces"])
    case.inputs(directory)
    case.expect({ARTEFACT}, "tokenizer")
    tokenize(case, directory)
    name = directory + "/tokenizer.json"
    tree = json.loads(case.content(name))
    expression = case.random.choice(PATTERNS)
    if case.random.random() < 0.3:
        expression = octets.mutate(case.random, expression.encode())[1].decode("utf-8", "replace")
    behavior = case.random.choice(["Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", "Contiguous"])
    part = case.random.choice(["pre_tokenizer", "normalizer", "decoder"])
    tree[part] = {"type": "Split", "pattern": {"Regex": expression}, "behavior": behavior,
                  "invert": case.random.random() < 0.5} if part == "pre_tokenizer" else \
        {"type": "Replace", "pattern": {"Regex": expression},
         "content": case.random.choice(["", "x", "▁", "a" * 1000])}
    case.put(name, json.dumps(tree))
    case.stdin += b"ab" * 30 + b" ababc " + b"a" * 40 + b"!\n" if "--decode" not in case.arguments else b""
    # A text that a pattern cannot get through in bounded steps is an error of the tokenizer, at a line of the input.
    case.expect({ARTEFACT}, "standard input")
    case.describe(name, f"the pattern of {part} is {expression[:40]!r}")


def tokenizer_model(case):
    """tokenizer.model of SentencePiece."""
    directory = "tokenizers/" + case.random.choice(["unigram", "bpe"])
    case.inputs(directory)
    case.expect({ARTEFACT}, "tokenizer")
    tokenize(case, directory)
    case.change(directory + "/tokenizer.model")


def tokenizer_settings(case):
    """tokenizer_config.json, and chat templates: read for the data."""
    directory = "tokenizers/" + case.random.choice(["bytes", "bytes", "unigram"])
    case.inputs(directory, "test.jsonl", "train.jsonl", "config.yaml")
    case.expect({ARTEFACT}, "tokenizer")
    name = directory + "/tokenizer_config.json"
    draw = case.random.random()
    if draw < 0.3:
        name = directory + "/chat_template.jinja"
        case.put(name, json.loads(case.content("tokenizers/bytes/tokenizer_config.json"))["chat_template"]
                 if directory.endswith("bytes") else "{{ messages }}")
        case.change(name)
        case.expect({ARTEFACT}, "chat_template")
    else:
        case.change(name, case.change_json)
    if draw < 0.6:
        case.arguments = ["prepare", "config.yaml", "--set", "output=out", "passes=[prepare]",
                          f"model.tokenizer={directory}", "data.template=auto"]
        # Another EOS or BOS may stand in the rows.
        case.expect({DATA}, ".jsonl")
    else:
        tokenize(case, directory)


def tokenizer_lines(case):
    """What `rdo tokenize` reads on standard input."""
    directory = "tokenizers/" + case.random.choice(["bytes", "pieces", "unigram"])
    case.inputs(directory)
    case.expect({DATA}, "standard input")
    case.prints = "lines"
    mode = case.random.choice(["--json", "--decode", None])
    case.arguments = ["tokenize", "--model", directory] + ([mode] if mode else [])
    rows = {"--json": [values.dump("a\nb é"), b'"x"'], "--decode": [b"[1, 2, 260]", b"[]"],
            None: [b"plain text", b""]}[mode]
    for _ in range(case.random.randint(1, 3)):
        draw = case.random.random()
        rows.append(octets.mutate(case.random, b"\n".join(rows))[1] if draw < 0.5
                    else values.dump(values.hostile(case.random)))
    case.stdin = b"\n".join(rows) + case.random.choice([b"", b"\n", b"\r\n"])
    case.describe("standard input", f"{mode}, {len(rows)} lines, mutated")


KINDS = {
    "weights": weights, "config.json": configuration, "generation_config.json": generation_configuration,
    "adapter": adapter, "tokenizer.json": tokenizer_json, "pattern": pattern, "tokenizer.model": tokenizer_model,
    "tokenizer_config.json": tokenizer_settings, "tokenize": tokenizer_lines}
