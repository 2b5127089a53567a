#!/usr/bin/env python3
"""Adapters that Python peft makes, read by rdo: each kind that rdo says it reads, against peft itself.

usage: compare_peft_adapters.py RDO MODEL_DIR [--tolerance 3e-5]

For each kind peft saves a random adapter of the model, and the log-probabilities of `rdo logprobs --adapter` must be
peft's. Where training can go on from the kind, rdo also starts a pass from it whose one step changes nothing (learning rate
1e-30) and computes them with the merged model that it leaves; where it cannot, it must name why. So it must with kinds that
are not read at all. Kinds that train the embedding or the head whole have a base that does not tie the two, made of the
model. Needs torch, transformers, peft and h5py.
"""
import argparse
import json
import os
import pathlib
import shutil
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
# What differs from block to block: merged as it is read, but not gone on from.
UNEVEN = {
    "ranks by name": (
        dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"],
             rank_pattern={"q_proj": 2, r"layers\.(1|2)\.self_attn\.v_proj": 5, "v_proj": 3}), "rank_pattern"),
    "alphas by name": (
        dict(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"],
             alpha_pattern={r"^model\.layers\.0\..*": 3, "layers.1.self_attn.v_proj": 20, "_proj": 99}),
        "alpha_pattern"),
    "ranks and alphas": (
        dict(r=4, lora_alpha=8, target_modules=ALL, rank_pattern={"down_proj": 1, "self_attn.*": 6},
             alpha_pattern={"layers.2.mlp.down_proj": 3.5, ".*q_proj": 12}), "rank_pattern"),
    "ranks, stabilised": (
        dict(r=4, lora_alpha=6, target_modules=["q_proj", "up_proj"], use_rslora=True, rank_pattern={"up_proj": 2},
             alpha_pattern={"layers.1.mlp.up_proj": 9}), "rank_pattern"),
    "some layers": (
        dict(r=4, lora_alpha=8, target_modules=["q_proj"], layers_to_transform=[1, 3]), "layers_to_transform"),
    "one layer": (
        dict(r=4, lora_alpha=8, target_modules=["q_proj", "mlp.up_proj"], layers_to_transform=2,
             layers_pattern=["layers"]), "layers_to_transform"),
    "single modules": (
        dict(r=4, lora_alpha=8, target_modules=["model.layers.0.self_attn.q_proj", "layers.2.mlp.up_proj"]),
        "target_modules"),
    "embedding and head": (
        dict(r=4, lora_alpha=8, target_modules=["q_proj"], modules_to_save=["embed_tokens", "lm_head"]),
        "modules_to_save"),
    "head alone": (
        dict(r=4, lora_alpha=8, target_modules=["v_proj"], modules_to_save=["lm_head"]), "modules_to_save"),
    "whole norms": (
        dict(r=4, lora_alpha=8, target_modules=["v_proj"], modules_to_save=["input_layernorm"]), "modules_to_save"),
}
REFUSED = {
    "olora": (dict(r=4, lora_alpha=8, target_modules=["q_proj"], init_lora_weights="olora"), "init_lora_weights"),
    "pissa": (dict(r=4, lora_alpha=8, target_modules=["q_proj"], init_lora_weights="pissa"), "init_lora_weights"),
    "dora": (dict(r=4, lora_alpha=8, target_modules=["q_proj"], use_dora=True), "use_dora"),
    "excluded": (dict(r=4, lora_alpha=8, target_modules=["q_proj"], exclude_modules=["layers.0.self_attn.q_proj"]),
                 "exclude_modules"),
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
        if "lora_B" in name or "modules_to_save" in name:
            with torch.no_grad():
                parameter.add_(0.1 * torch.randn_like(parameter))
    adapted.save_pretrained(path)


def untie(model, path):
    """The model with a head of its own."""
    shutil.copytree(model, path)
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    base.config.tie_word_embeddings = False
    base.lm_head.weight = torch.nn.Parameter(base.lm_head.weight.detach().roll(1, 0))
    base.save_pretrained(path)


def rdo_starts(rdo, model, adapter, options, scratch):
    """A pass that goes on from the adapter."""
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


def largest_difference(rdo, arguments, scratch, expected):
    """Of rdo's log-probabilities from the expected ones, a token."""
    out = scratch / "lp.h5"
    out.unlink(missing_ok=True)
    result = subprocess.run(
        [rdo, "logprobs", *arguments, "--data", scratch / "pairs.jsonl", "--out", out], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    with h5py.File(out) as file:
        sums, counts = file["responses/logprob"][:], file["responses/token_count"][:]
    assert [count for count, _ in expected] == list(counts)
    return max(abs(one - other) / count for (count, one), other in zip(expected, sums))


def check(kind, rdo, model, scratch, tolerance):
    """Whether rdo does with an adapter of a kind what it should; prints it."""
    settings, word = (READ[kind], None) if kind in READ else UNEVEN.get(kind) or REFUSED[kind]
    adapter = scratch / "adapter"
    make(adapter, model, settings)
    good, figures = True, []
    if kind not in REFUSED:
        expected = list(log_probabilities(model, adapter))
        figures.append(largest_difference(rdo, ["--model", model, "--adapter", adapter], scratch, expected))
        # The adapter does something at all.
        good &= largest_difference(rdo, ["--model", model], scratch, expected) > 100 * tolerance
    started = rdo_starts(rdo, model, adapter, settings, scratch)
    if word is None:
        assert started.returncode == 0, f"{kind}: {started.stderr}"
        figures.append(largest_difference(rdo, ["--model", scratch / "run/sft/model"], scratch, expected))
    else:
        line = started.stderr.strip().split("\n")[-1]
        good &= started.returncode == 4 and word in line
    good &= all(figure <= tolerance for figure in figures)
    said = [f"largest difference {figure:.1e} a token" for figure in figures]
    if word:
        said.append(line.rpartition("adapter_config.json: ")[2])
    print(f"{kind}: {'' if good else 'WRONG: '}{'; '.join(said)}", flush=True)
    return good


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("rdo")
    parser.add_argument("model")
    parser.add_argument("--tolerance", type=float, default=3e-5)
    options = parser.parse_args()
    good = True
    with tempfile.TemporaryDirectory() as untied:
        apart = pathlib.Path(untied) / "model"
        untie(options.model, apart)
        for kind in [*READ, *UNEVEN, *REFUSED]:
            saves = kind in UNEVEN and "modules_to_save" in UNEVEN[kind][0]
            with tempfile.TemporaryDirectory() as name:
                scratch = pathlib.Path(name)
                (scratch / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in PAIRS))
                good &= check(kind, options.rdo, apart if saves else options.model, scratch, options.tolerance)
    raise SystemExit(not good)


main()
