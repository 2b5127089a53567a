"""Whether weighting helps policies, by which settings, against other losses, and what tells it beforehand."""

import json

from experiment import runs
from experiment.demos import BATCH, CORPORA, METHODS, Study
from experiment.page import claim, table
from experiment.statistics import mean, paired, rank_correlation

# The comparative corpus is nothing that a policy can learn.
LEARNABLE = [name for name, corpus in CORPORA.items() if corpus.policies]


class Policies:
    """Without coefficients and with those of either scorer, at the demo's settings."""

    def __init__(self, study: Study):
        self.replicates = study.replicates(LEARNABLE)

    def section(self):
        rows, claims = [], {title: [] for title in ("with coefficients > without", "difference model > reward model")}
        for name in LEARNABLE:
            title = CORPORA[name].title
            for method in METHODS:
                arms = {source: [replicate.policy(method, source) for replicate in self.replicates[name]]
                        for source in ("none", "reward", "difference")}
                rows.append([f"{title}, {method.upper()}", *(mean(values).text() for values in arms.values())])
                words = f"{title}, {method.upper()}"
                claims["with coefficients > without"].append(claim(words, arms["difference"], arms["none"]))
                claims["difference model > reward model"].append(claim(words, arms["difference"], arms["reward"]))
        parts = ["### Policies", table(["held-out pairs ordered rightly", "no coefficients", "reward model's",
                                        "difference model's"], rows)]
        for title, lines in claims.items():
            parts.append(f"{title[0].upper()}{title[1:]}{', as source of coefficients' if 'reward' in title else ''}:\n\n"
                         + "\n".join(lines))
        return "\n\n".join(parts)


class DPO:
    """DPO on a replicate with other settings than the demo's."""

    def __init__(self, study):
        self.study, self.tasks = study, []

    def arguments(self, replicate, output, settings, source="difference"):
        at = replicate.directory
        file = at / ("coefficients-reward.h5" if source == "reward" else "coefficients.h5")
        return ["configs/small/policy.yaml", "--set", *replicate.inputs, f"output={output}", f"score.file={file}",
                f"reference.file={at}/reference.h5", f"dpo.batch_size={BATCH}", *self.study.few("dpo"), *settings]

    def add(self, replicate, label, settings):
        """Plans a run; `accuracy` reads it after `run`."""
        name = f"{replicate.corpus.name}/{label}-seed-{replicate.seed}"
        output = self.study.runner.root / name
        self.tasks.append((name, ["run", *self.arguments(replicate, output, settings)]))
        return output / "dpo"

    def run(self, title):
        self.study.runner.all(title, self.tasks)
        self.tasks = []


class Settings:
    """Alpha, beta and epochs."""

    ALPHAS = [0.25, 1, 2]  # the demo has 0.5
    BETAS = [0.2, 0.5, 1]  # the demo has 0.1
    EPOCHS = 4
    WEIGHTED = ["bradley-terry", "flips-20"]
    OVERFITTED = ["bradley-terry", "flips-20", "flips-40"]

    def __init__(self, study: Study):
        self.replicates = study.replicates(LEARNABLE)
        dpo, self.found = DPO(study), {}

        def add(name, label, settings):
            self.found[name, label] = [dpo.add(replicate, label, settings) for replicate in self.replicates[name]]

        for name in self.WEIGHTED:
            for alpha in self.ALPHAS:
                add(name, f"alpha-{alpha}", [f"dpo.coefficients.alpha={alpha}"])
        for beta in self.BETAS:
            add("bradley-terry", f"beta-{beta}-none", [f"dpo.beta={beta}", "dpo.coefficients.use=false"])
            add("bradley-terry", f"beta-{beta}", [f"dpo.beta={beta}"])
        for name in self.OVERFITTED:
            add(name, "long-none", [f"dpo.epochs={self.EPOCHS}", "dpo.coefficients.use=false"])
            add(name, "long", [f"dpo.epochs={self.EPOCHS}"])
        dpo.run("alpha, beta, epochs")

    def values(self, name, label):
        if label in ("none", "difference"):
            return [replicate.policy("dpo", label) for replicate in self.replicates[name]]
        return [runs.evaluation(directory)["test_accuracy"] for directory in self.found[name, label]]

    def section(self):
        parts = ["### Alpha, beta, epochs", "DPO with the difference model's coefficients; held-out pairs ordered rightly."]
        arms = [("0 (none)", "none"), ("0.25", "alpha-0.25"), ("0.5", "difference"), ("1", "alpha-1"), ("2", "alpha-2")]
        rows, claims = [], []
        for name in self.WEIGHTED:
            values = {label: self.values(name, label) for _, label in arms}
            rows.append([CORPORA[name].title, *(mean(values[label]).text() for _, label in arms)])
            claims += [claim(f"{CORPORA[name].title}: α = {title} > none", values[label], values["none"])
                       for title, label in arms[1:]]
        parts += [table(["α", *(title for title, _ in arms)], rows), "\n".join(claims)]
        rows, claims = [], []
        for beta in (0.1, *self.BETAS):
            labels = ("none", "difference") if beta == 0.1 else (f"beta-{beta}-none", f"beta-{beta}")
            none, weighted = (self.values("bradley-terry", label) for label in labels)
            rows.append([f"{beta}", mean(none).text(), mean(weighted).text()])
            claims.append(claim(f"β = {beta}: with coefficients > without", weighted, none))
        parts += [table(["β (Bradley–Terry)", "no coefficients", "difference model's"], rows), "\n".join(claims)]
        rows, claims = [], []
        for name in self.OVERFITTED:
            cells = []
            for epochs, labels in ((1, ("none", "difference")), (self.EPOCHS, ("long-none", "long"))):
                none, weighted = (self.values(name, label) for label in labels)
                cells += [mean(none).text(), mean(weighted).text()]
                if epochs > 1:
                    claims.append(claim(f"{CORPORA[name].title}, {epochs} epochs: with coefficients > without",
                                        weighted, none))
            rows.append([CORPORA[name].title, *cells])
        head = ["epochs", "1: no coefficients", "difference model's", f"{self.EPOCHS}: no coefficients",
                "difference model's"]
        parts += [table(head, rows), "\n".join(claims)]
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
        self.study, dpo = study, DPO(study)
        [searched] = study.replicates([self.CORPUS], seeds=[0])[self.CORPUS]
        replicates = study.replicates([self.CORPUS])[self.CORPUS]
        outputs = {loss: study.runner.root / self.CORPUS / f"search-{self.label(loss)}" for loss in self.SEARCHED}
        study.runner.all("searches", [
            (f"{self.CORPUS}/search-{self.label(loss)}",
             ["grid", "dpo", *dpo.arguments(searched, outputs[loss], settings), "--vary", *varied])
            for loss, (settings, varied) in self.SEARCHED.items()])
        self.chosen = {loss: self.best(output) for loss, output in outputs.items()}
        self.found = {loss: [dpo.add(replicate, f"loss-{self.label(loss)}", settings + self.chosen[loss])
                             for replicate in replicates] for loss, (settings, _) in self.SEARCHED.items()}
        dpo.run("losses")

    @staticmethod
    def label(loss):
        return loss.lower().replace(", ", "-")

    @staticmethod
    def best(output):
        """The settings with the best held-out accuracy."""
        found = json.loads((output / "grid" / "dpo" / "grid.json").read_text(encoding="utf-8"))
        return found["best_by_held_out_accuracy"]

    def section(self):
        values = {loss: [runs.evaluation(directory)["test_accuracy"] for directory in directories]
                  for loss, directories in self.found.items()}
        rows = [[loss, ", ".join(setting.replace("dpo.", "").replace("coefficients.", "") for setting in self.chosen[loss]),
                 mean(values[loss]).text()] for loss in self.SEARCHED]
        claims = [claim(f"weighting > {loss}", values["DPO, weighted"], values[loss])
                  for loss in self.SEARCHED if loss != "DPO, weighted"]
        return "\n\n".join(["### Weighting and losses that read R", table(
            ["loss", "chosen on another seed", "held-out pairs ordered rightly"], rows), "\n".join(claims)])


class Calibration:
    """Whether what a scorer shows on held-out pairs says how much its weights help."""

    FIGURES = {"cross-entropy above the least": "cross-entropy", "calibration error": "distance of σ(∣R∣)",
               "pairs ordered rightly": "ordered rightly"}

    def __init__(self, study: Study):
        self.replicates = [replicate for found in study.replicates(LEARNABLE).values() for replicate in found]

    def figure(self, replicate, source, title, start):
        if start == "ordered rightly":
            return runs.number(replicate.table[start][("none", "reward", "difference").index(source)])
        value = replicate.scorer(source, start)
        if start == "cross-entropy":
            [name] = [name for name in replicate.table if name.startswith(start)]
            value -= float(name.split()[-1])
        return value

    def section(self):
        rows = []
        for title, start in self.FIGURES.items():
            cells = []
            for method in METHODS:
                points = [(self.figure(replicate, source, title, start),
                           replicate.policy(method, source) - replicate.policy(method, "none"))
                          for replicate in self.replicates for source in ("reward", "difference")]
                found = rank_correlation(*(list(values) for values in zip(*points)))
                cells.append(f"{found.mean:+.2f} ({found.low:+.2f} to {found.high:+.2f})".replace("-", "−"))
            rows.append([title, *cells])
        count = 2 * len(self.replicates)
        return "\n\n".join([
            "### What a scorer's held-out figures say of the gain",
            f"Spearman's correlation with the gain in held-out accuracy over no coefficients, over {count} scorers (both "
            "kinds, four corpora, all seeds); bootstrap intervals.", table(["figure", *map(str.upper, METHODS)], rows)])
