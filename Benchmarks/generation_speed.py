#!/usr/bin/env python3
"""Generation against `transformers.generate`: tokens a second for the same queries on the same cores.

    python3 generation_speed.py RDO MODEL QUERIES.jsonl [--count 64] [--samples 4] [--new 64] [--cores 2] [--rounds 3] [--batches 16 64]

Both draw SAMPLES responses of at most NEW tokens to each query (temperature 1, no restriction) in fp32: rdo with a rank for
each core, transformers with as many threads, once for each number of queries in a batch, sorted by length and padded on the
left; its best batch counts. Rounds alternate, and the ratio is that of the medians. Tokens are those of the responses, their end
tokens included. Loading the model does not count on either side. Needs torch and transformers; prints the table of
docs/performance.md.
"""
import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

parser = argparse.ArgumentParser()
parser.add_argument("rdo")
parser.add_argument("model")
parser.add_argument("queries")
parser.add_argument("--count", type=int, default=64)
parser.add_argument("--samples", type=int, default=4)
parser.add_argument("--new", type=int, default=64)
parser.add_argument("--cores", type=int, default=2)
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("--batches", type=int, nargs="*", default=[16, 64])
parser.add_argument("--set", nargs="*", default=[], help="settings of rdo")
arguments = parser.parse_args()

os.environ["OMP_NUM_THREADS"] = str(arguments.cores)
import torch  # noqa: E402
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast  # noqa: E402

torch.set_num_threads(arguments.cores)
with open(arguments.queries) as file:
    queries = [json.loads(line)["prompt"] for line in file][: arguments.count]
tokenizer = PreTrainedTokenizerFast(tokenizer_file=arguments.model + "/tokenizer.json", padding_side="left")
model = AutoModelForCausalLM.from_pretrained(arguments.model).float().eval()
ends = model.generation_config.eos_token_id
ends = ends if isinstance(ends, list) else [ends]
tokenizer.pad_token_id = ends[0]


def reference(batch):
    """Tokens and seconds of transformers."""
    order = sorted(queries, key=lambda query: len(tokenizer(query).input_ids))
    tokens, began = 0, time.perf_counter()
    for start in range(0, len(order), batch):
        inputs = tokenizer(order[start:start + batch], return_tensors="pt", padding=True, return_token_type_ids=False)
        with torch.no_grad():
            out = model.generate(
                **inputs, do_sample=True, temperature=1.0, top_k=0, top_p=1.0, max_new_tokens=arguments.new,
                num_return_sequences=arguments.samples, pad_token_id=ends[0])
        for row in out[:, inputs.input_ids.shape[1]:].tolist():
            tokens += next((place + 1 for place, token in enumerate(row) if token in ends), len(row))
    return tokens, time.perf_counter() - began


def own():
    """Tokens and seconds of rdo, from its own report."""
    with tempfile.TemporaryDirectory() as work:
        with open(work + "/queries.jsonl", "w") as file:
            file.writelines(json.dumps({"prompt": query}) + "\n" for query in queries)
        with open(work + "/c.yaml", "w") as file:
            file.write(f"output: {work}/out\nmodel: {{path: {os.path.abspath(arguments.model)}}}\n"
                       f"data: {{train: {work}/queries.jsonl, max_tokens: 4096}}\n")
        out = subprocess.run(
            ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", str(arguments.cores), arguments.rdo, "generate",
             work + "/c.yaml", "--set", "generate.strategy=sample", f"generate.responses={arguments.samples}",
             f"generate.max_new_tokens={arguments.new}",
             f"generate.chunk={(len(queries) + arguments.cores - 1) // arguments.cores}", *arguments.set],
            capture_output=True, text=True)
        if out.returncode:
            sys.exit(out.stderr)
        found = re.search(r"(\d+) tokens in ([\d.]+) s", out.stderr)
        return int(found[1]), float(found[2])


results = {"rdo": []} | {f"transformers, batches of {batch}": [] for batch in arguments.batches}
for round in range(arguments.rounds):
    for name in results:
        tokens, seconds = own() if name == "rdo" else reference(int(name.split()[-1]))
        results[name].append(tokens / seconds)
        print(f"round {round + 1}, {name}: {tokens} tokens in {seconds:.1f} s, {tokens / seconds:.0f} a second", flush=True)
medians = {name: statistics.median(rates) for name, rates in results.items()}
best = max((rate, name) for name, rate in medians.items() if name != "rdo")
print(f"\n| {len(queries)} queries × {arguments.samples} responses of {arguments.new} tokens | against the best of transformers |")
print("|---|---|")
for name, rate in medians.items():
    print(f"| {name} | {rate / best[0]:.2f} |")
