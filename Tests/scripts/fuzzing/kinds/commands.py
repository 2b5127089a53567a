"""Command lines of every subcommand."""

from .. import values
from ..case import ARTEFACT, DATA, USAGE

C = "run/coefficients.h5"
LEDGER = "run/dpo/ledger.h5"
COMMANDS = [
    ["run", "--dry-run", "config.yaml", "--set", "seed=1", "--resume", "auto"],
    ["train", "sft", "config.yaml", "--resume", "auto", "--trace", "out/trace.jsonl", "--set", "output=out",
     "data.test=[]"],
    ["grid", "difference", "config.yaml", "--vary", "difference.lambda_reverse=0,1", "--set", "output=out",
     "data.test=[]"],
    ["generate", "config.yaml", "--set", "output=out", "generate.model=model", "generate.limit=2"],
    ["prepare", "config.yaml", "--set", "output=out", "passes=[prepare]"],
    ["logprobs", "--model", "model", "--data", "test.jsonl", "--out", "out/lp.h5", "--chunk", "3", "--set", "seed=1"],
    ["status", "run"],
    ["inspect", C, "--json", "--pairs", "2", "--by", "absolute", "--alpha", "0.5", "--disagreement", "flip"],
    ["inspect", C, "--where", "difference < 0 and tokens > 2", "--sort", "abs(r) desc", "--limit", "3", "--columns",
     "key,r"],
    ["inspect", LEDGER, "--json", "--pairs", "2", "--coefficients", C],
    ["inspect", LEDGER, "--pair", "0", "--full"],
    ["inspect", "run/dpo/checkpoints/step-00000002", "--json"],
    ["inspect", C, "--html", "out/page.html", "--chart-library", "chart.min.js"],
    ["report", "run", "--out", "out/report.html", "--pairs", "3", "--chart-library", "chart.min.js"],
    ["export-pairs", C, "--out", "out/pairs.jsonl", "--format", "csv", "--limit", "2"],
    ["export-pairs", C, "--where", "r >= 0", "--columns", "key,label", "--alpha", "1"],
    ["export-lists", C, "--out", "out/lists.jsonl"],
    ["import", "judged.jsonl", "--out", "out/imported.h5", "--model", "model", "--field", "difference"],
    ["import", "judged.jsonl", "--out", "out/imported.h5", "--rewards", "difference,difference"],
    ["diff", C, "imported.h5", "--pairs", "2", "--json"],
    ["merge", C, "imported.h5", "--out", "out/merged.h5"],
    ["calibrate", C, "--on", "run/coefficients-test.h5", "--out", "out/calibrated.h5"],
    ["judge", "A.jsonl", "B.jsonl", "--config", "judges.yaml", "--out", "out/judged", "--dry-run", "--limit", "2"],
    ["judge", "--human", "A.jsonl", "B.jsonl", "--out", "out/sheet.html", "--seed", "2", "--limit", "3"],
    ["judge", "--merge", "sheet.key.json", "answers.json", "--out", "out/judged"],
    ["verify", C, "run/dpo/checkpoints/step-00000002", LEDGER],
    ["export", "run/dpo/checkpoints", "--out", "out/model", "--bf16", "--tokenizer", "tokenizers/bytes"],
    ["tokenize", "--model", "model", "--json"],
    ["plan", "config.yaml", "--ranks", "2", "--nodes", "1", "--machine", "machine.json", "--network", "2,12",
     "--memory-per-node",
     "8", "--tokens", "20,20", "--speed", "2", "--json"],
    ["bench", "--out", "out/machine.json", "--model", "no-such-model"],
    ["help", "inspect"], ["--version"], ["--help"], ["run", "--help"]]
INPUTS = ["config.yaml", "train.jsonl", "test.jsonl", "model", "run", "chart.min.js", "judged.jsonl", "imported.h5",
          "judges.yaml", "A.jsonl", "B.jsonl", "sheet.key.json", "answers.json", "machine.json", "tokenizers/bytes"]
PATHS = ["out", ".", "run", "model", C, LEDGER, "run/reference.h5", "train.jsonl", "config.yaml",
         "run/dpo/model/model.safetensors",
         "no-such-file", "run/rdo.log", "imported.h5", "machine.json", "model/tokenizer.json", "A.jsonl",
         "run/dpo/checkpoints"]
# Such a word must not be lost: without it the command does what takes long, or asks a server.
KEPT = {"run": "--dry-run", "judge": "--dry-run", "bench": "no-such-model"}


def argument(random):
    """Text that a shell can hand over; lone surrogates are bytes that are no UTF-8."""
    new = random.choice([
        lambda: random.choice(values.TEXTS), lambda: values.text_of(random.choice(values.NUMBERS)),
        lambda: random.choice(PATHS),
        lambda: random.choice(["\udcff\udcfe", "-", "--", "-x", "--nonsense", "--set", "--out", "--json", "--help",
                               "-1", "=", "a=b"])])()
    return new.replace("\0", "")[:100_000]


def lines(case):
    """A command with something left out, doubled, replaced, put in or moved."""
    random = case.random
    arguments = list(random.choice(COMMANDS))
    command = arguments[0]
    changes = []
    for _ in range(random.choice([1, 1, 2])):
        place = random.randrange(1, len(arguments)) if len(arguments) > 1 else 0
        kind = random.choice(["left out", "doubled", "replaced", "replaced", "replaced", "put in", "moved", "near"])
        changes.append(f"argument {place} {kind}")
        if kind == "left out" and len(arguments) > 1:
            del arguments[place]
        elif kind == "doubled":
            arguments.insert(place, arguments[place])
        elif kind == "replaced":
            arguments[place] = argument(random)
        elif kind == "put in":
            arguments.insert(place, argument(random))
        elif kind == "moved":
            arguments.insert(random.randrange(len(arguments)), arguments.pop(place))
        else:
            text = arguments[place]
            where = random.randint(0, len(text))
            arguments[place] = random.choice([text[:where] + argument(random)[:3000] + text[where:], text[:where],
                                              text + text])
    command = arguments[0]
    kept = KEPT.get(command)
    if kept and kept not in arguments and "--human" not in arguments and "--merge" not in arguments:
        arguments.insert(1, kept)
    if kept == "--dry-run" and "--" in arguments:
        arguments.remove("--")
    case.arguments, case.outputs, case.what = arguments, None, "; ".join(changes)
    # Where --set output=… was what is missing, the run's own directory is the output.
    case.touched = ["run/.lock", "run/.rdo", "run/rdo.log", "run/data"]
    case.inputs(*INPUTS)
    case.expect({USAGE, DATA, ARTEFACT}, "rdo --help", "out/",
                *[each for text in arguments for each in (text, text.split("=")[0]) if each])


WORDS = ["difference", "r", "abs(r)", "tokens", "label", "key", "query", "first", "second", "weight", "<", "<=", "=",
         "==", "!=", ">", "and",
         "or", "not", "(", ")", "0", "-1", "1e308", "1e999", "0.5", "nan", "inf", "'text'", "\"text\"", "'", "+", "-",
         "*", "/", "contains",
         ",", "desc", "asc", "abs(", "log(", "bias", "contradiction", "=~", "~", "like", "in", "null", "true", "é",
         "\x1b", "9" * 40]


def queries(case):
    """--where, --sort and --columns of inspect and export-pairs."""
    random = case.random
    case.inputs(C)
    option = random.choice(["--where", "--where", "--sort", "--columns"])
    count = random.choice([1, 2, 3, 3, 5, 8, 20])
    text = random.choice([" ", " ", ""]).join(random.choice(WORDS) for _ in range(count))
    if random.random() < 0.1:
        depth = random.choice([50, 1000, 20_000])
        text = random.choice(["(" * depth + "r > 0" + ")" * depth, "not " * depth + "r > 0", "r > " + "-" * depth + "1",
                              " and ".join(["r > 0"] * depth), "r" + " + r" * depth + " > 0"])
    command = random.choice(["inspect", "export-pairs"])
    case.arguments = [command, C, option, text, "--limit", "2"]
    case.prints = "lines" if command == "export-pairs" else None
    case.expect({USAGE}, option, option.strip("-"), text[:20] or "--", "rdo --help")
    case.what = f"{option} of {count} words"


KINDS = {"command line": lines, "query": queries}
