"""The replicates that all experiments share: one demo for each corpus and seed."""

import collections

from experiment import runs, truth
from experiment.runs import config

Corpus = collections.namedtuple("Corpus", "name title settings pairs policies")

# Pairs to train on: the comparative corpus needs more before the difference model finds its circle.
CORPORA = {corpus.name: corpus for corpus in [
    Corpus("bradley-terry", "Bradley–Terry", ["demo.corpus=bradley-terry"], 1280, True),
    Corpus("flips-0", "no label flipped", ["demo.corpus=flips", "demo.flip_share=0"], 1280, True),
    Corpus("flips-20", "20 % flipped", ["demo.corpus=flips", "demo.flip_share=0.2"], 1280, True),
    Corpus("flips-40", "40 % flipped", ["demo.corpus=flips", "demo.flip_share=0.4"], 1280, True),
    # No policy can learn it (docs/results.md), so none is trained.
    Corpus("comparative", "comparative", ["demo.corpus=comparative"], 2560, False)]}
METHODS = ["dpo", "rrhf", "kto"]
SOURCES = ["none", "reward", "difference"]
# Policies of half the pairs take half the demo's batch, and so as many steps.
BATCH = 32
# The demo's 2 are enough to order responses, not to draw any that consist of words.
START_EPOCHS = 8
# Responses that a policy draws to each held-out prompt.
DRAWN = 2


class Replicate:
    """What the demo of one corpus and seed left."""

    def __init__(self, directory, corpus, seed):
        self.directory, self.corpus, self.seed = directory, corpus, seed
        self.table = runs.demo_table(directory)

    def policy(self, method, source):
        """Directory of the policy's training pass."""
        name = method + ("" if source == "none" else f"-rc-{source}") + f"-seed-{self.seed}"
        return self.directory / name / method

    def scorer(self, source, start):
        """A scorer's figure, from the row of the demo's table whose name begins so."""
        return runs.number(runs.row(self.table, start)[SOURCES.index(source)])

    def coefficients(self, source):
        """Of the held-out pairs."""
        return self.directory / ("coefficients-test.h5" if source == "difference" else "coefficients-reward-test.h5")

    @property
    def inputs(self):
        """Settings of `rdo run` that make a configuration of configs/small start from this replicate."""
        at = self.directory
        return [f"model.path={at}/sft/model", f"data.train={at}/data/train.jsonl", f"data.test={at}/data/test.jsonl",
                f"seed={self.seed}"]


class Study:
    """Runs what is asked for, once, and hands it out."""

    def __init__(self, runner, seeds, tiny=False):
        self.runner, self.seeds, self.tiny, self.known, self.drawn = runner, list(seeds), tiny, {}, {}

    def few(self, *passes):
        """Settings that make a run tiny where the study is."""
        return [f"{name}.steps=2" for name in passes] if self.tiny else []

    def demo(self, corpus, seed):
        settings = [
            f"output={self.runner.root}/{corpus.name}/seed-{seed}", f"seed={seed}", f"demo.seeds={seed}",
            f"demo.data_seed={2024 + seed}", f"demo.train_pairs={64 if self.tiny else corpus.pairs}",
            f"demo.methods=[{', '.join(METHODS if corpus.policies else [])}]",
            f"sft.epochs={START_EPOCHS}", *(f"{method}.batch_size={BATCH}" for method in METHODS), *corpus.settings,
            *self.few("sft", "reward", "difference", *METHODS)]
        if self.tiny:
            settings.append("demo.held_out_pairs=40")
        return f"{corpus.name}/seed-{seed}", ["run", "--set", *settings]

    def qualities(self, policies):
        """Mean true quality of what policies draw; a policy is (replicate, directory of the training pass)."""
        tasks, files = [], []
        for replicate, directory in policies:
            output = directory.parent / "drawn"
            files.append(output / "generated.jsonl")
            if files[-1] in self.drawn:
                continue
            tasks.append((str(output.relative_to(self.runner.root)), [
                "run", config("policy"), "--set", *replicate.inputs, "passes=[generate]", f"output={output}",
                f"generate.model={directory}/model", f"generate.prompts={replicate.directory}/data/test.jsonl",
                "generate.strategy=sample", f"generate.responses={DRAWN}", "generate.max_new_tokens=40"]))
        if tasks:
            self.runner.all("drawn responses", tasks)
        self.drawn.update((path, truth.mean_quality(path)) for path in files if path not in self.drawn)
        return [self.drawn[path] for path in files]

    def replicates(self, names, seeds=None):
        """By corpus, the replicates in the order of the seeds."""
        seeds = self.seeds if seeds is None else seeds
        wanted = [(name, seed) for seed in seeds for name in names]
        missing = [key for key in wanted if key not in self.known]
        if missing:
            self.runner.all("corpora", [self.demo(CORPORA[name], seed) for name, seed in missing])
        for name, seed in missing:
            directory = self.runner.root / name / f"seed-{seed}"
            self.known[name, seed] = Replicate(directory, CORPORA[name], seed)
            if CORPORA[name].policies:
                truth.check(directory / "data" / "test.jsonl")
        return {name: [self.known[name, seed] for seed in seeds] for name in names}
