#!/usr/bin/env python3
"""Checks scripts/score_with_transformers.py with small random reward models and data that are made here.

    Tests/scripts/check_score_with_transformers.py RDO [--only PART-OF-NAME] [--assets DIR]

For every data format and several architectures (DeBERTa-v2, GPT-J, Llama, BERT): the rewards are those of one text at
a time; all tables, keys among them, are what `rdo score` writes for the same data; `rdo verify` and `rdo inspect` read
the file; training finds every pair. Then what must be refused. With --assets real data and a real policy too. Exit
code 1 when anything fails. Needs what the script itself needs.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile

import h5py
import numpy as np
import torch
import transformers

from small_reward_models import bert, deberta, gptj, llama, make_scorer, pad_is_eos

SCRIPT = pathlib.Path(__file__).resolve().parent.parent.parent / "scripts/score_with_transformers.py"
TOLERANCE = 1e-5  # of the rewards' largest
TEMPLATES = {"messages": "chatml", "questions": "chatml", "tldr": "tldr", "plain": "plain"}
failures = []


def check(name, holds, figure=""):
    print(f"{'ok' if holds else 'FAILED'}: {name} {figure}", flush=True)
    if not holds:
        failures.append(name)


# Data


@dataclasses.dataclass
class Fact:
    """What a row says, whatever its format."""

    row: dict
    query: str
    responses: list
    chat: list  # messages before the response, as a chat template gets them
    dialogue: str  # the same in HH's form
    strips: bool = False  # turns of an HH dialogue lose their white space in a chat


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


class Words:
    def __init__(self, seed):
        self.random = random.Random(seed)

    def __call__(self, low=3, high=25):
        syllables = ["ba", "né", "ki", "lo", "mu", "sa", "ti", "ró", "va", "zu"]
        count = self.random.randint(low, high)
        return " ".join("".join(self.random.choices(syllables, k=self.random.randint(1, 3))) for _ in range(count))


def facts(form, count=24):
    """Rows of a data format, and what they say."""
    words = Words(form)
    result = []
    for number in range(count):
        question, reply, follow = words(), words(), words()
        a, b = words(), words()
        hh = f"\n\nHuman: {question}\n\nAssistant: {reply}\n\nHuman: {follow}\n\nAssistant:"
        turns = [user(question), assistant(reply), user(follow)]
        plain = f"\n\nHuman: {question}\n\nAssistant:"
        if form == "pairs":
            row = {"prompt": hh, "chosen": " " + a, "rejected": " " + b}
            fact = Fact(row, hh, [" " + a, " " + b], turns, hh, True)
        elif form == "plain":
            question += "\0" if number == 0 else ""
            fact = Fact({"prompt": question, "chosen": a, "rejected": b}, question, [a, b], [user(question)], plain)
        elif form == "hh":
            fact = Fact({"chosen": f"{hh} {a}", "rejected": f"{hh} {b}"}, hh, [" " + a, " " + b], turns, hh, True)
        elif form == "lists":
            responses, scores = [a, b, words(), words()], [1, words.random.randint(0, 2), 1, 0.5]
            row = {"query": question, "responses": responses, "scores": scores}
            fact = Fact(row, question, responses, [user(question)], plain)
        elif form == "tldr":
            info = {"subreddit": "tifu", "title": reply, "post": question}
            query = f"SUBREDDIT: r/tifu\n\nTITLE: {reply}\n\nPOST: {question}\n\nTL;DR:"
            row = {"info": info, "summaries": [{"text": a}, {"text": b}], "choice": number % 2}
            responses = [a, b] if number % 2 == 0 else [b, a]
            fact = Fact(row, query, responses, [user(query)], f"\n\nHuman: {query}\n\nAssistant:")
        elif form == "questions":
            row = {"question": question, "chosen": a, "rejected": b}
            fact = Fact(row, question, [a, b], [user(question)], plain)
            if number % 2:
                row["system"] = reply
                fact.query, fact.chat = f"{reply}\n\n{question}", [{"role": "system", "content": reply}, user(question)]
                fact.dialogue = f"\n\nSystem: {reply}{plain}"
        else:
            # A prompt may stand before both dialogues, repeat what they begin with, or be a text.
            row = [
                {"chosen": turns + [assistant(a)], "rejected": turns + [assistant(b)]},
                {"prompt": turns[:1], "chosen": turns[1:] + [assistant(a)], "rejected": turns[1:] + [assistant(b)]},
                {"prompt": turns, "chosen": turns + [assistant(a)], "rejected": turns + [assistant(b)]},
                {"prompt": question, "chosen": [assistant(a)], "rejected": [assistant(b)]}][number % 4]
            chat = turns[:1] if number % 4 == 3 else turns
            query = "\n\n".join(each["content"] for each in chat)
            fact = Fact(row, query, [a, b], chat, plain if number % 4 == 3 else hh)
        result.append(fact)
    if form in ("pairs", "lists"):
        result.append(result[0])  # a row that comes again
    return result


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=len(row) % 2 == 0) + "\n" for row in rows) + "\n")


# Reward models


def as_chat(tokenizer, fact, response):
    response = response.strip() if fact.strips else response
    return [tokenizer.apply_chat_template(fact.chat + [assistant(response)], tokenize=False)], False


# Of each: how it is made, the script's arguments, and the texts that it must read.
SCORERS = {
    "deberta": (deberta, ["--text", "{query}", "--text-pair", "{response}"], lambda t, f, r: ([f.query, r], True)),
    "gptj": (
        gptj, ["--text", "{dialogue}<|endoftext|>"],
        lambda t, f, r: ([f"{f.dialogue} {r.strip()}<|endoftext|>"], True)),
    "llama": (llama, [], as_chat),
    "pad-is-eos": (pad_is_eos, [], as_chat),
    "bert": (
        bert, ["--text", r"{query}\n{response}", "--head", "1"], lambda t, f, r: ([f"{f.query}\n{r}"], True)),
}


def one_at_a_time(directory, reading, facts, limit, head):
    """Rewards as anyone would compute them, and how many texts are longer than the limit."""
    model = transformers.AutoModelForSequenceClassification.from_pretrained(directory, dtype=torch.float32).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory, truncation_side="left")
    rewards, cut = [], 0
    for fact in facts:
        for response in fact.responses:
            texts, special = reading(tokenizer, fact, response)
            encoded = tokenizer(*texts, add_special_tokens=special, return_tensors="pt")
            if encoded["input_ids"].shape[1] > limit:
                cut += 1
                bos = encoded["input_ids"][0, 0]
                # The first of two texts is cut where something of it can stay.
                first = len(tokenizer(texts[0], add_special_tokens=False)["input_ids"])
                stays = first > encoded["input_ids"].shape[1] - limit
                encoded = tokenizer(
                    *texts, add_special_tokens=special, return_tensors="pt", max_length=limit,
                    truncation="only_first" if stays else "longest_first")
                if not special:
                    encoded["input_ids"][0, 0] = bos
            if "bert" not in directory.name:
                encoded.pop("token_type_ids", None)
            with torch.no_grad():
                rewards.append(model(**encoded).logits[0, head].item())
    return np.array(rewards), cut


# Runs


class Bench:
    def __init__(self, rdo, scratch):
        self.rdo, self.scratch = rdo, scratch

    def run(self, *arguments, code=0):
        environment = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1")
        command = [str(each) for each in arguments]
        result = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=self.scratch)
        if result.returncode != code:
            raise SystemExit(f"{' '.join(command)}: {result.returncode}, not {code}\n{result.stderr[-3000:]}")
        return result.stdout + result.stderr

    def score(self, config, model, out, *arguments, code=0):
        return self.run(
            sys.executable, SCRIPT, config, "--model", model, "--out", out, "--rdo", self.rdo, *arguments, code=code)

    def scorer(self, name):
        """The directory of one of SCORERS."""
        directory = self.scratch / "scorers" / name
        if not directory.exists():
            texts = [
                text for form in ("pairs", "hh", "messages", "lists") for fact in facts(form)
                for text in (fact.dialogue, *fact.responses)]
            make_scorer(SCORERS[name][0], directory, texts)
        return directory

    def scored(self, form):
        """The data of a format and their configuration, which rdo has scored."""
        rows, data = facts(form), self.scratch / f"{form}.jsonl"
        write_rows(data, [fact.row for fact in rows])
        config = self.configuration(form, data, TEMPLATES.get(form, "hh"))
        self.run(self.rdo, "run", config)
        return rows, data, config

    def configuration(self, name, train, template, **own):
        training = {"batch_size": 4, "micro_batches": 2, "steps": 2, "learning_rate": 1e-4}
        config = {
            "output": str(self.scratch / name), "passes": ["reward", "score"], "score": {"scorer": "reward"},
            "model": {"path": str(self.scratch / "policy")}, "reward": training, "dpo": training, "rrhf": training,
            "data": {"train": str(train), "template": template, "max_tokens": 200, "over_long": "truncate"}}
        for section, values in own.items():
            config[section] = {**config[section], **values}
        path = self.scratch / f"{name}.yaml"
        path.write_text(json.dumps(config))
        return path

    def compare(self, name, config, scorer, reading, rows, out, *arguments, limit=10**9, head=0, passes=("dpo",)):
        """Scores, then compares with rdo's own file of the configuration and with plain transformers."""
        said = self.score(config, scorer, out, *arguments)
        expected, cut = one_at_a_time(scorer, reading, rows, limit, head)
        with h5py.File(out) as file, h5py.File(self.scratch / config.stem / "coefficients.h5") as own:
            rewards = file["responses/reward"][:]
            worst = np.abs(rewards - expected).max()
            check(f"{name}: rewards", worst <= TOLERANCE * max(1, np.abs(expected).max()) and rewards.std() > 0.01,
                  f"{len(rewards)} responses, spread {rewards.std():.2f}, largest difference {worst:.1e}")
            check(f"{name}: cut texts", cut == 0 or f"{cut} longer ones are cut" in said, f"{cut} of {len(rewards)}")
            unequal = [
                f"{group}/{column}" for group in ("queries", "responses", "pairs") for column in own[group]
                if column not in ("reward", "difference")
                and not np.array_equal(own[group][column][:], file[group][column][:])]
            unequal += [
                each for each in ("schema", "scorer", "symmetric", "tokenizer_digest", "data_digest", "template")
                if own.attrs[each] != file.attrs[each]]
            columns = all(set(own[group]) == set(file[group]) for group in ("queries", "responses", "pairs"))
            pairs = len(own["pairs/key"])
            difference = rewards[file["pairs/first"][:]] - rewards[file["pairs/second"][:]]
            check(f"{name}: tables are rdo's", columns and not unequal, f"{pairs} pairs {' '.join(unequal)}")
            check(f"{name}: differences", np.array_equal(difference, file["pairs/difference"][:]))
        check(f"{name}: verify", f"{pairs} pairs" in self.run(self.rdo, "verify", out))
        summary = json.loads(self.run(self.rdo, "inspect", out, "--json"))
        check(f"{name}: inspect", summary["coefficients"]["pairs"] == pairs)
        for method in passes:
            shutil.rmtree(self.scratch / "used", ignore_errors=True)
            self.run(
                self.rdo, "run", config, "--set", f"output={self.scratch}/used", f"passes=[reference,{method}]",
                f"{method}.coefficients.file={out}", f"{method}.coefficients.use=true")
            check(f"{name}: {method} finds every pair", (self.scratch / "used" / method / "metrics.jsonl").exists())


def make_policy(bench):
    """A small model with rdo's byte tokenizer, which puts BOS before a prompt."""
    write_rows(bench.scratch / "seed.jsonl", [fact.row for fact in facts("plain", 4)])
    config = bench.scratch / "seed.yaml"
    shape = {"hidden_size": 16, "intermediate_size": 32, "layers": 1, "heads": 2, "key_value_heads": 2}
    config.write_text(json.dumps({
        "output": "seed", "passes": ["prepare"], "data": {"train": "seed.jsonl"}, "model": {"init": shape}}))
    bench.run(bench.rdo, "run", config)
    shutil.copytree(bench.scratch / "seed/initial-model", bench.scratch / "policy")


def check_formats(bench, only):
    """Every data format with some of the reward models, cut to the models' limits and not."""
    plan = {
        "pairs": ("deberta", "gptj", "llama", "pad-is-eos"), "lists": ("deberta", "gptj", "llama"),
        "messages": ("deberta", "gptj", "llama"), "plain": ("bert",), "hh": ("llama",), "tldr": ("gptj",),
        "questions": ("llama", "gptj")}
    for form, scorers in plan.items():
        names = [each for each in scorers if only in f"{form} {each}"]
        if not names:
            continue
        rows, _, config = bench.scored(form)
        for scorer in names:
            _, arguments, reading = SCORERS[scorer]
            # DeBERTa's tokenizer has a limit of its own; the others get one, so that some texts are cut.
            limit = 120 if scorer == "deberta" else 256 if scorer == "bert" else 100
            extra = [] if scorer in ("deberta", "bert") else ["--max-length", str(limit)]
            bench.compare(
                f"{form}, {scorer}", config, bench.scorer(scorer), reading, rows, bench.scratch / f"{form}-{scorer}.h5",
                *arguments, *extra, "--batch-tokens", "1000", limit=limit, head=1 if scorer == "bert" else 0,
                passes=("rrhf", "dpo") if form == "lists" else ("dpo",))


def check_held_out(bench):
    """Both parts, with limits of their own; gzip; the policy that dpo.model names."""
    rows, scratch = facts("messages"), bench.scratch
    for name in ("held", "out"):
        write_rows(scratch / f"{name}.jsonl", [fact.row for fact in rows])
        subprocess.run(["gzip", "-f", scratch / f"{name}.jsonl"], check=True)
    config = bench.configuration(
        "held", scratch / "held.jsonl.gz", "chatml", score={"data": "both"}, dpo={"model": str(scratch / "policy")},
        data={"test": str(scratch / "out.jsonl.gz"), "limit": 5, "test_limit": 7})
    bench.run(bench.rdo, "run", config)
    for part, name, count in (("train", "coefficients", 5), ("test", "coefficients-test", 7)):
        out = scratch / f"held-{part}.h5"
        bench.score(config, bench.scorer("llama"), out, "--part", part)
        with h5py.File(out) as file, h5py.File(scratch / f"held/{name}.h5") as own:
            check(f"held-out: {part}", len(own["pairs/key"]) == count
                  and np.array_equal(own["pairs/key"][:], file["pairs/key"][:])
                  and own.attrs["data_digest"] == file.attrs["data_digest"], f"{len(file['pairs/key'])} pairs")


class Refusals:
    """What ends with a message and a code, and leaves what was there."""

    def __init__(self, bench):
        self.bench, self.scratch, self.out = bench, bench.scratch, bench.scratch / "refused.h5"
        _, self.data, self.config = bench.scored("pairs")
        self.text = ["--text", "{query}{response}"]
        self.models()
        self.rows()
        self.files()

    def refused(self, name, code, words, *arguments, config=None, model=None, out=None):
        model = model or self.bench.scorer("gptj")
        said = self.bench.score(config or self.config, model, out or self.out, *arguments, code=code)
        check(f"refused: {name}", words in said and "Traceback" not in said, said.strip().splitlines()[-1][-160:])

    def models(self):
        bert, language_model = self.bench.scorer("bert"), self.scratch / "language-model"
        self.refused("no head chosen", 2, "0 (bad), 1 (good), 2 (odd)", *self.text, model=bert)
        self.refused("no such head", 2, "0 to 2", *self.text, "--head", "3", model=bert)
        self.refused("no chat template", 2, "--text")
        self.refused("no response in the text", 2, "{response}", "--text", "{query}")
        self.refused("unknown placeholder", 2, "{answer}", "--text", "{query}{answer}")
        gptj = self.bench.scorer("gptj")
        transformers.AutoModelForCausalLM.from_config(
            transformers.AutoConfig.from_pretrained(gptj)).save_pretrained(language_model)
        for file in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(gptj / file, language_model)
        self.refused("a language model", 4, "score.weight", *self.text, model=language_model)
        self.refused("no model", 4, "nothing", *self.text, model=self.scratch / "nothing")

    def rows(self):
        bad, single = self.scratch / "bad.jsonl", self.scratch / "single.jsonl"
        rows = self.data.read_text()
        bad.write_text(rows + json.dumps({"prompt": "x", "chosen": "y"}) + "\n")
        config = self.bench.configuration("bad", bad, "hh")
        line = len(rows.splitlines()) + 1
        self.refused("a bad row", 3, f"bad.jsonl:{line}: missing field", *self.text, config=config)
        said = self.bench.score(
            config, self.bench.scorer("gptj"), self.scratch / "skipped.h5", *self.text, "--set", "data.on_error=skip")
        check("a bad row is counted", '1 missing field "rejected"' in said)
        config = self.bench.configuration("single", single, "plain")
        write_rows(single, [{"prompt": f"{n}", "completion": "y", "label": True} for n in range(3)])
        self.refused(
            "single responses", 3, "single.jsonl:1: one response", *self.text, "--set", "passes=[prepare]",
            config=config)
        # Longer than the policy's limit of 200, not than the reward model's of 256.
        write_rows(single, [{"prompt": start + 210 * "x", "chosen": "y", "rejected": "z"} for start in "ab"])
        self.refused(
            "one pair to the policy, two to the model", 3, "single.jsonl:2 and", *self.text, config=config)

    def files(self):
        rdo, out, model = self.bench.rdo, self.scratch / "of-others.h5", self.bench.scorer("gptj")
        shutil.copy(self.scratch / "pairs/coefficients.h5", out)
        before = out.read_bytes()
        self.refused("a file of another program", 2, "--force", *self.text, out=out)
        check("refused: the file is as it was", out.read_bytes() == before and not self.out.exists())
        out.write_text("no HDF5")
        self.refused("a file of any kind", 2, "--force", *self.text, out=out)
        self.bench.score(self.config, model, out, *self.text, "--force")
        self.bench.score(self.config, model, out, *self.text)
        check("its own file is replaced", "25 pairs" in self.bench.run(rdo, "verify", out))
        check("nothing is left beside it", not list(self.scratch.glob("*.writing")))
        # Training notices a file that lacks pairs: that it finds every pair says something.
        with h5py.File(out, "r+") as file:
            for name in ("key", "difference"):
                values = file[f"pairs/{name}"][1:-1]
                del file[f"pairs/{name}"]
                file[f"pairs/{name}"] = values
        said = self.bench.run(
            rdo, "run", self.config, "--set", f"output={self.scratch}/used", "passes=[reference,dpo]",
            f"dpo.coefficients.file={out}", code=4)
        check("a missing pair is noticed", "are missing" in said, said.strip().splitlines()[-1][-120:])


def check_assets(bench, assets):
    """Real dialogues and lists, a real policy and its tokenizer."""
    def is_good(responses):
        return len(set(responses)) == len(responses) and all(each.strip() for each in responses)

    for name, count in (("hh_harmless_test/pairs", 300), ("alpacaeval_lists_k8/lists", 40)):
        rows = []
        for line in open(assets / f"data/{name}.jsonl", encoding="utf-8"):
            row = json.loads(line)
            responses = row.get("responses") or [row["chosen"], row["rejected"]]
            if is_good(responses) and len(rows) < count:
                rows.append(Fact(row, row.get("prompt", row.get("query")), responses, [], ""))
        data = bench.scratch / f"real-{count}.jsonl"
        write_rows(data, [fact.row for fact in rows])
        config = bench.configuration(
            f"real-{count}", data, "plain", model={"path": str(assets / "models/stories260K")},
            data={"max_tokens": 256})
        bench.run(bench.rdo, "run", config)
        text = "{query}{response}<|endoftext|>"
        for scorer, make, arguments, reading in (
                ("deberta", *SCORERS["deberta"]),
                ("gptj", gptj, ["--text", text], lambda t, f, r: ([f.query + r + "<|endoftext|>"], True))):
            directory = bench.scratch / "scorers" / f"real-{count}-{scorer}"
            make_scorer(make, directory, [fact.query for fact in rows])
            bench.compare(
                f"{name}, {scorer}", config, directory, reading, rows, bench.scratch / "real.h5", *arguments,
                limit=120 if scorer == "deberta" else 256)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rdo", type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--only", default="", help="checks whose names hold this: 'lists gptj', 'held-out', 'refused'")
    parser.add_argument("--assets", type=pathlib.Path, help="directory of real data and models")
    parser.add_argument("--keep", action="store_true", help="leave the files")
    options = parser.parse_args()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    scratch = pathlib.Path(tempfile.mkdtemp(prefix="rdo-scorer-"))
    bench = Bench(options.rdo, scratch)
    try:
        make_policy(bench)
        check_formats(bench, options.only)
        if options.only in "held-out":
            check_held_out(bench)
        if options.only in "refused":
            Refusals(bench)
        if options.assets:
            check_assets(bench, options.assets)
    finally:
        if options.keep:
            print(f"files: {scratch}")
        else:
            shutil.rmtree(scratch)
    if failures:
        print(f"{len(failures)} checks failed")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
