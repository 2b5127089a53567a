"""Mean reward of drawn responses by the seed's reward model and by one of another seed, as in the paper's tables."""

import json

from experiment.demos import CORPORA, METHODS, SOURCES, Study
from experiment.page import claim, table
from experiment.policies import LEARNABLE, main_arms
from experiment.runs import config
from experiment.statistics import mean

ARMS = ["start", *(f"{method}_{source}" for method in METHODS for source in SOURCES)]
SCORERS = {"training": "the seed's own reward model", "held_out": "another seed's, of other pairs"}


class Rewards:
    def __init__(self, study: Study):
        replicates, tasks, self.files = study.replicates(LEARNABLE), [], {}
        main_arms(study)  # they and the starts draw responses
        study.qualities([(replicate, replicate.directory / "sft")
                         for found in replicates.values() for replicate in found])
        for name in LEARNABLE:
            for place, replicate in enumerate(replicates[name]):
                other = replicates[name][(place + 1) % len(replicates[name])]
                drawn = {"start": replicate.directory, **{
                    f"{method}_{source}": replicate.policy(method, source).parent
                    for method in METHODS for source in SOURCES}}
                output = replicate.directory / "rewards"
                self.files[name, place] = output / "evaluation.json"
                policies = ", ".join(f"{arm}: {path}/drawn/generated.jsonl" for arm, path in drawn.items())
                tasks.append((f"{name}/rewards-{replicate.seed}", [
                    "run", config("policy"), "--set", *replicate.inputs, "passes=[evaluate]", f"output={output}",
                    f"evaluate.policies={{{policies}}}", "evaluate.bootstrap=1",
                    f"evaluate.scorers={{training: {replicate.directory}/reward/model, "
                    f"held_out: {other.directory}/reward/model}}"]))
        study.runner.all("rewards", tasks)
        self.count = len(study.seeds)

    def values(self, name, arm, scorer):
        """By seed."""
        found = []
        for place in range(self.count):
            policies = json.loads(self.files[name, place].read_text(encoding="utf-8"))["policies"]
            [scores] = [policy["scores"] for policy in policies if policy["name"] == arm]
            found += [score["mean"]["value"] for score in scores if score["scorer"] == scorer]
        return found

    def section(self):
        rows, claims = [], []
        for name in LEARNABLE:
            title = CORPORA[name].title
            for arm in ARMS:
                words = arm.replace("_", ", ").replace("none", "no coefficients")
                cells = [mean(self.values(name, arm, scorer)).text(2) for scorer in SCORERS]
                rows.append([f"{title}, {words}", *cells])
            for method in METHODS:
                claims.append(claim(f"{title}, {method.upper()}: with the difference model's coefficients > without", *(
                    (scorer.replace("_", "-"), self.values(name, f"{method}_difference", scorer),
                     self.values(name, f"{method}_none", scorer)) for scorer in SCORERS)))
        return "\n\n".join([
            "### Mean reward of drawn responses",
            "By reward models: "
            + "; ".join(f"*{scorer.replace('_', '-')}*, {words}" for scorer, words in SCORERS.items()) + ".",
            table(["policy", *(scorer.replace("_", "-") for scorer in SCORERS)], rows), "\n".join(claims)])
