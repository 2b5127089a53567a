#!/usr/bin/env python3
"""Every architecture that rdo computes, on tiny random models, against Python transformers, both ways.

usage: compare_families.py [--rdo .build-release/release/rdo] [--families llama,qwen3] [--golden]

For each family a random model is saved by transformers and its log-probabilities computed by both; then rdo trains it a
step, and what it exports is loaded in transformers and compared again. `--golden` prints the log-probabilities that
Tests/TransformerTests/FamilyTests.swift holds, of models whose weights follow a rule. Needs torch, transformers and h5py.
"""
import argparse
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import h5py
import torch
from transformers import AutoConfig, AutoModelForCausalLM

SHAPE = dict(
    hidden_size=32, intermediate_size=48, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2,
    max_position_embeddings=512, rms_norm_eps=1e-5, bos_token_id=256, eos_token_id=257, pad_token_id=None)
FAMILIES = {
    "llama": dict(attention_bias=True),
    "mistral": dict(sliding_window=24, head_dim=8),
    "qwen2": {},
    "qwen3": dict(head_dim=16),
    "gemma3_text": dict(
        head_dim=16, sliding_window=24, query_pre_attn_scalar=20, attention_bias=False,
        layer_types=["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"]),
    "olmo2": {},
    "smollm3": dict(no_rope_layers=[1, 0, 1, 0]),
    # Scaled rotary embeddings of a family.
    "llama+linear": dict(rope_scaling=dict(rope_type="linear", factor=4.0)),
    "llama+dynamic": dict(rope_scaling=dict(rope_type="dynamic", factor=4.0)),
    "llama+llama3": dict(rope_scaling=dict(
        rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
        original_max_position_embeddings=16)),
    "qwen2+yarn": dict(rope_scaling=dict(type="yarn", factor=4.0, original_max_position_embeddings=64)),
    "mistral+yarn": dict(sliding_window=24, rope_scaling=dict(
        rope_type="yarn", factor=16.0, beta_fast=8.0, beta_slow=0.5, mscale=1.0, mscale_all_dim=0.8,
        original_max_position_embeddings=32, truncate=False)),
}


def configuration(family, vocabulary):
    return AutoConfig.for_model(family.split("+")[0], vocab_size=vocabulary, **{**SHAPE, **FAMILIES[family]})


def model_of(directory):
    model, loading = AutoModelForCausalLM.from_pretrained(
        directory, dtype=torch.float32, attn_implementation="eager", output_loading_info=True)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        assert not loading[kind], f"{directory}: {kind} {loading[kind]}"
    return model.eval()


def log_probabilities(model, ids, start):
    """Of ids[start:], each given what comes before."""
    with torch.no_grad():
        logits = model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
    return [logits[t - 1, ids[t]].item() for t in range(start, len(ids))]


def rdo(program, *arguments):
    result = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def compare(program, model, directory, rows, scratch):
    """The largest difference a token between rdo and transformers."""
    data, output = scratch / "pairs.jsonl", scratch / "logprobs.h5"
    output.unlink(missing_ok=True)
    rdo(program, "logprobs", "--model", directory, "--data", data, "--out", output)
    with h5py.File(output) as file:
        sums, counts = file["responses/logprob"][:], file["responses/token_count"][:]
    worst = 0.0
    for index, (row, side) in enumerate((row, side) for row in rows for side in ("chosen", "rejected")):
        # The byte tokenizer: a byte is its id; BOS before, EOS behind.
        prompt = [256, *row["prompt"].encode()]
        values = log_probabilities(model, [*prompt, *row[side].encode(), 257], len(prompt))
        assert len(values) == counts[index]
        worst = max(worst, abs(sum(values) - sums[index]) / len(values))
    return worst


def rule(name, count):
    """Weights that this and the Swift test make alike: norms about 1 (or 0 where 1 is added), the rest about 0."""
    stream = 0xCBF29CE484222325
    for byte in name.encode():
        stream = ((stream ^ byte) * 0x100000001B3) % 2**64
    values = torch.empty(count, dtype=torch.float64)
    for i in range(count):
        bits = ((stream + i) * 0x9E3779B97F4A7C15) % 2**64
        bits = ((bits ^ (bits >> 32)) * 0xD6E8FEB86659FD93) % 2**64
        values[i] = (bits >> 40) / 2**24 - 0.5
    return values


def golden(family):
    model = AutoModelForCausalLM.from_config(configuration(family, 31), attn_implementation="eager").float().eval()
    for name, parameter in model.named_parameters():
        center = 1.0 if name.endswith("norm.weight") and family != "gemma3_text" else 0.0
        with torch.no_grad():
            parameter.copy_((center + rule(name, parameter.numel()).float()).view_as(parameter))
    ids = [(7 * i * i + 3 * i + 1) % 31 for i in range(60)]
    values = log_probabilities(model, ids, 1)
    return [round(values[i], 6) for i in (0, 10, 30, 45, 58)]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rdo", default=".build-release/release/rdo")
    parser.add_argument("--families", default=",".join(FAMILIES))
    parser.add_argument("--tolerance", type=float, default=1e-5)
    parser.add_argument("--golden", action="store_true")
    options = parser.parse_args()
    families = options.families.split(",")
    if options.golden:
        for family in families:
            print(family, golden(family))
        return

    failed = False
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        text = "the quick brown fox jumps over the lazy dog and runs away from it "
        rows = [
            {"prompt": text[i : i + 3 + 9 * i], "chosen": text[: 4 + 8 * i], "rejected": text[2 * i : 2 * i + 40]}
            for i in range(6)
        ]
        (scratch / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        common = [
            "passes=[sft]", f"data.train={scratch}/pairs.jsonl", "sft.batch_size=4", "sft.micro_batches=2",
            "sft.steps=1", "sft.learning_rate=1e-2"]
        (scratch / "run.yaml").write_text("{}\n")

        def train(output, *settings):
            overrides = [part for s in [f"output={output}", *common, *settings] for part in ("--set", s)]
            rdo(options.rdo, "run", scratch / "run.yaml", *overrides)

        # A directory with the byte tokenizer.
        train(scratch / "init", "model.init={hidden_size: 32, layers: 1}")
        vocabulary = json.loads((scratch / "init/initial-model/config.json").read_text())["vocab_size"]
        for family in families:
            directory, output = scratch / family, scratch / (family + "-run")
            torch.manual_seed(5)
            model = AutoModelForCausalLM.from_config(configuration(family, vocabulary), attn_implementation="eager")
            for parameter in model.parameters():
                with torch.no_grad():
                    parameter.add_(0.2 * torch.randn_like(parameter))
            model.float().eval().save_pretrained(directory)
            for file in ("tokenizer.json", "tokenizer_config.json"):
                shutil.copy(scratch / "init/initial-model" / file, directory)
            first = compare(options.rdo, model, directory, rows, scratch)
            train(output, f"model.path={directory}")
            exported = output / "sft/model"
            trained = model_of(exported)
            second = compare(options.rdo, trained, exported, rows, scratch)
            moved = max((a - b).abs().max().item() for a, b in zip(model.parameters(), trained.parameters()))
            assert moved > 1e-3, "a step must change weights"
            rdo(options.rdo, "export", output / "sft/checkpoints", "--out", scratch / (family + "-export"))
            model_of(scratch / (family + "-export"))
            failed |= not max(first, second) <= options.tolerance
            print(f"{family}: largest difference {first:.1e} a token, {second:.1e} after a step and export")
    raise SystemExit(failed)


main()
