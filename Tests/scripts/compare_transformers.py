#!/usr/bin/env python3
"""Load an exported model directory in Python transformers and compare with `rdo logprobs`.

usage: compare_transformers.py MODEL_DIR PAIRS.jsonl LOGPROBS.h5 [--limit 64] [--tolerance 3e-5]

MODEL_DIR and LOGPROBS.h5 belong together: rdo logprobs --model MODEL_DIR --data PAIRS.jsonl --out LOGPROBS.h5.
Needs torch, transformers and h5py. The tolerance is per response token.
"""
import argparse
import json

import h5py
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("logprobs")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--tolerance", type=float, default=3e-5)
    options = parser.parse_args()

    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32, attn_implementation="eager").eval()
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    rows = [json.loads(line) for line in open(options.data)][: options.limit]
    with h5py.File(options.logprobs) as file:
        sums, counts = file["responses/logprob"][:], file["responses/token_count"][:]
    bos = tokenizer("", add_special_tokens=True).input_ids[:1]
    eos = model.config.eos_token_id
    eos = eos[0] if isinstance(eos, list) else eos

    worst = 0.0
    for index, (row, side) in enumerate((row, side) for row in rows for side in ("chosen", "rejected")):
        prompt = bos + tokenizer(row["prompt"], add_special_tokens=False).input_ids
        response = tokenizer(row[side], add_special_tokens=False).input_ids + [eos]
        assert len(response) == counts[index], f"row {index // 2} {side}: {len(response)} tokens, rdo has {counts[index]}"
        with torch.no_grad():
            logits = model(torch.tensor([prompt + response])).logits[0].double()
        log_probabilities = logits.log_softmax(-1)
        start = len(prompt) - 1
        total = sum(log_probabilities[start + t, token].item() for t, token in enumerate(response))
        worst = max(worst, abs(total - sums[index]) / len(response))
    print(f"{2 * len(rows)} responses, largest difference {worst:.2e} a token")
    if not worst <= options.tolerance:
        raise SystemExit(1)


main()
