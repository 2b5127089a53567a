#!/usr/bin/env python3
"""Which tokens may be drawn, and how likely, by the logits processors of transformers: prints the golden values of
GenerationTests (Tests/GenerationTests/sampling-goldens.json).

    python3 golden_sampling.py > Tests/GenerationTests/sampling-goldens.json

Needs torch and transformers.
"""
import json

import torch
from transformers.generation.logits_process import (
    MinPLogitsWarper, RepetitionPenaltyLogitsProcessor, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper)

CASES = [
    {}, {"temperature": 0.7}, {"temperature": 2.5}, {"top_k": 5}, {"top_k": 1}, {"top_k": 1000}, {"top_p": 0.9},
    {"top_p": 0.3}, {"top_p": 0.01}, {"min_p": 0.1}, {"min_p": 1.0}, {"repetition_penalty": 1.5},
    {"repetition_penalty": 0.8, "top_k": 7}, {"temperature": 0.8, "top_k": 20, "top_p": 0.8, "min_p": 0.05},
    {"temperature": 1.3, "top_p": 0.95, "repetition_penalty": 1.2},
]

torch.manual_seed(11)
cases = []
for number, settings in enumerate(CASES):
    # Rounded to a quarter, so that some are equal.
    logits = (torch.randn(60) * 3 * 4).round() / 4
    seen = torch.randint(0, 60, (1, 12))
    scores = logits[None].clone()
    for key, warper in [
        ("repetition_penalty", lambda value: RepetitionPenaltyLogitsProcessor(value)),
        ("temperature", lambda value: TemperatureLogitsWarper(value)),
        ("top_k", lambda value: TopKLogitsWarper(value)),
        ("top_p", lambda value: TopPLogitsWarper(value)),
        ("min_p", lambda value: MinPLogitsWarper(value)),
    ]:
        if key in settings:
            scores = warper(settings[key])(seen, scores)
    probabilities = torch.softmax(scores.double(), -1)[0]
    kept = [index for index, value in enumerate(scores[0].tolist()) if value > float("-inf")]
    cases.append({
        "settings": settings, "logits": logits.tolist(), "seen": seen[0].tolist(), "kept": kept,
        "probabilities": [round(probabilities[index].item(), 9) for index in kept],
    })
print(json.dumps(cases))
