#!/usr/bin/env python3
"""Load a reward model in Python transformers as a sequence classifier and compare its scores with `rdo score`.

usage: compare_classifier.py MODEL_DIR COEFFICIENTS.h5 [--limit 64] [--tolerance 1e-4] [--save DIR]

MODEL_DIR and COEFFICIENTS.h5 belong together: rdo score CONFIG --set score.scorer=reward score.model=MODEL_DIR, with the
plain template. With --save transformers writes the model to DIR, for the other direction: score with that directory, and
compare again. Needs torch, transformers and h5py.
"""
import argparse

import h5py
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("coefficients")
    parser.add_argument("--limit", type=int, default=64)
    parser.add_argument("--tolerance", type=float, default=1e-4)
    parser.add_argument("--save")
    options = parser.parse_args()

    model = AutoModelForSequenceClassification.from_pretrained(
        options.model, dtype=torch.float32, attn_implementation="eager").eval()
    tokenizer = AutoTokenizer.from_pretrained(options.model)
    eos = model.config.eos_token_id
    eos = eos[0] if isinstance(eos, list) else eos
    bos = tokenizer("", add_special_tokens=True).input_ids[:1]

    def ids(text):
        return tokenizer(text, add_special_tokens=False).input_ids

    worst, count = 0.0, 0
    with h5py.File(options.coefficients) as file:
        queries = file["queries/text"].asstr()[:]
        texts, owners = file["responses/text"].asstr()[:], file["responses/query"][:]
        rewards = file["responses/reward"][:]
    for text, query, reward in list(zip(texts, owners, rewards))[: options.limit]:
        tokens = bos + ids(queries[query]) + ids(text) + [eos]
        with torch.no_grad():
            score = model(torch.tensor([tokens])).logits[0, 0].item()
        worst = max(worst, abs(score - reward))
        count += 1
    print(f"{count} responses, largest difference {worst:.2e}")
    if options.save:
        model.save_pretrained(options.save)
        tokenizer.save_pretrained(options.save)
    if not worst <= options.tolerance:
        raise SystemExit(1)


main()
