#!/usr/bin/env python3
"""Compares what `rdo plan` predicts with what training does, for two models, two batch sizes and 1, 2 and 4 ranks.

    Benchmarks/plan_vs_measured.py --rdo .build-release/release/rdo --model DIR --data PAIRS.jsonl [--update]

DIR is a Hugging Face directory of a Llama-family model of some hundred million parameters, PAIRS.jsonl any preference
data. The second model is made by the program itself. With --update the table replaces the one between the markers in
docs/performance.md. Standard library only.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile

MARKERS = ("<!-- plan-vs-measured -->", "<!-- /plan-vs-measured -->")
SMALL = {"hidden_size": 384, "intermediate_size": 1024, "layers": 8, "heads": 6, "key_value_heads": 6}


def run(command, ranks=0):
    environment = dict(
        os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1", OMPI_MCA_mpi_yield_when_idle="1")
    if ranks:
        command = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", str(ranks)] + command
    result = subprocess.run(command, env=environment, capture_output=True, text=True)
    if result.returncode != 0:
        raise SystemExit(f"{' '.join(command)}\n{result.stderr}")
    return result.stdout


def configuration(name, model, data, output, batch):
    settings = {
        "output": output, "passes": ["dpo"],
        "data": {
            "train": data, "limit": 4 * batch, "max_tokens": 1024, "over_long": "truncate", "on_error": "skip",
            "template": "hh",
        },
        # SimPO needs no reference and has DPO's trees; one epoch is the batches that the plan looks at.
        "dpo": {
            "epochs": 1, "batch_size": batch, "micro_batches": 8, "learning_rate": 1e-6, "variant": "simpo", "beta": 2,
            "checkpoint_every": 0, "coefficients": {"use": False},
        },
        "model": {"path": model} if model else {"init": SMALL, "tokenizer": name},
    }
    return json.dumps(settings)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rdo", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--ranks", default="1,2,4")
    parser.add_argument("--batches", default="16,32")
    parser.add_argument("--models", default="given,small")
    parser.add_argument("--update", action="store_true")
    arguments = parser.parse_args()
    lines = [
        "| model | batch | ranks | step, predicted | step, measured | ratio | memory of a rank, predicted | measured | "
        "ratio | exposed communication | speed-up |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        for small in (name == "small" for name in arguments.models.split(",")):
            for batch in map(int, arguments.batches.split(",")):
                alone = None
                for ranks in map(int, arguments.ranks.split(",")):
                    output = scratch / "run"
                    config = scratch / "config.yaml"
                    model = None if small else arguments.model
                    config.write_text(configuration(arguments.model, model, arguments.data, str(output), batch))
                    machine = scratch / "machine.json"
                    # The rates are measured anew each time: on a shared machine they change within minutes.
                    bench = ["bench", "--out", str(machine)]
                    if small:
                        shape = scratch / "shape"
                        shape.mkdir(exist_ok=True)
                        source = json.loads((pathlib.Path(arguments.model) / "config.json").read_text())
                        source.update(
                            hidden_size=SMALL["hidden_size"], intermediate_size=SMALL["intermediate_size"],
                            num_hidden_layers=SMALL["layers"], num_attention_heads=SMALL["heads"],
                            num_key_value_heads=SMALL["key_value_heads"])
                        source.pop("head_dim", None)
                        (shape / "config.json").write_text(json.dumps(source))
                        bench += ["--model", str(shape)]
                    else:
                        bench += ["--model", arguments.model]
                    run([arguments.rdo] + bench, ranks)
                    plan = json.loads(run([
                        arguments.rdo, "plan", str(config), "--ranks", str(ranks), "--machine", str(machine),
                        "--json"]))[0]
                    run([arguments.rdo, "train", "dpo", str(config), "--resume", "never"], ranks)
                    metrics = [json.loads(line) for line in open(output / "dpo" / "metrics.jsonl")]
                    # The first step also touches all memory for the first time.
                    rates = [m["tokens"] / m["seconds"] for m in metrics[1:]]
                    measured = plan["tokens_per_step"] / statistics.median(rates)
                    exposed = sum(m["comm_exposed_seconds"] for m in metrics[1:]) / sum(
                        m["seconds"] for m in metrics[1:])
                    peak = max(m["peak_memory_bytes"] for m in metrics)
                    alone = alone or measured
                    lines.append(
                        f"| {plan['parameters'] / 1e6:.0f} M | {batch} | {ranks} | {plan['step_seconds']:.2f} s | "
                        f"{measured:.2f} s | {plan['step_seconds'] / measured:.2f} | {plan['rank_bytes'] / 1e6:.0f} MB | "
                        f"{peak / 1e6:.0f} MB | {plan['rank_bytes'] / peak:.2f} | {100 * exposed:.1f} % | "
                        f"{alone / measured:.2f} |")
                    print(lines[-1], flush=True)
    table = "\n".join(lines)
    print(table)
    if arguments.update:
        page = pathlib.Path(__file__).resolve().parent.parent / "docs" / "performance.md"
        text = page.read_text()
        before, after = text.index(MARKERS[0]) + len(MARKERS[0]), text.index(MARKERS[1])
        page.write_text(text[:before] + "\n\n" + table + "\n\n" + text[after:])


if __name__ == "__main__":
    main()
