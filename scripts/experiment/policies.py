"""Whether weighting helps policies, by which settings, against other losses, and what tells it beforehand."""

import json

from experiment import runs
from experiment.demos import BATCH, CORPORA, METHODS, SOURCES, Study
from experiment.page import claim, table
from experiment.runs import config
from experiment.statistics import mean, rank_correlation

# The comparative corpus is nothing that a policy can learn.
LEARNABLE = [name for name, corpus in CORPORA.items() if corpus.policies]


class Arms:
    """Policies by arm, each a list in the order of the seeds; what they order and what they draw."""

    def __init__(self, study, arms):
        """`arms`: by key, lists of (replicate, directory of the training pass)."""
        drawn = iter(study.qualities([policy for policies in arms.values() for policy in policies]))
        self.accuracy = {key: [runs.evaluation(directory)["test_accuracy"] for _, directory in policies]
                         for key, policies in arms.items()}
        self.quality = {key: [next(drawn) for _ in policies] for key, policies in arms.items()}

    def cells(self, key):
        return [mean(self.accuracy[key]).text(), mean(self.quality[key]).text(2)]

    def claim(self, text, first, second):
        return claim(text, ("order", self.accuracy[first], self.accuracy[second]),
                     ("quality", self.quality[first], self.quality[second]))


FIGURES = ["held-out pairs ordered rightly", "mean quality of drawn responses"]


class Policies:
    """Without coefficients and with those of either scorer, at the demo's settings."""

    def __init__(self, study: Study):
        self.arms = main_arms(study)
        self.start = {name: study.qualities([(replicate, replicate.directory / "sft") for replicate in replicates])
                      for name, replicates in study.replicates(LEARNABLE).items()}

    def section(self):
        rows, gains, sources = [], [], []
        for name in LEARNABLE:
            for method in METHODS:
                title = f"{CORPORA[name].title}, {method.upper()}"
                cells = [self.arms.cells((name, method, source)) for source in SOURCES]
                rows.append([title, *(cell[0] for cell in cells), mean(self.start[name]).text(2),
                             *(cell[1] for cell in cells)])
                none, reward, difference = ((name, method, source) for source in SOURCES)
                gains.append(self.arms.claim(title, difference, none))
                sources.append(self.arms.claim(title, difference, reward))
        head = ["", "ordered rightly: no coefficients", "reward model's", "difference model's",
                "quality of drawn responses: start", "no coefficients", "reward model's", "difference model's"]
        return "\n\n".join([
            "### Policies", table(head, rows), "With the difference model's coefficients > without:", "\n".join(gains),
            "Difference model > reward model, as source of coefficients:", "\n".join(sources)])


def main_arms(study):
    """The demos' own policies, by (corpus, method, source)."""
    return Arms(study, {
        (name, method, source): [(replicate, replicate.policy(method, source)) for replicate in replicates]
        for name, replicates in study.replicates(LEARNABLE).items() for method in METHODS for source in SOURCES})


class DPO:
    """DPO on replicates with other settings than the demo's, all runs of a stage together."""

    def __init__(self, study):
        self.study, self.tasks, self.arms = study, [], {}

    def arguments(self, replicate, output, settings, source="difference"):
        at = replicate.directory
        coefficients = "coefficients.h5" if source == "difference" else "coefficients-reward.h5"
        return [config("policy"), "--set", *replicate.inputs, f"output={output}",
                f"score.file={at}/{coefficients}", f"reference.file={at}/reference.h5", f"dpo.batch_size={BATCH}",
                *self.study.few("dpo"), *settings]

    def add(self, key, label, replicates, settings, source="difference"):
        """Plans an arm with one scorer's coefficients."""
        self.arms[key] = []
        for replicate in replicates:
            name = f"{replicate.corpus.name}/{label}-seed-{replicate.seed}"
            output = self.study.runner.root / name
            self.tasks.append((name, ["run", *self.arguments(replicate, output, settings, source)]))
            self.arms[key].append((replicate, output / "dpo"))

    def add_demo(self, key, replicates, source):
        """The demo's own arm."""
        self.arms[key] = [(replicate, replicate.policy("dpo", source)) for replicate in replicates]

    def run(self, title):
        self.study.runner.all(title, self.tasks)
        return Arms(self.study, self.arms)


class Settings:
    """Alpha, beta and epochs."""

    ALPHAS = [0.25, 0.5, 1, 2]
    BETAS = [0.1, 0.2, 0.5, 1]
    EPOCHS = [1, 4]
    WEIGHTED = ["bradley-terry", "flips-20"]
    OVERFITTED = ["bradley-terry", "flips-20", "flips-40"]

    def __init__(self, study: Study):
        replicates, dpo = study.replicates(LEARNABLE), DPO(study)
        for name in LEARNABLE:
            dpo.add_demo((name, "none"), replicates[name], "none")
            dpo.add_demo((name, "weighted"), replicates[name], "difference")
        for name in self.WEIGHTED:
            for alpha in self.ALPHAS:
                if alpha != 0.5:
                    dpo.add((name, "alpha", alpha), f"alpha-{alpha}", replicates[name],
                            [f"dpo.coefficients.alpha={alpha}"])
        for beta in self.BETAS[1:]:
            found = replicates["bradley-terry"]
            dpo.add(("beta", beta, "none"), f"beta-{beta}-none", found,
                    [f"dpo.beta={beta}", "dpo.coefficients.use=false"])
            dpo.add(("beta", beta, "weighted"), f"beta-{beta}", found, [f"dpo.beta={beta}"])
        for name in self.OVERFITTED:
            dpo.add((name, "long", "none"), "long-none", replicates[name],
                    [f"dpo.epochs={self.EPOCHS[1]}", "dpo.coefficients.use=false"])
            dpo.add((name, "long", "weighted"), "long", replicates[name], [f"dpo.epochs={self.EPOCHS[1]}"])
        self.arms = dpo.run("alpha, beta, epochs")

    def section(self):
        arms = self.arms
        parts = ["### Alpha, beta, epochs", "DPO with the difference model's coefficients."]
        rows, claims = [], []
        for name in self.WEIGHTED:
            title = CORPORA[name].title
            rows.append([f"{title}, none", *arms.cells((name, "none"))])
            for alpha in self.ALPHAS:
                key = (name, "weighted") if alpha == 0.5 else (name, "alpha", alpha)
                rows.append([f"{title}, α = {alpha}", *arms.cells(key)])
                claims.append(arms.claim(f"{title}: α = {alpha} > none", key, (name, "none")))
        parts += [table(["", *FIGURES], rows), "\n".join(claims)]
        rows, claims = [], []
        for beta in self.BETAS:
            none, weighted = ((("bradley-terry", arm) if beta == 0.1 else ("beta", beta, arm))
                              for arm in ("none", "weighted"))
            rows += [[f"β = {beta}, no coefficients", *arms.cells(none)],
                     [f"β = {beta}, weighted", *arms.cells(weighted)]]
            claims.append(arms.claim(f"β = {beta}: with coefficients > without", weighted, none))
        parts += [table(["Bradley–Terry", *FIGURES], rows), "\n".join(claims)]
        rows, claims = [], []
        for name in self.OVERFITTED:
            for epochs in self.EPOCHS:
                none, weighted = ((name, arm) if epochs == 1 else (name, "long", arm) for arm in ("none", "weighted"))
                title = f"{CORPORA[name].title}, {epochs} epoch{'s' if epochs > 1 else ''}"
                rows += [[f"{title}, no coefficients", *arms.cells(none)],
                         [f"{title}, weighted", *arms.cells(weighted)]]
                claims.append(arms.claim(f"{title}: with coefficients > without", weighted, none))
        parts += [table(["", *FIGURES], rows), "\n".join(claims)]
        return "\n\n".join(parts)


class Losses:
    """Weighting against losses that read R, each after a search of its own on a seed that is not reported."""

    CORPUS = "bradley-terry"
    # What is searched: a loss's β and its own scale.
    SEARCHED = {
        "DPO": (["dpo.coefficients.use=false"], ["dpo.beta=0.03,0.1,0.3,1"]),
        "DPO, weighted": ([], ["dpo.beta=0.1,0.3,1", "dpo.coefficients.alpha=0.25,0.5,1"]),
        **{variant: ([f"dpo.variant={variant}", "dpo.coefficients.alpha=0"], varied) for variant, varied in [
            ("odpo", ["dpo.beta=0.1,0.3,1", "dpo.offset_scale=0.3,1,3"]),
            ("soft", ["dpo.beta=0.1,0.3,1", "dpo.temperature=0.5,1,2"]),
            ("distill", ["dpo.beta=0.1,0.3,1", "dpo.reward_scale=0.3,1,3"]),
            ("rpo_bwd", ["dpo.beta=0.1,0.3,1", "dpo.reward_scale=0.3,1,3"]),
            ("rpo_fwd", ["dpo.beta=0.1,0.3,1", "dpo.reward_scale=0.3,1,3"])]}}

    def __init__(self, study: Study):
        dpo = DPO(study)
        [searched] = study.replicates([self.CORPUS], seeds=[0])[self.CORPUS]
        outputs = {loss: study.runner.root / self.CORPUS / f"search-{self.label(loss)}" for loss in self.SEARCHED}
        study.runner.all("searches", [
            (f"{self.CORPUS}/search-{self.label(loss)}",
             ["grid", "dpo", *dpo.arguments(searched, outputs[loss], settings), "--vary", *varied])
            for loss, (settings, varied) in self.SEARCHED.items()])
        self.chosen = {loss: self.best(output) for loss, output in outputs.items()}
        for loss, (settings, _) in self.SEARCHED.items():
            dpo.add(loss, f"loss-{self.label(loss)}", study.replicates([self.CORPUS])[self.CORPUS],
                    settings + self.chosen[loss])
        self.arms = dpo.run("losses")

    @staticmethod
    def label(loss):
        return loss.lower().replace(", ", "-")

    @staticmethod
    def best(output):
        """The settings with the best held-out accuracy."""
        found = json.loads((output / "grid" / "dpo" / "grid.json").read_text(encoding="utf-8"))
        return found["best_by_held_out_accuracy"]

    def section(self):
        chosen = {loss: ", ".join(setting.split(".", 1)[1].removeprefix("coefficients.") for setting in settings)
                  for loss, settings in self.chosen.items()}
        rows = [[loss, chosen[loss], *self.arms.cells(loss)] for loss in self.SEARCHED]
        claims = [self.arms.claim(f"weighting > {loss}", "DPO, weighted", loss)
                  for loss in self.SEARCHED if loss != "DPO, weighted"]
        return "\n\n".join(["### Weighting and losses that read R", table(
            ["loss", "chosen on another seed", *FIGURES], rows), "\n".join(claims)])


class Calibration:
    """Whether what a scorer shows on held-out pairs says how much its weights help."""

    FIGURES = {"cross-entropy above the least": "cross-entropy", "calibration error": "distance of σ(∣R∣)",
               "pairs ordered rightly": "ordered rightly"}

    def __init__(self, study: Study):
        self.replicates, self.arms = study.replicates(LEARNABLE), main_arms(study)

    @staticmethod
    def figure(replicate, source, start):
        if start == "ordered rightly":
            return runs.number(replicate.table[start][SOURCES.index(source)])
        value = replicate.scorer(source, start)
        if start == "cross-entropy":
            [name] = [name for name in replicate.table if name.startswith(start)]
            value -= float(name.split()[-1])
        return value

    def section(self):
        scorers = [(name, place, source) for name in LEARNABLE for place in range(len(self.replicates[name]))
                   for source in SOURCES if source != "none"]
        rows = []
        for title, start in self.FIGURES.items():
            figures = [self.figure(self.replicates[name][place], source, start) for name, place, source in scorers]
            cells = []
            for values in (self.arms.accuracy, self.arms.quality):
                for method in METHODS:
                    gains = [values[name, method, source][place] - values[name, method, "none"][place]
                             for name, place, source in scorers]
                    found = rank_correlation(figures, gains)
                    cells.append(f"{found.mean:+.2f} ({found.low:+.2f} to {found.high:+.2f})".replace("-", "−"))
            rows.append([title, *cells])
        head = ["figure", *(f"{words}, {method.upper()}" for words in ("order", "quality") for method in METHODS)]
        return "\n\n".join([
            "### What a scorer's held-out figures say of the gain",
            f"Spearman's correlation with what its weights gain over none, over {len(scorers)} scorers (both kinds, "
            f"{len(LEARNABLE)} corpora, all seeds), with bootstrap intervals.", table(head, rows)])
