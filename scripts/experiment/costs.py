"""What scoring costs with either scorer, for pairs and for lists of six, as in the paper's table 11."""

import json
import random
import shutil
import statistics

from experiment.demos import Study
from experiment.page import table
from experiment.runs import config

QUERY, RESPONSE, LIST = 164, 145, 6  # tokens of HH's mean query and response, here bytes; responses of HH+
REPEATS = 3


class Costs:
    MODEL = ("model.init={hidden_size: 256, intermediate_size: 704, layers: 4, heads: 4, key_value_heads: 4, "
             "max_positions: 8192}")

    def __init__(self, study: Study):
        self.study, self.root = study, study.runner.root / "cost"
        self.record = self.root / "seconds.json"
        counts = {"pairs": (2, 4 if study.tiny else 192), "lists": (LIST, 2 if study.tiny else 32)}
        self.seconds = json.loads(self.record.read_text()) if self.record.exists() else self.measure(counts)

    def write_lists(self, name, size, count):
        source, path = random.Random(1), self.root / f"{name}.jsonl"

        def text(length):
            return "".join(source.choices("abcdefghijklmnopqrstuvwxyz", k=length))

        rows = [json.dumps({"query": text(QUERY), "responses": [text(RESPONSE) for _ in range(size)],
                            "scores": list(range(size))}) for _ in range(count)]
        path.write_text("\n".join(rows) + "\n")
        return path

    def measure(self, counts):
        """Processor seconds of the scoring passes alone: those of one row are taken off. One run at a time."""
        self.root.mkdir(parents=True, exist_ok=True)
        start, log = self.study.runner.start, self.study.runner.root / "logs" / "cost.log"
        data = {name: self.write_lists(name, *shape) for name, shape in counts.items()}
        common = [self.MODEL, "data.max_tokens=8192", f"data.train={data['pairs']}"]
        start(["run", config("scorer"), "--set", "model.path=null", *common, "passes=[reward, difference]",
               f"output={self.root}/scorers", "reward.steps=1", "difference.steps=1", "reward.batch_size=4",
               "difference.batch_size=4", "reward.micro_batches=4", "data.test=[]", "score.data=train"], log)
        found = {}
        for name, (_, count) in counts.items():
            for scorer in ("reward", "difference"):
                def once(limit):
                    output, model = self.root / "run", self.root / "scorers" / scorer / "model"
                    shutil.rmtree(output, ignore_errors=True)
                    return start([
                        "run", config("scorer"), "--set", "passes=[score]", f"output={output}",
                        f"model.path={model}", f"score.model={model}", f"score.scorer={scorer}", "score.data=train",
                        "score.chunk=4", f"data.train={data[name]}", "data.test=[]", "data.max_tokens=8192",
                        f"data.limit={limit}"], log)
                whole = statistics.median(once(count) for _ in range(REPEATS))
                found[f"{name} {scorer}"] = (whole - statistics.median(once(1) for _ in range(REPEATS))) / (count - 1)
        shutil.rmtree(self.root / "run", ignore_errors=True)
        self.record.write_text(json.dumps(found))
        return found

    def section(self):
        comparisons = LIST * (LIST - 1)
        rows = []
        for name, title, alone, tree, paper in [
                ("pairs", "a pair", (2 * (QUERY + RESPONSE), 2 * (QUERY + 2 * RESPONSE)),
                 (QUERY + 2 * RESPONSE, QUERY + 4 * RESPONSE), "0.7"),
                ("lists", f"a list of {LIST}", (LIST * (QUERY + RESPONSE), comparisons * (QUERY + 2 * RESPONSE)),
                 (QUERY + LIST * RESPONSE, QUERY + LIST * RESPONSE + comparisons * RESPONSE), "4.4")]:
            ratio = self.seconds[f"{name} difference"] / self.seconds[f"{name} reward"]
            rows.append([title, *(f"{count:,}" for count in alone), *(f"{count:,}" for count in tree),
                         f"{alone[1] / alone[0]:.1f}", f"{tree[1] / tree[0]:.1f}", f"{ratio:.1f}", paper])
        head = ["scoring", "tokens one by one: reward", "difference", "as a tree: reward", "difference",
                "ratio one by one", "as a tree", "time, measured", "time, arXiv 2408.09385"]
        return "\n\n".join(["### What scoring costs", table(head, rows)])
