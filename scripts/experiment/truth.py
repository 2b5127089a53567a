"""What the demo's responses are worth: a second reading of Sources/Tools/DemoTruth.swift, held against all held-out rows."""

import json
import re

VALUES = {word: value for value, words in [
    (3, "superb lovely"), (2, "fresh good"), (1, "neat fine"),
    (-1, "bland slow"), (-2, "weak poor"), (-3, "nasty awful"),
] for word in words.split()}
SUBJECT_VALUE = 2


def quality(prompt, response):
    """Of a response to a prompt, where no claims are compared."""
    asked = re.findall(r"[a-z]+", prompt)[-1]
    words = re.findall(r"[a-z]+", response)
    return sum(VALUES.get(word, 0) for word in words) + (SUBJECT_VALUE if asked in words else 0)


def rows(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def check(path):
    """Raises where the data tell another difference."""
    for row in rows(path):
        found = quality(row["prompt"], row["chosen"]) - quality(row["prompt"], row["rejected"])
        if found != row["true_difference"]:
            raise SystemExit(f"{path}: a pair differs by {row['true_difference']}, not by {found}: {row}")


def mean_quality(path):
    """Of all responses in a file of `rdo generate`."""
    values = [quality(row["query"], response) for row in rows(path) for response in row["responses"]]
    return sum(values) / len(values)
