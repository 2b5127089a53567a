"""Small tokenizers of every make, with each component that rdo knows."""

import json
import struct

SPECIAL = ["<unk>", "<s>", "</s>"]
MERGES = ["Ġ t", "h e", "Ġt he", "i n", "r e", "l l", "e ll", "h ell", "hell o", "Ġ hello"]
WORDS = r"(?i:'s|'t|'re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SETTINGS = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": "<s>", "eos_token": "</s>",
            "add_bos_token": True}
TEMPLATE = ("{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] + "
            "'<|im_end|>' + '\\n'}}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}")


def alphabet():
    """What stands for each byte in byte-level vocabularies."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    other = iter(range(256, 512))
    return [chr(byte if byte in shown else next(other)) for byte in range(256)]


def added(number, content, special=True):
    return {"id": number, "content": content, "special": special, "normalized": not special, "single_word": False,
            "lstrip": False, "rstrip": False}


def document(tokens, merges, extra, **parts):
    tokens = list(dict.fromkeys(tokens))
    first = len(tokens)
    return json.dumps({
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [added(first + index, each, each != "<x>") for index, each in enumerate(["<s>", "</s>", "<x>"])]
        if "<s>" not in tokens else [added(index, each) for index, each in enumerate(SPECIAL)],
        "normalizer": parts.get("normalizer"), "pre_tokenizer": parts.get("pre_tokenizer"),
        "post_processor": parts.get("post_processor"), "decoder": parts.get("decoder"),
        "model": {"type": "BPE", **extra, "vocab": {each: index for index, each in enumerate(tokens)},
                  "merges": merges}},
        ensure_ascii=False)


def byte_level():
    words = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    return document(
        alphabet() + [merge.replace(" ", "") for merge in MERGES], MERGES,
        {"unk_token": None, "byte_fallback": False, "ignore_merges": False},
        normalizer={"type": "NFC"},
        pre_tokenizer={"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": WORDS}, "behavior": "Isolated", "invert": False},
            {"type": "Digits", "individual_digits": True}, words]},
        post_processor={"type": "TemplateProcessing", "single": [
            {"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [266], "tokens": ["<s>"]}}},
        decoder=words)


def pieces():
    merges = [["▁", "t"], ["h", "e"], ["▁t", "he"], ["l", "l"]]
    return document(
        SPECIAL + [f"<0x{byte:02X}>" for byte in range(256)] + list("▁abcdefghilnorstw.,!")
        + ["".join(each) for each in merges],
        merges, {"unk_token": "<unk>", "fuse_unk": True, "byte_fallback": True},
        normalizer={"type": "Sequence", "normalizers": [
            {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
        decoder={"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
            {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]})


def metaspace():
    space = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
    return document(
        SPECIAL + list("▁abcdefghilnorstw.,!") + ["▁t", "he", "▁the"], ["▁ t", "h e", "▁t he"],
        {"unk_token": "<unk>", "fuse_unk": False, "byte_fallback": False}, pre_tokenizer=space, decoder=space)


def varint(value):
    value &= (1 << 64) - 1
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(number, value):
    """A field of a protocol buffer: an integer, a float, or bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if isinstance(value, float):
        return varint(number << 3 | 5) + struct.pack("<f", value)
    value = value if isinstance(value, bytes) else value.encode()
    return varint(number << 3 | 2) + varint(len(value)) + value


def sentencepiece(kind):
    """A SentencePiece model: `kind` 1 is unigram, 2 BPE."""
    entries = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
    entries += [(f"<0x{byte:02X}>", 0.0, 6) for byte in range(256)]
    entries += [(each, -float(index + 1), 1)
                for index, each in enumerate(["▁t", "he", "▁the", *"▁abcdefghilnorstw.,!"])]
    model = b"".join(field(1, field(1, text) + field(2, score) + field(3, sort)) for text, score, sort in entries)
    trainer = field(3, kind) + field(35, 1) + field(40, 0) + field(41, 1) + field(42, 2) + field(43, -1)
    return model + field(2, trainer) + field(3, field(1, "identity") + field(3, 1) + field(4, 0) + field(5, 1))


def all_tokenizers():
    """Files by directory."""
    settings = json.dumps(SETTINGS)
    return {
        "bytes": {"tokenizer.json": byte_level(),
                  "tokenizer_config.json": json.dumps({**SETTINGS, "chat_template": TEMPLATE})},
        "pieces": {"tokenizer.json": pieces(), "tokenizer_config.json": settings},
        "metaspace": {"tokenizer.json": metaspace(), "tokenizer_config.json": settings},
        "unigram": {"tokenizer.model": sentencepiece(1), "tokenizer_config.json": settings},
        "bpe": {"tokenizer.model": sentencepiece(2), "tokenizer_config.json": settings},
    }
