#!/usr/bin/env python3
"""Compares `rdo generate` with `transformers.generate`: greedy, beam search and, where the installed transformers has it
(before 4.56, or its community code), diverse beam search; the tokens that may be drawn with the reference's processors.

    python3 compare_generation.py RDO MODEL [--prompts FILE] [--count 16] [--new 48] [--template plain] [--strategies ...]

Needs torch and transformers. A response that differs is a tie when, at the first token that differs, the two candidates are
closer than 1e-4 in log-probability (for beams: when the two sequences' scores are that close).
"""
import argparse, json, os, subprocess, sys, tempfile

import torch
import transformers
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast

PROMPTS = [
    "Once upon a time, there was a little girl named Lily.", "One day, Tom", "The cat sat",
    "Ben and Mia went to the park.", "Once there was a big dog", "In a small house", "She saw a bird",
    "It was raining", "Tim had a red ball.", "The sun was hot and", "A boy named Max", "Lucy likes to",
    "The old man said", "Mom made a cake.", '"Hello," said the frog', "They were happy because",
]

parser = argparse.ArgumentParser()
parser.add_argument("rdo")
parser.add_argument("model")
parser.add_argument("--prompts", help="JSONL with a field prompt; short beginnings of stories by default")
parser.add_argument("--count", type=int, default=16)
parser.add_argument("--new", type=int, default=48)
parser.add_argument("--strategies", nargs="*", default=["greedy", "beam", "penalty", "diverse"])
arguments = parser.parse_args()

prompts = PROMPTS
if arguments.prompts:
    with open(arguments.prompts) as file:
        prompts = [json.loads(line)["prompt"] for line in file if line.strip()]
prompts = prompts[: arguments.count]

tokenizer = PreTrainedTokenizerFast(tokenizer_file=arguments.model + "/tokenizer.json")
model = AutoModelForCausalLM.from_pretrained(arguments.model).float().eval()
eos = model.generation_config.eos_token_id
eos = eos if isinstance(eos, list) else [eos]
encoded = [tokenizer(prompt)["input_ids"] for prompt in prompts]


def text(ids):
    """A response's text, as a tokenizer writes ids without special treatment of any."""
    for index, token in enumerate(ids):
        if token in eos:
            ids = ids[:index]
            break
    return tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)


def generated(strategy, responses):
    """What rdo writes."""
    with tempfile.TemporaryDirectory() as work:
        with open(work + "/prompts.jsonl", "w") as file:
            for prompt in prompts:
                file.write(json.dumps({"prompt": prompt}) + "\n")
        with open(work + "/c.yaml", "w") as file:
            file.write(f"output: {work}/out\nmodel: {{path: {os.path.abspath(arguments.model)}}}\n"
                       f"data: {{train: {work}/prompts.jsonl}}\n")
        settings = [f"generate.{key}={value}" for key, value in strategy.items()]
        subprocess.run(
            [arguments.rdo, "generate", work + "/c.yaml", "--set", f"generate.max_new_tokens={arguments.new}",
             f"generate.responses={responses}", *settings],
            check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        with open(work + "/out/generated.jsonl") as file:
            return [json.loads(line)["responses"] for line in file]


def sequence_score(prompt, response_ids, length_penalty=1.0):
    """Log-probability of a response over its length."""
    ids = torch.tensor([prompt + response_ids])
    with torch.no_grad():
        logps = torch.log_softmax(model(ids).logits[0, len(prompt) - 1: -1].double(), -1)
    return logps.gather(1, ids[0, len(prompt):, None]).sum().item() / len(response_ids) ** length_penalty


def compare(name, own, count, **keys):
    equal = ties = 0
    for index, prompt in enumerate(encoded):
        with torch.no_grad():
            out = model.generate(
                torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
                max_new_tokens=arguments.new, do_sample=False, num_return_sequences=count,
                pad_token_id=eos[0], **keys)
        expected = [row[len(prompt):].tolist() for row in out]
        expected = [ids[: next((i + 1 for i, t in enumerate(ids) if t in eos), len(ids))] for ids in expected]
        for response, ids in zip(own[index], expected):
            if response == text(ids):
                equal += 1
                continue
            if name == "greedy":
                # The first token that differs: how far apart are the two best?
                closest = 1.0
                for place in range(len(ids)):
                    if not response.startswith(text(ids[: place + 1])[:-1]):
                        with torch.no_grad():
                            logits = model(torch.tensor([prompt + ids[:place]])).logits[0, -1].double()
                        best = torch.topk(torch.log_softmax(logits, -1), 2).values
                        closest = (best[0] - best[1]).item()
                        break
                tie = closest < 1e-4
            else:
                again = tokenizer(response, add_special_tokens=False)["input_ids"]
                scores = sequence_score(prompt, again), sequence_score(prompt, ids)
                tie = abs(scores[0] - scores[1]) < 1e-4
                closest = abs(scores[0] - scores[1])
            ties += tie
            if not tie:
                print(f"  {name}, prompt {index}: differs ({closest:.2e})\n    rdo: {response!r}\n    ref: {text(ids)!r}")
    total = len(prompts) * count
    print(f"{name}: {equal} of {total} equal, {ties} ties, {total - equal - ties} differ")
    return total - equal - ties


different = 0
if "greedy" in arguments.strategies:
    different += compare("greedy", generated({}, 1), 1)
if "penalty" in arguments.strategies:
    different += compare(
        "greedy with repetition penalty", generated({"repetition_penalty": 1.3}, 1), 1, repetition_penalty=1.3)
if "beam" in arguments.strategies:
    different += compare("beam", generated({"strategy": "beam", "beams": 4}, 2), 2, num_beams=4)
    different += compare(
        "beam, length penalty 0.5", generated({"strategy": "beam", "beams": 3, "length_penalty": 0.5}, 1), 1,
        num_beams=3, length_penalty=0.5)
if "diverse" in arguments.strategies:
    if tuple(int(part) for part in transformers.__version__.split(".")[:2]) >= (4, 56):
        print(f"diverse beam search: not in transformers {transformers.__version__}; not compared")
    else:
        different += compare(
            "diverse beam", generated(
                {"strategy": "diverse_beam", "beams": 4, "beam_groups": 4, "diversity_penalty": 1.0}, 4), 4,
            num_beams=4, num_beam_groups=4, diversity_penalty=1.0)
        different += compare(
            "diverse beam, two groups", generated(
                {"strategy": "diverse_beam", "beams": 4, "beam_groups": 2, "diversity_penalty": 0.5}, 2), 2,
            num_beams=4, num_beam_groups=2, diversity_penalty=0.5)
sys.exit(1 if different else 0)
