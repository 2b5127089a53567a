#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = [
#     "h5py==3.16.0", "numpy==2.4.6", "protobuf==7.36.2", "pyyaml==6.0.4", "sentencepiece==0.2.3", "torch==2.15.0",
#     "transformers==5.24.0", "xxhash==4.1.0",
# ]
# ///
"""Scores the data of a configuration with a reward model of any architecture that transformers has as a sequence
classifier, and writes a coefficient file that `coefficients.file` may name (docs/scorers.md).

    scripts/score_with_transformers.py CONFIG --model DIR --out FILE.h5 [--text '{query} {response}']

rdo reads the data and says by which keys training will look for them (coefficient_data.py); the reward model reads the
texts with its own tokenizer, by its chat template or as --text says. Exit codes are rdo's: 2 usage, 3 data, 4 a model
or file, 5 a reward that is no number.
"""

import argparse
import inspect
import itertools
import pathlib
import re
import shutil
import sys
import tempfile
import time

import numpy as np
import torch
import transformers
import yaml

from coefficient_data import (
    ARTEFACT, DATA, NUMERICAL, USAGE, Failure, check_repeats, check_target, read_data, tables, write)

NAME = "score_with_transformers"
SPEAKERS = {"system": "System", "user": "Human", "assistant": "Assistant"}
ASSISTANT_TURN = "\n\nAssistant:"
PLACEHOLDERS = ("dialogue", "query", "response")


def say(text):
    print(f"{NAME}: {text}", file=sys.stderr, flush=True)


# What the reward model reads


def hh_dialogue(row, response):
    """The whole dialogue as Anthropic's HH writes it."""
    if row.messages:
        query = "".join(f"\n\n{SPEAKERS[each['role']]}: {each['content']}" for each in row.messages) + ASSISTANT_TURN
    else:
        query = row.query if row.query.endswith(ASSISTANT_TURN) else f"\n\nHuman: {row.query}{ASSISTANT_TURN}"
    return query + (response if response.startswith(" ") else " " + response)


def conversation(row, response):
    """The same as messages; an HH dialogue's turns lose the white space around them."""
    messages = row.messages
    if not messages and row.query.startswith("\n\nHuman:") and row.query.endswith(ASSISTANT_TURN):
        roles = {"Human": "user", "Assistant": "assistant"}
        parts = re.split(r"\n\n(Human|Assistant):", row.query.removesuffix(ASSISTANT_TURN))
        messages = [
            {"role": roles[speaker], "content": turn.strip()} for speaker, turn in zip(parts[1::2], parts[2::2])]
        response = response.strip()
    messages = messages or [{"role": "user", "content": row.query}]
    return messages + [{"role": "assistant", "content": response}]


def check_formats(options):
    """--text and --text-pair with \\n as line feeds; every placeholder known, and nothing of the data left out."""
    if options.text is None:
        if options.text_pair is not None:
            raise Failure(USAGE, "--text-pair is the second text: give the first one with --text")
        return None
    formats = [each.replace("\\n", "\n") for each in (options.text, options.text_pair) if each is not None]
    names = set(re.findall(r"\{(\w*)\}", "".join(formats)))
    if unknown := names - set(PLACEHOLDERS):
        raise Failure(USAGE, f"--text: {{{min(unknown)}}} is not one of {', '.join(PLACEHOLDERS)}")
    if "dialogue" not in names and not {"query", "response"} <= names:
        raise Failure(USAGE, "--text holds neither {dialogue} nor both {query} and {response}")
    return formats


def render(formats, row, response):
    """One text or two."""
    values = {"query": row.query, "response": response, "dialogue": hh_dialogue(row, response)}
    return [re.sub(r"\{(\w+)\}", lambda match: values[match[1]], each) for each in formats]


class Scorer:
    """A sequence classifier and its tokenizer."""

    def __init__(self, options):
        self.device = options.device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.batch_tokens = options.batch_tokens
        self.formats = check_formats(options)
        try:
            self.tokenizer = transformers.AutoTokenizer.from_pretrained(options.model)
            self.model, loading = transformers.AutoModelForSequenceClassification.from_pretrained(
                options.model, dtype=getattr(torch, options.dtype), output_loading_info=True)
            self.model.to(self.device).eval()
        except Exception as error:  # the libraries raise what they like
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            raise Failure(ARTEFACT, f"{options.model}: cannot load it: {reason}")
        if absent := sorted({*loading["missing_keys"], *(str(each) for each in loading["mismatched_keys"])}):
            raise Failure(ARTEFACT, f"{options.model}: the model is no reward model, it lacks {', '.join(absent[:3])}")
        if self.formats is None and not self.tokenizer.chat_template:
            raise Failure(USAGE, f"{options.model}: the tokenizer has no chat template: say with --text what it reads")
        self.model.config.use_cache = False
        self.config = self.model.config.get_text_config()
        self.head = self.chosen_head(options.head)
        self.limit = options.max_length or self.own_limit()
        self.tokenizer.truncation_side = "left" if options.cut == "beginning" else "right"
        self.takes_types = "token_type_ids" in inspect.signature(self.model.forward).parameters
        self.vocabulary = self.model.get_input_embeddings().num_embeddings

    def chosen_head(self, head):
        count, names = self.model.config.num_labels, self.model.config.id2label
        if head is None and count > 1:
            choice = ", ".join(f"{index} ({names.get(index, '')})" for index in range(count))
            raise Failure(USAGE, f"the model has {count} labels: say with --head which one is the reward, {choice}")
        if head is not None and not 0 <= head < count:
            raise Failure(USAGE, f"--head {head}: the model has the labels 0 to {count - 1}")
        return head or 0

    def own_limit(self):
        """Tokens that tokenizer and model say they take; None where neither says."""
        limits = (self.tokenizer.model_max_length, getattr(self.config, "max_position_embeddings", None))
        # A tokenizer without a limit says 10^30.
        return min((limit for limit in limits if limit and 0 < limit < 10**9), default=None)

    # Texts to ids

    def texts(self, data, row, response):
        if self.formats is not None:
            return render(self.formats, row, response)
        try:
            return [self.tokenizer.apply_chat_template(conversation(row, response), tokenize=False)]
        except Exception as error:  # a template raises what it likes
            raise Failure(DATA, f"{data.place(row)}: the chat template refuses the row ({error}); use --text")

    def inputs(self, data):
        """The different inputs as (ids, types), the input of every response in order, and how many texts were cut."""
        places, inputs, order, cut = {}, [], [], 0
        responses = ((row, self.texts(data, row, text)) for row in data.rows for text in row.texts)
        while block := list(itertools.islice(responses, 512)):
            whole = self.encode(*map(list, zip(*(texts for _, texts in block))))
            for place, (row, texts) in enumerate(block):
                ids, types = (each[place] for each in whole)
                if self.limit and len(ids) > self.limit:
                    ids, types = self.shortened(ids, texts)
                    cut += 1
                if not ids:
                    raise Failure(DATA, f"{data.place(row)}: the reward model reads no token of it")
                if max(ids) >= self.vocabulary:
                    raise Failure(ARTEFACT, f"the tokenizer has the id {max(ids)}, the model {self.vocabulary} tokens")
                ids, types = np.array(ids, np.int32), np.array(types, np.int8)
                key = ids.tobytes() + types.tobytes()
                if key not in places:
                    places[key] = len(inputs)
                    inputs.append((ids, types))
                order.append(places[key])
        return inputs, np.array(order), cut

    def encode(self, *texts, **cutting):
        """Ids and token types of texts, or of pairs of texts."""
        # A chat template writes BOS itself.
        encoded = self.tokenizer(
            *texts, add_special_tokens=self.formats is not None, return_attention_mask=False, verbose=False, **cutting)
        ids = encoded["input_ids"]
        return ids, encoded.get("token_type_ids", [[0] * len(each) for each in ids])

    def shortened(self, whole, texts):
        """Two texts lose tokens of the first one alone, unless the second leaves it no room."""
        texts = [[text] for text in texts]
        try:
            (ids,), (types,) = self.encode(
                *texts, truncation="only_first" if len(texts) == 2 else True, max_length=self.limit)
        except Exception:  # the tokenizer's own error, of no particular type
            ids = whole
        if len(ids) > self.limit:
            (ids,), (types,) = self.encode(*texts, truncation="longest_first", max_length=self.limit)
        # What a template or --text wrote at the ends stays there.
        if whole[0] == self.tokenizer.bos_token_id:
            ids[0] = whole[0]
        if whole[-1] == self.tokenizer.eos_token_id:
            ids[-1] = whole[-1]
        return ids, types

    # Ids to rewards

    def rewards(self, inputs):
        """One reward for each input, and how many tokens of padding its batch gave it."""
        order = sorted(range(len(inputs)), key=lambda place: -len(inputs[place][0]))
        rewards, padding = np.zeros(len(inputs), np.float32), np.zeros(len(inputs), np.int64)
        progress = Progress(len(inputs))
        while order:
            # The longest come first: what does not fit into memory fails at once.
            longest = len(inputs[order[0]][0])
            batch = order[:max(1, self.batch_tokens // longest)]
            order = order[len(batch):]
            rewards[batch] = self.batch([inputs[place] for place in batch])
            padding[batch] = [longest - len(inputs[place][0]) for place in batch]
            progress.add(len(batch))
        return rewards, padding

    def batch(self, inputs):
        """Padded on the right: positions count from 0, and what a token attends to is what it would attend to alone."""
        padding = self.padding(inputs)
        if padding is None and len(inputs) > 1:
            half = len(inputs) // 2
            return np.concatenate([self.batch(inputs[:half]), self.batch(inputs[half:])])
        ids = torch.full((len(inputs), max(len(each) for each, _ in inputs)), padding or 0)
        mask, types = torch.zeros_like(ids), torch.full_like(ids, self.tokenizer.pad_token_type_id)
        for row, (own, own_types) in enumerate(inputs):
            ids[row, :len(own)] = torch.from_numpy(own)
            types[row, :len(own)] = torch.from_numpy(own_types)
            mask[row, :len(own)] = 1
        arguments = {"input_ids": ids, "attention_mask": mask}
        if self.takes_types:
            arguments["token_type_ids"] = types
        stated = self.config.pad_token_id
        try:
            # A text alone is read as the model was saved.
            self.config.pad_token_id = padding if len(inputs) > 1 else stated
            with torch.inference_mode():
                logits = self.model(**{name: each.to(self.device) for name, each in arguments.items()}).logits
        finally:
            self.config.pad_token_id = stated
        return logits[:, self.head].float().cpu().numpy()

    def padding(self, inputs):
        """The model's padding. A decoder without (GPT-J) is read at a text's last token, one with padding at the last
        token that is none: an id that no text of the batch has marks the same token. None where there is no such id."""
        stated = self.config.pad_token_id
        if stated is not None and 0 <= stated < self.vocabulary:
            return stated
        used = set(np.concatenate([ids for ids, _ in inputs]).tolist())
        return next((number for number in range(self.vocabulary) if number not in used), None)

    def check(self, inputs, rewards, padding):
        """Computes the most padded texts again, one at a time, and returns the largest difference."""
        suspects = [place for place in np.argsort(-padding, kind="stable")[:8] if padding[place] > 0]
        worst = max((abs(self.batch([inputs[place]])[0] - rewards[place]) for place in suspects), default=0.0)
        of_spread, of_size = TOLERANCES[self.model.dtype]
        if worst > of_spread * rewards.std() + of_size * np.abs(rewards).max():
            raise Failure(NUMERICAL, f"texts in a batch and alone differ by up to {worst:.2g}: try --batch-tokens 1")
        return worst


# What rounding may do to a reward, as a share of the rewards' standard deviation and of the largest one.
TOLERANCES = {torch.float32: (1e-3, 1e-5), torch.float16: (0.02, 0.005), torch.bfloat16: (0.1, 0.03)}


class Progress:
    """A line every ten seconds."""

    def __init__(self, count):
        self.count, self.done, self.began, self.said = count, 0, time.monotonic(), time.monotonic()

    def add(self, count):
        self.done += count
        now = time.monotonic()
        if now - self.said >= 10:
            left = (now - self.began) / self.done * (self.count - self.done)
            say(f"{self.done} of {self.count} texts, {left:.0f} s left")
            self.said = now


# The command


def positive(text):
    if int(text) < 1:
        raise ValueError
    return int(text)


def arguments():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("config", help="the configuration of the run that will use the file")
    parser.add_argument("--model", required=True, help="directory of the reward model, or its name on the Hub")
    parser.add_argument("--out", required=True, type=pathlib.Path, help="the coefficient file")
    parser.add_argument("--rdo", default="rdo", help="the program (default: %(default)s)")
    parser.add_argument("--set", nargs="+", action="extend", default=[], help="override keys of the configuration")
    parser.add_argument("--part", choices=("train", "test"), default="train", help="the data: data.train or data.test")
    parser.add_argument(
        "--text", help="what it reads, of {query}, {response} and {dialogue} (default: by its chat template)")
    parser.add_argument("--text-pair", help="its second text, where it was trained with two")
    parser.add_argument("--head", type=int, help="which label is the reward, where the model has more than one")
    parser.add_argument(
        "--max-length", type=positive, help="most tokens of a text (default: what model and tokenizer say)")
    parser.add_argument(
        "--cut", choices=("beginning", "end"), default="beginning",
        help="which end of a longer text is cut off (default: %(default)s)")
    parser.add_argument(
        "--batch-tokens", type=positive, default=8192, help="tokens of a batch with padding (default: %(default)s)")
    parser.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), default="float32")
    parser.add_argument("--device", help="as torch names it (default: cuda where there is one, else cpu)")
    parser.add_argument("--force", action="store_true", help="replace a file of another program's making")
    return parser.parse_args()


def run(options):
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    if shutil.which(options.rdo) is None:
        raise Failure(USAGE, f"no program {options.rdo}: name it with --rdo")
    check_target(options.out, NAME, options.force)
    scorer = Scorer(options)
    with tempfile.TemporaryDirectory(prefix="rdo-score-") as output:
        data = read_data(options.rdo, options.config, options.set, options.part, pathlib.Path(output))
    inputs, order, cut = scorer.inputs(data)
    limit = f"at most {scorer.limit} tokens, {cut} longer ones are cut" if scorer.limit else "any length"
    say(f"{type(scorer.model).__name__} on {scorer.device}, {options.dtype}: {len(order)} responses, texts of {limit}")
    columns = tables(data)
    check_repeats(data, columns, order)
    began = time.monotonic()
    scores, padding = scorer.rewards(inputs)
    rewards = scores[order]
    if (bad := np.flatnonzero(~np.isfinite(rewards))).size:
        place = data.place(data.owners()[bad[0]])
        raise Failure(NUMERICAL, f"{place}: the reward is {rewards[bad[0]]}; try --dtype float32")
    difference = scorer.check(inputs, scores, padding)
    seconds = time.monotonic() - began
    say(f"{len(inputs)} different texts in {seconds:.0f} s, the most padded ones differ by {difference:.1e} when alone")
    check_target(options.out, NAME, options.force)
    write(options.out, columns, rewards, {
        "software": f"{NAME}, transformers {transformers.__version__}, torch {torch.__version__}",
        "config": yaml.safe_dump({name: str(value) for name, value in vars(options).items()}),
        "reward_model": options.model, **data.provenance})
    say(f"{len(columns['pairs/key'])} pairs of {len(columns['queries/key'])} prompts in {options.out}")


def main():
    try:
        run(arguments())
    except Failure as failure:
        say(f"error: {failure}")
        sys.exit(failure.code)
    except torch.OutOfMemoryError:
        say("error: the device has no room for a batch: lower --batch-tokens, or --dtype bfloat16")
        sys.exit(USAGE)
    except OSError as error:
        say(f"error: {error}")
        sys.exit(ARTEFACT)


if __name__ == "__main__":
    main()
