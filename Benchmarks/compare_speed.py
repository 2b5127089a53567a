#!/usr/bin/env python3
"""Measures two rdo binaries in turn, and prints how fast and how large NEW is beside BASE.

    Benchmarks/compare_speed.py BASE NEW [--rounds 8] [--steps 8] [--ranks 1,2] [--only TEXT] [--work DIR]

Training steps of dpo, difference and kto (`seconds` of metrics.jsonl, without the first steps, and the largest
`peak_memory_bytes`), and the whole wall time of a scoring pass and of `rdo logprobs`, on a model that is made by the
program itself. Each round runs both binaries on the same work, in the order A B, then B A, so that what the machine
does meanwhile meets both. A ratio is NEW / BASE within one round (of a training, also for the same step); the table
has the median of these ratios and, as spread, half the distance between their quartiles over the rounds. Two more
ratios are less disturbed by other work on the machine: `fastest` of each step's fastest time in any round, and
`processor` of the whole runs' processor time (on several ranks with the waiting for each other). BASE against BASE says
what a ratio of 1 looks like here, and the spread whether the machine is idle enough. Standard library only.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time

SHAPE = {
    "hidden_size": 256, "intermediate_size": 688, "layers": 6, "heads": 8, "key_value_heads": 4, "max_positions": 512}
WORDS = "harbour lantern meadow thimble quarry saddle velvet willow anchor bramble copper drizzle".split()
WARM_UP = 2


def run(binary, arguments, ranks, directory):
    """Seconds of wall and processor time, and the largest resident set in bytes where no mpirun stands between."""
    environment = dict(
        os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_mpi_yield_when_idle="1")
    command = [str(binary)] + arguments
    if ranks > 1:
        command = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", str(ranks)] + command
    with open(directory / "log.txt", "wb") as log:
        began = time.monotonic()
        process = subprocess.Popen(command, cwd=directory, env=environment, stdout=log, stderr=log)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\n{(directory / 'log.txt').read_text(errors='replace')}")
    wall, processor = time.monotonic() - began, usage.ru_utime + usage.ru_stime
    return wall, processor, usage.ru_maxrss * 1024 if ranks == 1 else None


def write_inputs(directory, steps):
    """Pairs of some two hundred tokens, and the configuration of everything."""

    def text(seed, count):
        return " ".join(WORDS[(seed * 7 + k * k + k * seed) % len(WORDS)] for k in range(count))

    rows = [
        {"prompt": text(i, 9 + i % 5), "chosen": " " + text(i + 3, 7 + i % 6), "rejected": " " + text(i + 5, 8 + i % 4)}
        for i in range(32)]
    (directory / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    train = {
        "steps": steps, "batch_size": 4, "micro_batches": 4, "learning_rate": 1e-5, "checkpoint_every": 0,
        "keep_checkpoints": 1}
    weighted = dict(train, coefficients={"use": False})
    config = {
        "output": "out", "model": {"init": SHAPE}, "data": {"train": "pairs.jsonl", "max_tokens": 512},
        "difference": train, "dpo": weighted, "kto": weighted,
        "score": {"model": "made/difference/model", "file": "scores.h5"}}
    (directory / "config.json").write_text(json.dumps(config))


class Trial:
    """Something to measure: `sample` runs it once and returns seconds of each step, processor seconds and bytes."""

    def __init__(self, name, unit, sample):
        self.name, self.unit, self.sample = name, unit, sample


def trials(directory, ranks):
    def training(name):
        def sample(binary):
            metrics = directory / "out" / name / "metrics.jsonl"
            metrics.unlink(missing_ok=True)
            # The model and the reference are those made before; only steps are timed.
            _, processor, _ = run(binary, [
                "train", name, "config.json", "--resume", "never", "--set", "model.init=null", "--set",
                "model.path=made/initial-model", "--set", f"reference.file=made/{name}-reference.h5"], ranks, directory)
            lines = [json.loads(line) for line in metrics.read_text().splitlines()]
            peak = max(line["peak_memory_bytes"] for line in lines)
            return [line["seconds"] for line in lines[WARM_UP:]], processor, peak

        return sample

    def scoring(binary):
        (directory / "scores.h5").unlink(missing_ok=True)
        command = ["score", "config.json", "--set", "model.init=null", "--set", "model.path=made/initial-model"]
        seconds, *rest = run(binary, command, ranks, directory)
        return [seconds], *rest

    def logprobs(binary):
        (directory / "logprobs.h5").unlink(missing_ok=True)
        command = ["logprobs", "--model", "made/initial-model", "--data", "pairs.jsonl", "--out", "logprobs.h5"]
        seconds, *rest = run(binary, command, ranks, directory)
        return [seconds], *rest

    for name in ("dpo", "difference", "kto"):
        yield Trial(name, "step", training(name))
    yield Trial("score", "pass", scoring)
    yield Trial("logprobs", "pass", logprobs)


def measure(trial, binaries, rounds):
    """For each round a pair of samples, BASE's and NEW's."""
    pairs = []
    for number in range(rounds):
        samples = {side: trial.sample(binaries[side]) for side in ((0, 1), (1, 0))[number % 2]}
        pairs.append((samples[0], samples[1]))
    return pairs


def spread(values):
    """Half the distance between the quartiles."""
    if len(values) < 2:
        return 0
    quartiles = statistics.quantiles(values, n=4, method="inclusive")
    return (quartiles[2] - quartiles[0]) / 2


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base")
    parser.add_argument("new")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--ranks", default="1,2")
    parser.add_argument("--only", default="")
    parser.add_argument("--work")
    options = parser.parse_args()
    if options.steps <= WARM_UP or options.rounds < 1:
        raise SystemExit(f"at least {WARM_UP + 1} steps and one round")
    binaries = [pathlib.Path(path).resolve() for path in (options.base, options.new)]
    heads = [
        "work", "ranks", "BASE", "NEW", "time NEW / BASE", "spread", "fastest", "processor", "memory BASE", "NEW",
        "memory NEW / BASE"]
    print(f"| {' | '.join(heads)} |\n|---|{'---:|' * (len(heads) - 1)}", flush=True)
    with tempfile.TemporaryDirectory(dir=options.work, prefix="rdo-speed-") as directory:
        directory = pathlib.Path(directory)
        write_inputs(directory, options.steps)
        made = ["--set", "output=made", "--set"]
        scorer = ["passes=[difference]", "--set", "difference.steps=1"]
        run(binaries[0], ["run", "config.json", *made, *scorer], 1, directory)
        # KTO's reference knows the combinations of its own steps, so each method has a file.
        for name in ("dpo", "kto"):
            run(binaries[0], [
                "run", "config.json", *made, f"passes=[reference, {name}]", "--set",
                f"reference.file=made/{name}-reference.h5"], 1, directory)
        for ranks in map(int, options.ranks.split(",")):
            for trial in trials(directory, ranks):
                if options.only not in trial.name:
                    continue
                pairs = measure(trial, binaries, options.rounds)
                ratios = [[new / base for base, new in zip(a[0], b[0])] for a, b in pairs]
                fastest = [sum(map(min, zip(*(pair[side][0] for pair in pairs)))) for side in (0, 1)]
                cells = [trial.name, str(ranks)]
                for side in (0, 1):
                    seconds = statistics.median(value for pair in pairs for value in pair[side][0])
                    cells.append(f"{seconds:.3f} s a {trial.unit}")
                cells += [
                    f"{statistics.median(sum(ratios, [])):.3f}",
                    f"± {spread([statistics.median(part) for part in ratios]):.3f}",
                    f"{fastest[1] / fastest[0]:.3f}", f"{statistics.median(b[1] / a[1] for a, b in pairs):.3f}"]
                if pairs[0][0][2]:
                    cells += [f"{statistics.median(pair[side][2] for pair in pairs) / 1e6:.1f} MB" for side in (0, 1)]
                    cells.append(f"{statistics.median(b[2] / a[2] for a, b in pairs):.3f}")
                else:
                    cells += ["", "", ""]
                print("| " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
