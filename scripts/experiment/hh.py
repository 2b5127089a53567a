"""SmolLM2-135M on harmless HH: which scorer orders unseen pairs better, and what its coefficients do for DPO."""

import hashlib
import json
import pathlib

from experiment import runs
from experiment.demos import Study
from experiment.page import claim, table
from experiment.runs import config
from experiment.statistics import mean

TEST = 517  # at least so many of 1617; dialogues that begin alike stay together


class HH:
    def __init__(self, study: Study, pairs, model):
        self.study, self.root = study, study.runner.root / "hh"
        self.root.mkdir(parents=True, exist_ok=True)
        self.split(pathlib.Path(pairs))
        common = [f"model.path={model}", f"data.train={self.root}/train.jsonl", f"data.test={self.root}/test.jsonl",
                  "data.limit=null", "data.test_limit=null", *study.few("reward", "difference", "dpo")]
        if study.tiny:
            common += ["data.limit=32", "data.test_limit=16"]
        reference = f"reference.file={self.root}/difference/reference.h5"
        for title, name, settings in [
                ("difference model, DPO with its coefficients", "difference", []),
                ("DPO without coefficients", "dpo", ["passes=[dpo]", "dpo.coefficients.use=false", reference]),
                ("reward model", "reward", ["passes=[reward, score]", "score.scorer=reward"])]:
            study.runner.all(title, [(f"hh/{name}", [
                "run", config("hh"), "--set", *common, f"output={self.root}/{name}", *settings])])

    def split(self, pairs):
        """In the order of the digests of dialogues' beginnings."""
        def beginning(row):
            return hashlib.sha256(row["prompt"].partition("\n\nAssistant:")[0].strip().encode()).hexdigest()

        rows = [json.loads(line) for line in pairs.read_text(encoding="utf-8").splitlines()]
        rows = sorted(({key: row[key] for key in ("prompt", "chosen", "rejected")} for row in rows), key=beginning)
        end = TEST
        while end < len(rows) and beginning(rows[end]) == beginning(rows[end - 1]):
            end += 1
        for name, part in (("test", rows[:end]), ("train", rows[end:])):
            (self.root / f"{name}.jsonl").write_text(
                "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in part), encoding="utf-8")

    def right(self, scorer):
        """By pair, in the order of keys: 1 where R has the label's sign."""
        found = self.study.runner.pairs(self.root / scorer / "coefficients-test.h5", "r", "label")
        return [float(r * label > 0) for r, label in found]

    def section(self):
        right = {scorer: self.right(scorer) for scorer in ("reward", "difference")}
        ranges = {scorer: self.study.runner.inspect(self.root / scorer / "coefficients-test.h5") for scorer in right}
        ranges = {scorer: figures["reliability"]["ranges"] for scorer, figures in ranges.items()}
        rows = [["ordered rightly", *(mean(right[scorer]).text() for scorer in right)]]
        for start, title in enumerate(["0 to 1", "1 to 2", "2 to 3", "from 3"]):
            cells = [[found["accuracy"] for found in ranges[scorer] if found["from"] == start] for scorer in right]
            rows.append([f"where ∣R∣ is {title}", *(f"{cell[0]['share']:.3f} of {cell[0]['count']}" if cell else ""
                                                    for cell in cells)])
        policies = {"no coefficients": "dpo", "difference model's": "difference"}
        figures = {title: runs.evaluation(self.root / name / "dpo") for title, name in policies.items()}
        return "\n\n".join([
            "### SmolLM2-135M on harmless HH",
            f"One seed; intervals are over the {len(right['reward'])} held-out pairs.",
            table(["scorer, held-out pairs", "reward model", "difference model"], rows),
            claim("difference model > reward model", ("", right["difference"], right["reward"])),
            table(["DPO, held-out pairs", *figures], [
                ["ordered rightly", *(self.shares(figure) for figure in figures.values())],
                ["margin", *(f"{figure['test_margin']:.3f}" for figure in figures.values())]])])

    def shares(self, figure):
        count = len(self.right("reward"))
        rights = round(figure["test_accuracy"] * count)
        return mean([1.0] * rights + [0.0] * (count - rights)).text()
