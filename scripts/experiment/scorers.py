"""How well the scorers order pairs, where they are right, and which pairs get small coefficients."""

from experiment.demos import CORPORA, Study
from experiment.page import claim, table
from experiment.runs import config, number
from experiment.statistics import mean

RANGES = ["0 to 1", "1 to 2", "2 to 3", "from 3"]


class Scorers:
    # Without the two rules, on the paper's kind of labels and where only a comparison can be right.
    WITHOUT_RULES = ["bradley-terry", "comparative"]

    def __init__(self, study: Study):
        self.study, self.replicates = study, study.replicates(list(CORPORA))
        self.without = self.train_without_rules()

    def train_without_rules(self):
        """By corpus and seed, the held-out coefficients of a difference model with both lambdas 0."""
        tasks, files = [], {}
        for name in self.WITHOUT_RULES:
            for replicate in self.replicates[name]:
                output = self.study.runner.root / name / f"without-rules-{replicate.seed}"
                files[name, replicate.seed] = output / "coefficients-test.h5"
                tasks.append((f"{name}/without-rules-{replicate.seed}", [
                    "run", config("scorer"), "--set", *replicate.inputs, f"output={output}",
                    *self.study.few("difference")]))
        self.study.runner.all("difference models without the rules", tasks)
        return files

    def section(self):
        return "\n\n".join(["### Scorers", self.accuracies(), self.ranges(), self.weights()])

    def accuracy(self, name, which):
        """By seed: which is reward, difference or without; of R, and of a difference read in one order, whichever."""
        symmetric, alone = [], []
        for replicate in self.replicates[name]:
            path = self.without[name, replicate.seed] if which == "without" else replicate.coefficients(which)
            columns = ("r",) if which == "reward" else ("r", "difference", "reversed")
            pairs = self.study.runner.pairs(path, "label", *columns)
            symmetric.append(sum(label * r > 0 for label, r, *_ in pairs) / len(pairs))
            if which != "reward":
                orders = [label * d > 0 for label, _, one, other in pairs for d in (one, -other)]
                alone.append(sum(orders) / len(orders))
        return symmetric, alone

    def accuracies(self):
        rows, claims = [], []
        for name, corpus in CORPORA.items():
            reward, difference = self.accuracy(name, "reward"), self.accuracy(name, "difference")
            cells = [mean(reward[0]).text(), mean(difference[0]).text(), mean(difference[1]).text(), "", ""]
            claims.append(claim(f"{corpus.title}: difference model > reward model", ("", difference[0], reward[0])))
            if name in self.WITHOUT_RULES:
                without = self.accuracy(name, "without")
                cells[3:] = [mean(without[0]).text(), mean(without[1]).text()]
                claims += [
                    claim(f"{corpus.title}: with the two rules > without them", ("", difference[0], without[0])),
                    claim(f"{corpus.title}: the same, read in one order", ("", difference[1], without[1]))]
            rows.append([corpus.title, *cells])
        head = ["held-out pairs ordered rightly", "reward model", "difference model", "… in one order",
                "without the two rules", "… in one order"]
        return table(head, rows) + "\n\n" + "\n".join(claims)

    def ranges(self):
        """Accuracy of the difference model by |R|, of all seeds' pairs together; claims by seed."""
        rows, claims = [], []
        for name, corpus in CORPORA.items():
            cells, by_seed = [], []
            found = [[replicate.table.get(f"ordered rightly where ∣R∣ is {title}", ["", "", ""])[2]
                      for title in RANGES] for replicate in self.replicates[name]]
            counts = [[(number(cell), int(cell.split(" of ")[1])) if " of " in cell else (0.0, 0) for cell in cells]
                      for cells in found]
            for place in range(len(RANGES)):
                total = sum(seed[place][1] for seed in counts)
                right = sum(seed[place][0] * seed[place][1] for seed in counts)
                cells.append(f"{right / total:.3f} of {total}" if total else "")
            rows.append([corpus.title, *cells])
            for seed in counts:
                low, rest = seed[0], [(share, count) for share, count in seed[1:] if count]
                if low[1] and rest:
                    above = sum(share * count for share, count in rest) / sum(count for _, count in rest)
                    by_seed.append((above, low[0]))
            if len(by_seed) > 1:
                claims.append(claim(f"{corpus.title}: more right where ∣R∣ ≥ 1 than below",
                                    ("", [above for above, _ in by_seed], [below for _, below in by_seed])))
            else:
                claims.append(f"- {corpus.title}: ∣R∣ reaches 1 in too few seeds to compare: **undecided**")
        return table(["difference model right where ∣R∣ is", *RANGES], rows) + "\n\n" + "\n".join(claims)

    def weights(self):
        rows, claims = [], []
        for name, corpus in CORPORA.items():
            cells = []
            for source in ("reward", "difference"):
                right, wrong = ([replicate.scorer(source, f"mean where the label is {which}")
                                 for replicate in self.replicates[name]] for which in ("right", "wrong"))
                cells += [mean(right).text(), mean(wrong).text() if None not in wrong else "none"]
                if source == "difference" and None not in wrong:
                    claims.append(claim(f"{corpus.title}: right labels weigh more than wrong ones", ("", right, wrong)))
            rows.append([corpus.title, *cells])
        head = ["mean weight of training pairs, α = 0.5", "reward model, label right", "wrong",
                "difference model, label right", "wrong"]
        return table(head, rows) + "\n\n" + "\n".join(claims)
