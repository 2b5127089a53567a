#!/usr/bin/env python3
"""Load an exported adapter directory with Python peft and compare with `rdo logprobs` of the merged model.

usage: compare_peft.py ADAPTER_DIR PAIRS.jsonl LOGPROBS.h5 [--base MODEL_DIR] [--limit 64] [--tolerance 3e-5]

LOGPROBS.h5 comes from the merged model that the same pass left:
rdo logprobs --model PASS/model --data PAIRS.jsonl --out LOGPROBS.h5. The base is the one that adapter_config.json names
unless given. Needs torch, transformers, peft and h5py. The tolerance is per response token.
"""
import argparse
import json

import h5py
import torch
from peft import PeftConfig, PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("adapter")
    parser.add_argument("data")
    parser.add_argument("logprobs")
    parser.add_argument("--base")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--tolerance", type=float, default=3e-5)
    options = parser.parse_args()

    base = options.base or PeftConfig.from_pretrained(options.adapter).base_model_name_or_path
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32, attn_implementation="eager")
    model = PeftModel.from_pretrained(plain, options.adapter).eval()
    tokenizer = AutoTokenizer.from_pretrained(base)
    rows = [json.loads(line) for line in open(options.data)][: options.limit]
    with h5py.File(options.logprobs) as file:
        sums, counts = file["responses/logprob"][:], file["responses/token_count"][:]
    bos = tokenizer("", add_special_tokens=True).input_ids[:1]
    eos = plain.config.eos_token_id
    eos = eos[0] if isinstance(eos, list) else eos

    def log_probability(prompt, response):
        with torch.no_grad():
            logits = model(torch.tensor([prompt + response])).logits[0].double()
        table = logits.log_softmax(-1)
        return sum(table[len(prompt) - 1 + t, token].item() for t, token in enumerate(response))

    worst, moved = 0.0, 0.0
    for index, (row, side) in enumerate((row, side) for row in rows for side in ("chosen", "rejected")):
        prompt = bos + tokenizer(row["prompt"], add_special_tokens=False).input_ids
        response = tokenizer(row[side], add_special_tokens=False).input_ids + [eos]
        assert len(response) == counts[index], f"row {index // 2} {side}: {len(response)} tokens, rdo has {counts[index]}"
        total = log_probability(prompt, response)
        with model.disable_adapter():
            moved = max(moved, abs(total - log_probability(prompt, response)) / len(response))
        worst = max(worst, abs(total - sums[index]) / len(response))
    print(f"{2 * len(rows)} responses, largest difference {worst:.2e} a token; the adapter moves one by {moved:.2e}")
    if not worst <= options.tolerance:
        raise SystemExit(1)


main()
