#!/usr/bin/env python3
"""Measures what large preference data cost: time of `rdo prepare`, and time and memory of passes over them.

    Benchmarks/large_data.py RDO [--pairs 100000,1000000] [--ranks 2] [--base OTHER] [--passes prepare,score,dpo]
                             [--tokenizer DIR] [--work DIR]

The pairs are generated: made-up words with the lengths of Anthropic's HH (medians of 21 words a prompt and 22 a
response, log-normal). The model has 2,000 parameters beside its embeddings, so that what is left is the cost of the
data. `prepare` runs on one rank and on RANKS; `score` (difference model), `reference` and two steps of `dpo` that join
both files run on RANKS; `again` is the second start of the finished run. Memory is the largest resident set of any rank
(Linux's VmHWM). With --base: one step of `dpo` without coefficients and reference by the other binary on one rank, which
is its reading of the data. Standard library only.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import time

SHAPE = {
    "hidden_size": 16, "intermediate_size": 32, "layers": 1, "heads": 2, "key_value_heads": 2, "max_positions": 4096}


def write_pairs(path, count):
    """JSON lines of a prompt, a chosen and a rejected response."""
    generator = random.Random(7)
    syllables = [a + b for a in "bdfgklmnprstvz" for b in "aeiou"]
    words = ["".join(generator.choices(syllables, k=generator.choice((1, 2, 2, 3)))) for _ in range(4000)]
    # Texts are cut from one long one: drawing every word would take longer than what is measured.
    text = " ".join(generator.choices(words, k=400_000))

    def cut(median, spread):
        length = 6 * max(2, min(400, int(generator.lognormvariate(0, spread) * median)))
        start = text.index(" ", generator.randrange(len(text) - length - 100)) + 1
        return text[start:text.index(" ", start + length - 6)]

    with open(path, "w") as file:
        for number in range(count):
            chosen, rejected = cut(22, 0.85), cut(22, 0.85)
            while rejected == chosen:
                rejected = cut(22, 0.85)
            file.write(json.dumps({
                "prompt": f"\n\nHuman: {cut(21, 0.8)} {number}\n\nAssistant:", "chosen": " " + chosen,
                "rejected": " " + rejected}) + "\n")


class Run:
    """Runs a command and notes seconds, the largest resident set of any of its ranks, and what it wrote."""

    def __init__(self, binary, arguments, ranks, directory, may_fail=False):
        environment = dict(
            os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_mpi_yield_when_idle="1")
        command = [str(binary)] + arguments
        if ranks > 1:
            command = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", str(ranks)] + command
        self.memory = 0
        log = directory / "log.txt"
        with open(log, "wb") as output:
            began = time.monotonic()
            process = subprocess.Popen(command, cwd=directory, env=environment, stdout=output, stderr=output)
            while process.poll() is None:
                self.memory = max(self.memory, self.resident(process.pid, os.path.realpath(binary)))
                time.sleep(0.05)
            self.seconds = time.monotonic() - began
        self.text = log.read_text(errors="replace")
        if process.returncode != 0 and not may_fail:
            raise SystemExit(f"{' '.join(command)}\n{self.text[-3000:]}")

    @staticmethod
    def resident(root, binary):
        """The largest VmHWM, in bytes, of the process and its descendants that run the binary."""
        largest, waiting = 0, [root]
        while waiting:
            pid = waiting.pop()
            try:
                for task in os.listdir(f"/proc/{pid}/task"):
                    waiting += map(int, open(f"/proc/{pid}/task/{task}/children").read().split())
                if os.readlink(f"/proc/{pid}/exe") == binary:
                    for line in open(f"/proc/{pid}/status"):
                        if line.startswith("VmHWM"):
                            largest = max(largest, 1024 * int(line.split()[1]))
            except OSError:
                pass
        return largest


def configuration(directory, data, tokenizer):
    train = {
        "steps": 2, "batch_size": 8, "micro_batches": 4, "learning_rate": 1e-5, "checkpoint_every": 0,
        "keep_checkpoints": 1}
    model = {"init": dict(SHAPE)}
    if tokenizer:
        model["tokenizer"] = str(pathlib.Path(tokenizer).resolve())
    config = {
        "output": "out", "model": model, "data": {"train": str(data), "max_tokens": 4096}, "difference": train,
        "passes": ["difference"], "dpo": dict(train, variant="dpo"), "score": {"chunk": 64},
        "reference": {"chunk": 64}}
    (directory / "config.json").write_text(json.dumps(config))


def measure(options, count, directory):
    data = directory / f"pairs-{count}.jsonl"
    if not data.exists():
        write_pairs(data, count)
    configuration(directory, data, options.tokenizer)
    passes = options.passes.split(",")
    shutil.rmtree(directory / "out", ignore_errors=True)

    def row(name, ranks, run):
        print(
            f"| {count:,} | {name} | {ranks} | {run.seconds:.1f} s | {count / run.seconds:,.0f} | "
            f"{run.memory / 1e6:.1f} MB |", flush=True)

    if options.base:
        alone = ["--set", "dpo.variant=simpo", "--set", "dpo.coefficients.use=false", "--set", "dpo.steps=1"]
        row("base: reads", 1, Run(options.base, ["train", "dpo", "config.json", "--set", "output=base"] + alone, 1, directory))
        shutil.rmtree(directory / "base", ignore_errors=True)
    if "prepare" in passes:
        for ranks in sorted({1, options.ranks}):
            shutil.rmtree(directory / "out", ignore_errors=True)
            row("prepare", ranks, Run(options.rdo, ["prepare", "config.json"], ranks, directory))
    chain = [name for name in passes if name in ("score", "reference", "dpo")]
    if not chain:
        return
    if "score" in chain:
        # The scorer learns from a few pairs.
        Run(options.rdo, ["run", "config.json", "--set", "data.limit=64"], 1, directory)
    lacking = [] if "score" in chain else ["--set", "dpo.coefficients.use=false"]
    lacking += [] if "reference" in chain else ["--set", "dpo.variant=simpo"]
    for name in chain:
        row(name, options.ranks, Run(
            options.rdo, ["run", "config.json", "--set", f"passes=[{name}]"] + lacking, options.ranks, directory))
    row("again", options.ranks, Run(
        options.rdo, ["run", "config.json", "--set", f"passes=[{','.join(chain)}]"] + lacking, options.ranks, directory))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rdo", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--pairs", default="100000,1000000")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--base", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--passes", default="prepare,score,reference,dpo")
    parser.add_argument("--tokenizer")
    parser.add_argument("--work")
    options = parser.parse_args()
    print("| pairs | pass | ranks | time | pairs a second | memory of a rank |\n|---:|---|---:|---:|---:|---:|", flush=True)
    for count in map(int, options.pairs.split(",")):
        if options.work:
            measure(options, count, pathlib.Path(options.work))
        else:
            with tempfile.TemporaryDirectory(prefix="rdo-large-") as directory:
                measure(options, count, pathlib.Path(directory))


if __name__ == "__main__":
    main()
