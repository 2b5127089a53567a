#!/usr/bin/env python3
"""Golden values of Tests/PreferencesTests/TokenizerKindTests.swift: tokenizers of every kind that is read, and what Hugging
Face `tokenizers` makes of some texts with them.

    Tests/scripts/golden_tokenizers.py > Tests/PreferencesTests/tokenizers.json

The models are trained here on the texts below; a kind is a model with components around it. Where a kind's ids give another
text than the one they were made of, that text is stored too. Made with tokenizers 0.23.3, sentencepiece 0.2.3.

With --compare RDO nothing is stored: RDO's ids and texts are compared on so many random texts (--count) instead.
"""

import argparse
import base64
import io
import json
import random
import subprocess
import sys
import tempfile
import unicodedata

import sentencepiece
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

CORPUS = """
the cat sat on the mat and the dog sat on the cat while the rain was falling on the old stone house by the river
it's a small world, isn't it? she said: "don't go!" and he'd gone already; they'll come back in 2024 or 2025
counting 1, 2, 3, 10, 100, 1000 and 12345 things at 9:30 on the 7th of May, twice as many as in 1999
Straße, Müller, naïve café, déjà vu, Ångström, señor, coração, žluťoučký kůň, İstanbul, œuvre
Привет, мир! Как дела? Всё хорошо, спасибо. Η γρήγορη αλεπού πηδάει. שלום עולם. مرحبا بالعالم
你好，世界。今天天气很好。日本語のテキストです。カタカナもあります。안녕하세요 세계
नमस्ते दुनिया สวัสดีชาวโลก xin chào thế giới
def f(x_1, y): return x_1 ** 2 + y[0] - {"a": 1}.get("a")  # comment
the falling rain, the falling stone, the falling cat; falling and sitting and running and counting again and again
""".strip().split("\n")

TEXTS = [
    "", " ", "the cat sat on the mat", "  the  falling   rain ", "\tthe\n\ncat\r\n sat\x0b\x0con", "It's SHE'LL don't \u2019s",
    "1234567 12 ٣٤ ½² Ⅷ", "Straße Müller naïve CAFÉ", "cafe\u0301 A\u030angstro\u0308m \u212b", "ﬁne ﬂow ﬀ ㎏ ① ﷺ",
    "Привет, мир! ё е\u0308", "Η γρήγορη ΣΊΣΥΦΟΣ", "שלום עולם", "مرحبا بالعالم ١٢٣", "你好，世界。今天", "日本語のテキストです",
    "カタカナ ｶﾀｶﾅ ー", "안녕하세요 \u1112\u1161\u11ab", "नमस्ते दुनिया", "สวัสดีชาวโลก", "thế giới the\u0302\u0301",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea \u2764\ufe0f", "\u00a0x\u3000y\u2009z\u180ew\u200b",
    "\x00\x01\x7f\x85\xad", "...!! ?! \u2014\u201cquoted\u201d \u00bf", "def f(x_1): return x[0]**2", "a_b-c/d\\e@f#g$h%i",
    "▁the▁cat ▁ ▁▁", "<s>the</s> <unk><pad>", "foo<tok>bar <TOK> food foo ", "<0x41><0xE4>", "\ufeffthe\ufffd cat\u2028rain",
    "\U00010400\U0001d4d0 \U0002f800 \ue000", "``quotes'' \"and\" 'so'", "x" * 40, "the\u0301 e\u0301\u0316\u0301 \u0301",
]

SPECIAL = ["<unk>", "<s>", "</s>"]

# Own rules of normalization, in hexadecimal: what stands before the tab becomes what stands behind it.
RULES = {
    "\t": " ", "\n": " ", "\r": " ", "\u00a0": " ", "\u3000": " ", "\u00ad": "", "\u200b": " ", "ﬁ": "fi", "ﬂ": "fl", "①": "1", "㎏": "kg",
    "e\u0301": "é", "A\u030a": "Å", "\u212b": "Å", "Ⅷ": "VIII", "ｶ": "カ", "ﾀ": "タ", "ﾅ": "ナ", "\u2019": "'", "ff": "f",
    "\U0001d4d0": "A", "\u1112\u1161": "하", "\r\n": " ",
}


def precompiled():
    """The rules as SentencePiece compiles them."""
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
        for source, target in RULES.items():
            file.write("\t".join(" ".join("%04X" % ord(c) for c in text) for text in (source, target)) + "\n")
        file.flush()
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(CORPUS), model_writer=model, vocab_size=150, model_type="char",
            normalization_rule_tsv=file.name, minloglevel=2, hard_vocab_limit=False)
    return charsmap(model.getvalue())


def charsmap(model):
    """`normalizer_spec.precompiled_charsmap` of a model: field 2 of field 3, both length-delimited."""
    def fields(data):
        place = 0
        def varint():
            nonlocal place
            value = shift = 0
            while True:
                byte = data[place]
                place += 1
                value |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    return value
        while place < len(data):
            key = varint()
            if key & 7 == 0:
                yield key >> 3, varint()
            elif key & 7 == 2:
                length = varint()
                yield key >> 3, data[place:place + length]
                place += length
            elif key & 7 == 5:
                yield key >> 3, data[place:place + 4]
                place += 4
            else:
                raise ValueError(key)
    spec = next(value for number, value in fields(model) if number == 3)
    return next(value for number, value in fields(spec) if number == 2)


def trained():
    """The models by name, as tokenizer.json has them."""
    found = {}

    def train(name, tokenizer, trainer):
        tokenizer.train_from_iterator(CORPUS, trainer)
        found[name] = json.loads(tokenizer.to_str())["model"]

    letters = Tokenizer(models.BPE(unk_token="<unk>"))
    letters.pre_tokenizer = pre_tokenizers.Metaspace()
    train("letters", letters, trainers.BpeTrainer(
        vocab_size=230, special_tokens=SPECIAL, limit_alphabet=130, show_progress=False))
    unfused = json.loads(json.dumps(found["letters"]))
    found["letters"]["fuse_unk"] = True
    found["unfused"] = unfused

    by_bytes = Tokenizer(models.BPE())
    by_bytes.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    train("bytes", by_bytes, trainers.BpeTrainer(
        vocab_size=330, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))

    unigram = Tokenizer(models.Unigram())
    unigram.pre_tokenizer = pre_tokenizers.Metaspace()
    train("unigram", unigram, trainers.UnigramTrainer(
        vocab_size=190, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False))
    model = found["unigram"]
    # Short numbers that every parser reads alike.
    model["vocab"] = [[piece, round(score, 3)] for piece, score in model["vocab"]]
    fallback = json.loads(json.dumps(model))
    fallback["vocab"][3:3] = [["<0x%02X>" % byte, 0.0] for byte in range(256)]
    # Spaces and a piece twice: the later score counts.
    fallback["vocab"] += [["▁▁", -3.5], ["▁▁▁▁", -6.0], ["\n", -4.0], ["the", -2.0], ["<0x0A>", -9.0]]
    fallback["byte_fallback"] = True
    found["unigramBytes"] = fallback
    return found


def sequence(kind, *parts):
    return {"type": "Sequence", kind: list(parts)}


def normalizer(*parts):
    return sequence("normalizers", *parts)


def pre(*parts):
    return sequence("pretokenizers", *parts)


def metaspace(scheme="always", split=True, replacement="▁"):
    return {"type": "Metaspace", "replacement": replacement, "prepend_scheme": scheme, "split": split}


def byte_level(regex=True, prefix=False):
    return {"type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": True, "use_regex": regex}


def split(pattern, behavior, invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: pattern}, "behavior": behavior, "invert": invert}


def replace(pattern, content, kind="String"):
    return {"type": "Replace", "pattern": {kind: pattern}, "content": content}


def punctuation(behavior):
    return {"type": "Punctuation", "behavior": behavior}


def plain(name):
    return {"type": name}


def strip(left, right):
    return {"type": "Strip", "strip_left": left, "strip_right": right}


GPT4 = (r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|"
        r"\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
PIECES = sequence("decoders", replace("▁", " "), plain("ByteFallback"), plain("Fuse"),
                  {"type": "Strip", "content": " ", "start": 1, "stop": 0})


# Patterns of GPT-2, Llama 3, Qwen 2, GPT-4, GPT-4o and DeepSeek, and constructs that regular expression engines read
# differently, or that tokenizers are likely to have.
PATTERNS = [
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}+| ?[^\s\p{L}\p{N}]++[\r\n]*|\s++$|\s*[\r\n]|\s+(?!\S)|\s",
    GPT4, r"\p{N}{1,3}", r"[一-龥ぁ-ゟァ-ヿ]+",
    r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+""",
    r"[\r\n]|\s?\p{L}+|\s?\p{P}+|\p{N}", r"\p{N}{1,3}(?=(?:\p{N}{3})*(?:\P{N}|$))", r"\p{N}{1,3}+", r"\d{2}?", r"(?m)t.e",
    r"(?m:\n.)", r"\bthe", r"\b", r"\B", r"x{,2}", r"\v", r"\u4f60", r"\w+|[^\w\s]+", r"\W", r"\S+", r"\s+", r"[^\S\n]+", r"\d+", r"\D+",
    r"\K", r"t\Khe", r"x*", r"", r"^\s", r"\s$", r"\A.", r".\Z", r".\z", r"\G.", r".", r"[^a-z]", r"t(?i)he|C", r"(?i)cat|k", r"(?-i:a)",
    r"(?i:ÜL)", r"(?>a+)t", r"(?<=l)l", r"(?<!\s)\p{L}", r"(?=e)|(?!\w)", r"\p{Han}+", r"\p{Hiragana}|\p{Katakana}", r"[\p{Han}x]+",
    r"\P{Han}+", r"\p{^Han}", r"[^\p{Hiragana}]+", r"\p{Han}{1,2}+", r"\p{Common}+", r"\p{Greek}", r"\p{^L}+", r"\p{Alphabetic}+",
    r"\p{Ll}\p{Lu}", r"\p{Sc}|\p{S}", r"\p{Cc}|\p{Cf}", r"\R", r"\N+", r"(?# comment [)a+", "(?x) a t # two\n | c", r"[]x]", r"{a}", r"\{\}",
    r"(?<y>l)\k<y>", r"(l)\1", r"\x{e9}", r"\e|\t", r"(a|at)(t|e)", r"xx+?", r"x??y", r"x{2}", r"x{2}+", r"x{2,}+", r"x{1,2}?",
]
PATTERN_TEXT = "\n".join(TEXTS[place] for place in (2, 3, 4, 5, 6, 7, 8, 10, 11, 14, 15, 16, 17, 18, 19, 22, 25)) + " xxxxx\n"


def pieces(pattern, text=PATTERN_TEXT):
    """How many bytes the pieces of the text have that a pattern cuts it into."""
    found = pre_tokenizers.Split(Regex(pattern), "isolated").pre_tokenize_str(text)
    return [len(piece.encode()) for piece, _ in found]


def kinds(rules):
    """Name, model, normalizer, pre-tokenizer, decoder, and the added tokens beside the special ones."""
    compiled = {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(rules).decode()}
    spaces = replace(" {2,}", "▁", "Regex")
    added = [("<tok>", ""), ("foo", "w"), ("<pad>", "s"), ("Cat", "n"), ("<TOK>", "lr")]
    yield "unigram, Metaspace always", "unigram", None, metaspace(), metaspace(), []
    yield "unigram, Metaspace first", "unigram", None, metaspace("first"), metaspace("first"), added
    yield "unigram, Metaspace never", "unigram", None, metaspace("never"), metaspace("never"), []
    yield "unigram, Metaspace unsplit", "unigram", None, metaspace("always", False), metaspace(), added
    yield "unigram, Metaspace first unsplit", "unigram", None, metaspace("first", False), metaspace("first"), []
    yield "unigram, another replacement", "unigram", None, metaspace("always", True, "x"), metaspace("always", True, "x"), []
    yield "unigram, byte fallback", "unigramBytes", normalizer(
        {"type": "Prepend", "prepend": "▁"}, replace(" ", "▁")), None, PIECES, added
    yield "unigram, byte fallback, Metaspace", "unigramBytes", None, metaspace("first"), PIECES, []
    yield "unigram of T5", "unigram", normalizer(compiled, strip(False, True), spaces), metaspace(), metaspace(), added
    yield "unigram of ALBERT", "unigram", normalizer(
        replace("``", '"'), replace("''", '"'), plain("NFKD"), plain("StripAccents"), plain("Lowercase"), compiled), pre(
            plain("WhitespaceSplit"), metaspace()), metaspace(), []
    yield "unigram, Nmt", "unigram", normalizer(plain("Nmt"), plain("NFKC"), spaces), metaspace(), metaspace(), []
    yield "Precompiled alone", "bytes", compiled, byte_level(False), byte_level(), added
    yield "NFC", "bytes", plain("NFC"), byte_level(), byte_level(), []
    yield "NFD", "bytes", plain("NFD"), byte_level(), byte_level(), []
    yield "NFKC", "bytes", plain("NFKC"), byte_level(), byte_level(), added
    yield "NFKD", "bytes", plain("NFKD"), byte_level(), byte_level(), []
    yield "NFD, StripAccents, Lowercase", "bytes", normalizer(
        plain("NFD"), plain("StripAccents"), plain("Lowercase")), byte_level(), byte_level(), added
    yield "Nmt alone", "bytes", plain("Nmt"), byte_level(False), byte_level(), []
    yield "Strip, Metaspace first", "letters", strip(True, True), metaspace("first"), metaspace("first"), added
    yield "Replace that deletes", "letters", normalizer(replace("the", ""), replace(r"\d+", "1", "Regex")), metaspace(
        "first"), metaspace("first"), []
    yield "Replace of nothing", "letters", replace("", "-"), metaspace("always", False), metaspace(), []
    yield "ByteLevel as normalizer", "bytes", plain("ByteLevel"), None, byte_level(), added
    yield "Whitespace", "letters", plain("NFKC"), plain("Whitespace"), None, []
    yield "WhitespaceSplit", "letters", None, pre(plain("WhitespaceSplit"), metaspace("first")), metaspace("first"), []
    yield "BertPreTokenizer", "letters", plain("Lowercase"), plain("BertPreTokenizer"), None, []
    yield "CharDelimiterSplit", "letters", None, {"type": "CharDelimiterSplit", "delimiter": "a"}, None, []
    yield "UnicodeScripts", "unfused", None, pre(plain("UnicodeScripts"), metaspace("always", False)), metaspace(), []
    yield "Digits", "bytes", None, pre({"type": "Digits", "individual_digits": False}, byte_level(False)), byte_level(), []
    yield "Digits one by one", "unfused", None, pre(
        {"type": "Digits", "individual_digits": True}, metaspace("always", False)), metaspace(), []
    for behavior in ("removed", "isolated", "merged_with_previous", "merged_with_next", "contiguous"):
        name = "".join(word.capitalize() for word in behavior.split("_"))
        yield "Punctuation " + name, "unfused", None, pre(punctuation(name), metaspace("always", False)), metaspace(), []
        yield "Split " + name, "unfused", None, pre(
            split(r"[aeo]|\s", name), metaspace("always", False)), metaspace(), []
        yield "Split inverted " + name, "unfused", None, pre(
            split(r"\p{L}+", name, True), metaspace("always", False)), metaspace(), []
    yield "Split by nothing", "letters", None, pre(split("", "Isolated", kind="String"), metaspace()), metaspace(), []
    yield "Split of GPT-4o", "bytes", None, pre(split(GPT4, "Isolated"), byte_level(False)), byte_level(), added
    yield "Split, possessive interval", "bytes", None, pre(
        split(r"\p{N}{1,3}+|\bthe\b|\p{L}+|\s+(?!\S)|\s", "Removed", True), byte_level(False)), byte_level(), []
    yield "Split, \\K and look-around", "bytes", None, pre(
        split(r"t\Khe|(?<=c)a(?=t)|(?m)x.x", "Isolated"), byte_level(False)), byte_level(), []
    yield "ByteLevel with a space", "bytes", None, byte_level(True, True), byte_level(), added
    yield "Removed, then ByteLevel with a space", "bytes", None, pre(
        split(" ", "Removed", kind="String"), byte_level(False, True)), byte_level(), []
    yield "Nothing around it", "letters", None, None, plain("Fuse"), added


def document(model, normalizer, pre_tokenizer, decoder, added, size):
    """A tokenizer.json; flags: s special, n normalized, w single word, l and r strip."""
    special = [(content, "s") for content in SPECIAL]
    entries = []
    next_id = size
    names = model["vocab"] if isinstance(model["vocab"], dict) else [piece for piece, _ in model["vocab"]]
    for content, flags in (special if "<unk>" in names else []) + added:
        known = model["vocab"].get(content) if isinstance(model["vocab"], dict) else (
            names.index(content) if content in names else None)
        entries.append({
            "id": next_id if known is None else known, "content": content, "special": "s" in flags,
            "normalized": "n" in flags, "single_word": "w" in flags, "lstrip": "l" in flags, "rstrip": "r" in flags})
        next_id += known is None
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": entries, "normalizer": normalizer,
            "pre_tokenizer": pre_tokenizer, "post_processor": None, "decoder": decoder, "model": model}


def documents(rules):
    found = trained()
    for name, model, *components, added in kinds(rules):
        yield name, model, document(found[model], *components, added, len(found[model]["vocab"])), found


def answers(tokenizer, texts):
    ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]
    return ids, [tokenizer.decode(own, skip_special_tokens=False) for own in ids]


def store():
    result = {"texts": TEXTS, "models": {}, "kinds": []}
    for name, model, whole, found in documents(precompiled()):
        result["models"] = found
        ids, decoded = answers(Tokenizer.from_str(json.dumps(whole)), TEXTS)
        part = {key: whole[key] for key in ("added_tokens", "normalizer", "pre_tokenizer", "decoder")}
        result["kinds"].append({
            "name": name, "model": model, "tokenizer": part, "ids": ids,
            "decoded": {str(place): own for place, (own, text) in enumerate(zip(decoded, TEXTS)) if own != text}})
    # A line each, so that changes can be read.
    lines = [
        '{"texts": ' + dense(TEXTS),
        '"patternText": ' + dense(PATTERN_TEXT),
        '"patterns": [' + ",\n".join(dense([pattern, pieces(pattern)]) for pattern in PATTERNS) + "]",
        '"models": {' + ",\n".join(
        f"{dense(name)}: {dense(model)}" for name, model in result["models"].items()) + "}",
        '"kinds": [' + ",\n".join(map(dense, result["kinds"])) + "]}"]
    print(",\n".join(lines))


def dense(value):
    return json.dumps(value, separators=(",", ":"))


def random_texts(count):
    chooser = random.Random(7)
    blocks = [(0, 0x80), (0, 0x600), (0x600, 0x3000), (0x3000, 0xD800), (0xE000, 0x10000), (0x10000, 0x20000)]

    def fragment():
        match chooser.randrange(4):
            case 0: return chooser.choice(TEXTS)
            case 1: return chooser.choice(chooser.choice(CORPUS).split(" "))
            case 2: return chooser.choice([" ", "  ", "\n", "▁", "'s", "12", "<tok>", "foo", "Cat", "<s>", "\u0301", "!"])
            # Newer characters than this Python knows are not the same in all tables.
            case _: return next(iter(c for c in iter(lambda: chr(chooser.randrange(*chooser.choice(blocks))), None)
                                     if unicodedata.category(c) != "Cn"))
    return ["".join(fragment() for _ in range(chooser.randint(1, 8))) for _ in range(count)]


def compare(program, count):
    texts = random_texts(count)
    failed = False
    for name, _, whole, _ in documents(precompiled()):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump(whole, file)
            file.flush()

            def run(lines, *flags):
                done = subprocess.run(
                    [program, "tokenize", "--model", file.name, *flags], input="".join(line + "\n" for line in lines),
                    capture_output=True, text=True)
                if done.returncode:
                    raise SystemExit(f"{name}: {done.stderr}")
                return [json.loads(line) for line in done.stdout.split("\n") if line]
            ids, decoded = answers(Tokenizer.from_str(json.dumps(whole)), texts)
            own = run(map(json.dumps, texts), "--json")
            read = run(map(json.dumps, ids), "--decode")
        different = [case for case in zip(texts, own, ids) if case[1] != case[2]]
        misread = [case for case in zip(ids, read, decoded) if case[1] != case[2]]
        print(f"{name}: {len(different)} of {count} texts differ, {len(misread)} of their decodings")
        for case in different[:3] + misread[:3]:
            print("   ", *map(ascii, case))
        failed = failed or bool(different or misread)
    return failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compare", metavar="RDO")
    parser.add_argument("--count", type=int, default=400)
    options = parser.parse_args()
    sys.exit(compare(options.compare, options.count) if options.compare else store())
