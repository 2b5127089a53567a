"""Judges, without a network: their configuration, the policies' responses, sheets and answers."""

import json

from .. import base, values
from ..case import ARTEFACT, DATA, USAGE
from . import data


def judges(case):
    """judges.yaml; --dry-run asks nothing."""
    case.inputs("judges.yaml", "A.jsonl", "B.jsonl")
    case.expect({USAGE}, "judges.yaml")
    case.arguments = ["judge", "A.jsonl", "B.jsonl", "--config", "judges.yaml", "--out", "out/judged", "--dry-run"]

    def structure(name):
        what, _, new = values.mutate(case.random, values.load(json.dumps(base.JUDGES)))
        case.put(name, values.dump(new))
        case.describe(name, what)
    case.change("judges.yaml", structure)


def policies(case):
    """The responses of two policies."""
    name = data.file(case, "A.jsonl", "mutated.jsonl")
    case.inputs("judges.yaml", "B.jsonl")
    case.expect({DATA}, "B.jsonl")
    case.arguments = case.random.choice([
        ["judge", name, "B.jsonl", "--config", "judges.yaml", "--out", "out/judged", "--dry-run"],
        ["judge", "--human", "B.jsonl", name, "--out", "out/sheet.html"]])


def sheet(case):
    """A sheet's key, and raters' answers."""
    case.inputs("sheet.key.json", "answers.json")
    case.expect({ARTEFACT, USAGE}, "sheet.key.json", "answers.json")
    case.arguments = ["judge", "--merge", "sheet.key.json", "answers.json", "--out", "out/judged"]
    case.change(case.random.choice(["sheet.key.json", "answers.json"]), case.change_json)


KINDS = {"judges": judges, "policies": policies, "sheet": sheet}
