#!/usr/bin/env python3
"""Read the event files of a run with TensorBoard and compare every scalar with metrics.jsonl and evaluation.jsonl.

usage: check_tensorboard.py RUN            (the output directory of a run with `metrics: [jsonl, tensorboard]`)

Needs tensorboard 2.21.0 (pip install tensorboard==2.21.0), which reads in two ways: EventAccumulator, and the data server
that `tensorboard --logdir` starts. Both must show each step once, with the float of each number of the JSON lines, and
nothing else. Histograms must have every step of metrics.jsonl, hold as many values in their parts as they say, and have the
means that metrics.jsonl has. Exits 1 at any difference.
"""
import collections
import json
import math
import pathlib
import sys

import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.context import RequestContext
from tensorboard.data import server_ingester
from tensorboard.util import grpc_util

MACHINE = {
    "tokens_per_second", "seconds", "mfu", "leaf_imbalance", "rank_imbalance", "comm_exposed_seconds",
    "state_memory_bytes", "gathered_memory_bytes", "peak_memory_bytes",
}
# Histograms whose mean is a figure of metrics.jsonl, by pass.
MEANS = {
    "reward": {"train/margins": "margin"}, "difference": {"train/differences": "difference"},
    "dpo": {"train/margins": "margin", "train/coefficients": "coefficient_mean"},
    "kto": {"train/coefficients": "coefficient_mean"},
}
failures = 0


def fail(what):
    global failures
    failures += 1
    if failures <= 20:
        print("FAILED:", what)


def tag(name):
    if name.startswith("test_"):
        return "test/" + name[len("test_"):]
    return ("machine/" if name in MACHINE else "train/") + name


def expected(directory):
    """{tag: [(step, value)]} of the JSON lines; null is NaN here: a number that is not finite."""
    series = collections.defaultdict(list)
    for name in ("metrics.jsonl", "evaluation.jsonl"):
        path = directory / name
        for line in path.read_text().splitlines() if path.exists() else []:
            record = json.loads(line)
            for key, value in record.items():
                if key != "step" and not isinstance(value, str):
                    series[tag(key)].append((record["step"], math.nan if value is None else value))
    return series


def compare(name, shown, wanted):
    """How many values agree."""
    if set(shown) != set(wanted):
        fail(f"{name}: tags differ: {set(shown) ^ set(wanted)}")
    count = 0
    for tag in set(shown) & set(wanted):
        if [step for step, _ in shown[tag]] != [step for step, _ in wanted[tag]]:
            fail(f"{name}: steps of {tag}")
            continue
        for (step, value), (_, number) in zip(shown[tag], wanted[tag]):
            same = not np.isfinite(value) if math.isnan(number) else np.float32(value) == np.float32(number)
            if same:
                count += 1
            else:
                fail(f"{name}: {tag} of step {step} is {value}, not {number}")
    return count


def check_histograms(directory, accumulator, wanted):
    count = 0
    steps = [step for step, _ in wanted["train/loss"]]
    for name in accumulator.Tags()["histograms"]:
        events = accumulator.Histograms(name)
        if [event.step for event in events] != steps:
            fail(f"{directory}: steps of the histograms {name}")
        figure = MEANS.get(directory.name, {}).get(name)
        means = dict(wanted["train/" + figure]) if figure else {}
        for event in events:
            value = event.histogram_value
            if sum(value.bucket) != value.num or len(value.bucket) != len(value.bucket_limit):
                fail(f"{directory}: parts of {name} at step {event.step}")
            if event.step in means and not math.isclose(
                value.sum / value.num, means[event.step], rel_tol=1e-9, abs_tol=1e-12
            ):
                fail(f"{directory}: mean of {name} at step {event.step}")
            count += 1
        # What the tab of distributions shows.
        if [event.step for event in accumulator.CompressedHistograms(name)] != steps:
            fail(f"{directory}: distributions of {name}")
    return count


def data_server(root):
    """{run: {tag: [(step, value)]}} as the browser gets it."""
    ingester = server_ingester.SubprocessServerDataIngester(
        server_binary=server_ingester.get_server_binary(), logdir=str(root), reload_interval=0,
        channel_creds_type=grpc_util.ChannelCredsType.LOCAL, samples_per_plugin={"scalars": 0})
    ingester.start()
    read = ingester.data_provider.read_scalars(
        RequestContext(), experiment_id="", plugin_name="scalars", downsample=10**9)
    return {
        run: {tag: [(point.step, point.value) for point in points] for tag, points in tags.items()}
        for run, tags in read.items()
    }


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    root = pathlib.Path(sys.argv[1])
    directories = sorted(path.parent for path in root.glob("*/tensorboard") if path.is_dir())
    if not directories:
        sys.exit(f"no event files in {root}")
    served = data_server(root)
    for directory in directories:
        wanted = expected(directory)
        events = directory / "tensorboard"
        accumulator = EventAccumulator(str(events), size_guidance={"scalars": 0, "histograms": 0,
                                                                   "compressedHistograms": 0})
        accumulator.Reload()
        scalars = {
            name: [(event.step, event.value) for event in accumulator.Scalars(name)]
            for name in accumulator.Tags()["scalars"]
        }
        counts = (
            compare(f"{directory.name}, EventAccumulator", scalars, wanted),
            compare(f"{directory.name}, data server", served.get(f"{directory.name}/tensorboard", {}), wanted),
            check_histograms(directory, accumulator, wanted))
        print(f"{directory.name}: {len(list(events.iterdir()))} file(s), {len(wanted)} tags, {counts[0]} scalars, "
              f"{counts[1]} through the data server, {counts[2]} histograms")
    print(f"{failures} difference(s)")
    sys.exit(1 if failures else 0)


main()
