#!/usr/bin/env python3
"""Adapters that Python peft makes, read by rdo: each kind that rdo says it reads, against peft itself.

usage: compare_peft_adapters.py RDO MODEL_DIR [--tolerance 3e-5]

For each kind peft saves a random adapter of the model; rdo starts a pass from it whose one step changes nothing (learning
rate 1e-30), merges it, and computes log-probabilities, which must be peft's. Kinds that rdo refuses are tried too: it must
name what it does not read. Needs torch, transformers, peft and h5py.
"""
import argparse
import json
import os
import pathlib
import subprocess
import tempfile

import h5py
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer

os.environ.update(OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
READ = {
    "plain": dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"]),
    "every projection": dict(r=3, lora_alpha=5, target_modules=ALL),
    "gaussian": dict(r=4, lora_alpha=8, target_modules=["q_proj"], init_lora_weights="gaussian"),
    "rank-stabilised": dict(r=4, lora_alpha=6, target_modules=["q_proj", "v_proj"], use_rslora=True),
    "pattern": dict(r=4, lora_alpha=8, target_modules=r".*self_attn\.(q|o)_proj"),
    "all-linear": dict(r=2, lora_alpha=8, target_modules="all-linear"),
    "dropout": dict(r=4, lora_alpha=8, target_modules=["k_proj"], lora_dropout=0.3),
}
REFUSED = {
    "olora": (dict(r=4, lora_alpha=8, target_modules=["q_proj"], init_lora_weights="olora"), "init_lora_weights"),
    "pissa": (dict(r=4, lora_alpha=8, target_modules=["q_proj"], init_lora_weights="pissa"), "init_lora_weights"),
    "dora": (dict(r=4, lora_alpha=8, target_modules=["q_proj"], use_dora=True), "use_dora"),
    "some layers": (dict(r=4, lora_alpha=8, target_modules=["q_proj"], layers_to_transform=[1, 3]),
                    "layers_to_transform"),
    "ranks by name": (dict(r=4, lora_alpha=8, target_modules=["q_proj"], rank_pattern={"layers.0": 2}),
                      "rank_pattern"),
    "trained biases": (dict(r=4, lora_alpha=8, target_modules=["q_proj"], bias="all"), "bias"),
}
PAIRS = [
    {"prompt": "Once upon a time", "chosen": "there was a little dog.", "rejected": "a cat sat on the mat and slept."},
    {"prompt": "The sun", "chosen": "was very hot that day.", "rejected": "went away."},
]


def make(path, model, options):
    torch.manual_seed(3)
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    adapted = get_peft_model(base, LoraConfig(task_type="CAUSAL_LM", **options))
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            with torch.no_grad():
                parameter.copy_(0.1 * torch.randn_like(parameter))
    adapted.save_pretrained(path)


def rdo_starts(rdo, model, adapter, options, scratch):
    """A merged model, or what rdo says."""
    alpha = options["lora_alpha"] * (options["r"] ** 0.5 if options.get("use_rslora") else 1)
    weights = adapter / "adapter_model.safetensors"
    with safe_open(weights, "pt") as file:
        targets = [name for name in ALL if any(f".{name}.lora_A" in key for key in file.keys())]
    settings = [
        f"output={scratch}/run", f"model.path={model}", f"data.train={scratch}/pairs.jsonl", "passes=[sft]",
        "sft.steps=1", "sft.batch_size=2", "sft.micro_batches=1", "sft.learning_rate=1e-30",
        f"sft.lora.rank={options['r']}", f"sft.lora.alpha={alpha!r}", f"sft.lora.targets=[{', '.join(targets)}]",
        f"sft.lora.start={adapter}"]
    (scratch / "run.yaml").write_text("{}\n")
    return subprocess.run(
        [rdo, "run", scratch / "run.yaml", *(part for each in settings for part in ("--set", each))],
        capture_output=True, text=True)


def log_probabilities(model, adapter):
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32, attn_implementation="eager")
    adapted = PeftModel.from_pretrained(base, adapter).eval()
    tokenizer = AutoTokenizer.from_pretrained(model)
    bos, eos = tokenizer("", add_special_tokens=True).input_ids[:1], base.config.eos_token_id
    for row in PAIRS:
        prompt = bos + tokenizer(row["prompt"], add_special_tokens=False).input_ids
        for side in ("chosen", "rejected"):
            response = tokenizer(row[side], add_special_tokens=False).input_ids + [eos]
            with torch.no_grad():
                table = adapted(torch.tensor([prompt + response])).logits[0].double().log_softmax(-1)
            yield len(response), sum(table[len(prompt) - 1 + t, token].item() for t, token in enumerate(response))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("rdo")
    parser.add_argument("model")
    parser.add_argument("--tolerance", type=float, default=3e-5)
    options = parser.parse_args()
    failed = False
    for kind, wanted in {**READ, **REFUSED}.items():
        with tempfile.TemporaryDirectory() as name:
            scratch = pathlib.Path(name)
            (scratch / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in PAIRS))
            settings, word = wanted if kind in REFUSED else (wanted, None)
            make(scratch / "adapter", options.model, settings)
            result = rdo_starts(options.rdo, options.model, scratch / "adapter", settings, scratch)
            if word:
                line = result.stderr.strip().split("\n")[-1]
                good = result.returncode == 4 and word in line
                print(f"{kind}: {'refused' if good else 'WRONG'}: {line[:110]}")
            else:
                assert result.returncode == 0, f"{kind}: {result.stderr}"
                subprocess.run(
                    [options.rdo, "logprobs", "--model", scratch / "run/sft/model", "--data", scratch / "pairs.jsonl",
                     "--out", scratch / "lp.h5"], check=True, capture_output=True)
                with h5py.File(scratch / "lp.h5") as file:
                    sums, counts = file["responses/logprob"][:], file["responses/token_count"][:]
                found = list(log_probabilities(options.model, scratch / "adapter"))
                assert [count for count, _ in found] == list(counts)
                worst = max(abs(one - other) / count for (count, one), other in zip(found, sums))
                good = worst <= options.tolerance
                print(f"{kind}: {'' if good else 'WRONG: '}largest difference {worst:.1e} a token")
            failed |= not good
    raise SystemExit(failed)


main()
