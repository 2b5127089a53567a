"""Why two claims do not hold at this size: whether the difference model needs more pairs, and what weights keep from a policy."""

from experiment.demos import CORPORA, Replicate, Study
from experiment.page import claim, table
from experiment.policies import DPO, FIGURES
from experiment.runs import number
from experiment.statistics import mean


class Reasons:
    CORPUS = "bradley-terry"
    PAIRS = [1280, 2560]
    # Disagreement and source of coefficients, at the beta with which the unweighted policy orders best.
    BETA = 1
    ARMS = [("zero", "difference"), ("keep", "difference"), ("zero", "reward"), ("keep", "reward")]

    def __init__(self, study: Study):
        self.sizes = {count: self.scorers(study, count) for count in self.PAIRS}
        self.arms = self.policies(study)

    def scorers(self, study, count):
        """By source, the share of held-out pairs that it orders rightly, in the order of the seeds."""
        if count == CORPORA[self.CORPUS].pairs:
            replicates = study.replicates([self.CORPUS])[self.CORPUS]
        else:
            corpus = CORPORA[self.CORPUS]._replace(name=f"{self.CORPUS}-{count}", pairs=count, policies=False)
            study.runner.all(f"scorers of {count} pairs", [study.demo(corpus, seed) for seed in study.seeds])
            replicates = [Replicate(study.runner.root / corpus.name / f"seed-{seed}", corpus, seed)
                          for seed in study.seeds]
        # The table has another row that begins so, for every range of R; this one is the whole.
        place = {"reward": 1, "difference": 2}
        return {source: [number(replicate.table["ordered rightly"][place[source]]) for replicate in replicates]
                for source in place}

    def policies(self, study):
        replicates, dpo = study.replicates([self.CORPUS])[self.CORPUS], DPO(study)
        dpo.add("none", f"beta-{self.BETA}-none", replicates,
                [f"dpo.beta={self.BETA}", "dpo.coefficients.use=false"])
        for disagreement, source in self.ARMS:
            label = f"beta-{self.BETA}" if (disagreement, source) == self.ARMS[0] else \
                f"beta-{self.BETA}-{disagreement}-{source}"
            settings = [f"dpo.beta={self.BETA}"]
            if disagreement != "zero":
                settings.append(f"dpo.coefficients.disagreement={disagreement}")
            dpo.add((disagreement, source), label, replicates, settings, source)
        return dpo.run("what weights keep from a policy")

    def section(self):
        rows = [[f"{count} pairs", mean(found["reward"]).text(), mean(found["difference"]).text()]
                for count, found in self.sizes.items()]
        claims = [claim(f"{count} pairs: difference model > reward model", ("", found["difference"], found["reward"]))
                  for count, found in self.sizes.items()]
        first, last = self.sizes[self.PAIRS[0]], self.sizes[self.PAIRS[-1]]
        claims += [claim(f"{source} model: {self.PAIRS[-1]} pairs > {self.PAIRS[0]}", ("", last[source], first[source]))
                   for source in ("difference", "reward")]
        parts = ["### Why", table(["Bradley–Terry, held-out pairs ordered rightly", "reward model",
                                   "difference model"], rows), "\n".join(claims)]
        arms, rows, claims = self.arms, [["no coefficients", *self.arms.cells("none")]], []
        for disagreement, source in self.ARMS:
            title = f"{source} model's, `disagreement: {disagreement}`"
            rows.append([title, *arms.cells((disagreement, source))])
            claims.append(arms.claim(f"{title} > none", (disagreement, source), "none"))
        for source in ("difference", "reward"):
            claims.append(arms.claim(f"{source} model's: `keep` > `zero`", ("keep", source), ("zero", source)))
        parts += [table([f"Bradley–Terry, DPO, β = {self.BETA}", *FIGURES], rows), "\n".join(claims)]
        return "\n\n".join(parts)
