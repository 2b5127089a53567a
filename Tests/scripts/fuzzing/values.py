"""Mutations of JSON-like values: mappings, lists, texts, numbers."""

import json


class Mapping(list):
    """Pairs of key and value in order: unlike a dict it can hold a key twice."""


class Raw(str):
    """Text that is written as it stands, valid or not."""


NUMBERS = [0, -1, 1, 2, 255, 65536, 2**31 - 1, 2**31, -2**31, 2**32, 2**53 + 1, 2**63 - 1, -2**63, 2**63, 2**64,
           10**30, 0.5,
           -0.0, 1e-45, 5e-324, 1e38, 3.5e38, 1e300, -1e300, 1.5, Raw("NaN"), Raw("Infinity"), Raw("-Infinity"),
           Raw("1e999"), Raw("-1e999"), Raw("1e-999"), Raw("0x10"), Raw("01"), Raw("+1"), Raw("1."), Raw("9" * 400)]
# No absolute path: a case must not be able to write elsewhere.
TEXTS = ["", " ", "a\0b", "\0", "\x1b[2J\x1b[31mred", "\x07\x08", "\x7f", "\x85\x9b31m", "\u202eabc", "\u2028",
         "\ufeff", "\n",
         "\r\n", "a\nrdo: error: b", "no-such-file", "../above", ".", "..", "~", "~/x", "%s%n%d", "null", "true", "-1",
         "1e5",
         "[", "{}", "#", "\u00e9", "e\u0301", "\u4e2d\u6587", "\U0001f4a5", "\U0001f469\u200d\U0001f469", "'", "\"",
         "\\", "a" * 300,
         "q" * 5000, "q" * 100_000, "\u0300" * 2000, "\x1b" * 200, "</s>", "<s>", "a/b", "a" * 200 + "/" + "b" * 200]
BROKEN = [Raw('"\\ud800"'), Raw('"\\udc00\\ud800"'), Raw('"\\u12"'), Raw('"\\x41"'), Raw('"a'), Raw("'a'"), Raw(""),
          Raw("nul"), Raw("tru"), Raw(","), Raw('"a\tb\nc"'), Raw("//x"), Raw("[1,]"), Raw('{"a":1,}'), Raw("[" * 400),
          Raw("[" * 100_000),
          Raw('{"a":' * 600), Raw("[" * 600 + "]" * 600), Raw('"\udcff\udcfe"'), Raw('"\udced\udca0\udc80"')]


def hostile(random):
    """A value of any type that a reader might not expect."""
    return random.choice([
        lambda: random.choice(NUMBERS), lambda: random.choice(NUMBERS), lambda: random.choice(TEXTS),
        lambda: random.choice(TEXTS), lambda: random.choice(BROKEN), lambda: None, lambda: random.choice([True, False]),
        lambda: [], lambda: Mapping(), lambda: [[[]]], lambda: [None], lambda: [0] * 1000, lambda: Mapping([("", "")]),
        lambda: [random.choice(NUMBERS), random.choice(TEXTS)], lambda: Mapping([("a", 1), ("a", 2)])])()


def load(text):
    """Keys in order of names: what rdo writes has them in no particular order."""
    return json.loads(text, object_pairs_hook=lambda pairs: Mapping(sorted(pairs, key=lambda pair: pair[0])))


def dump(value):
    """JSON text as bytes; a lone surrogate U+DCxx stands for the byte xx, so that texts can be no UTF-8."""
    return text_of(value).encode("utf-8", "surrogateescape")


def text_of(value):
    if isinstance(value, Raw):
        return value
    if isinstance(value, dict):
        value = Mapping(value.items())
    if isinstance(value, Mapping):
        return "{" + ", ".join(json.dumps(key) + ": " + text_of(each) for key, each in value) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(text_of, value)) + "]"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else json.dumps(value)


def places(value, path=()):
    """Every path to a value, the whole first."""
    yield path
    children = enumerate(each for _, each in value) if isinstance(value, Mapping) else \
        enumerate(value) if isinstance(value, list) else ()
    for index, child in children:
        yield from places(child, path + (index,))


def choose(random, value):
    """A path, chosen from the top down: a list of a thousand does not outweigh the five keys beside it."""
    path = []
    while isinstance(value, list) and value and (not path or random.random() < 0.75):
        index = random.randrange(len(value))
        path.append(index)
        value = value[index][1] if isinstance(value, Mapping) else value[index]
    return tuple(path)


def at(value, path):
    for index in path:
        value = value[index][1] if isinstance(value, Mapping) else value[index]
    return value


def changed(value, path, change):
    """A copy in which `change(container, index)` was applied to the container of `path`."""
    if not path:
        holder = [value]
        change(holder, 0)
        return holder[0] if holder else Raw("")
    index, rest = path[0], path[1:]
    copy = type(value)(value)
    if not rest:
        change(copy, index)
    elif isinstance(copy, Mapping):
        copy[index] = (copy[index][0], changed(copy[index][1], rest, change))
    else:
        copy[index] = changed(copy[index], rest, change)
    return copy


def put(new):
    def change(container, index):
        container[index] = (container[index][0], new) if isinstance(container, Mapping) else new
    return change


def tweaked(random, old):
    """Something close to what was there."""
    if isinstance(old, bool) or old is None:
        return hostile(random)
    if isinstance(old, (int, float)):
        return random.choice([old + 1, old - 1, -old, old * 2, old * 1000, old / 2, str(old), [old], float(old)])
    if isinstance(old, str):
        where = random.randint(0, len(old))
        return random.choice([
            old[:where] + random.choice(TEXTS) + old[where:], old[:where], old.upper(), old[::-1], old * 2, [old],
            old[:where] + " " + old[where:]])
    return [old]


def mutate(random, value):
    """What was done, the keys on the way to it, and the changed copy."""
    path = choose(random, value)
    names = [key for key in (named(value, path[:length]) for length in range(1, len(path) + 1)) if key is not None]
    old = at(value, path)
    kind = random.choice(["hostile"] * 4 + ["tweaked"] * 3 + ["left out", "doubled", "renamed", "other", "nested"])
    if kind == "hostile":
        change = put(hostile(random))
    elif kind == "tweaked":
        change = put(tweaked(random, old))
    elif kind == "left out":
        def change(container, index): del container[index]
    elif kind == "doubled":
        new = random.choice([old, hostile(random)])

        def change(container, index):
            container.insert(index, (container[index][0], new) if isinstance(container, Mapping) else new)
    elif kind == "renamed":
        name = random.choice([text for text in TEXTS if len(text) < 6000])

        def change(container, index):
            container[index] = (name, container[index][1]) if isinstance(container, Mapping) else name
    elif kind == "other":
        change = put(at(value, choose(random, value)))
    else:
        depth = random.choice([1, 30, 511, 600])
        change = put(Raw("[" * depth + text_of(old) + "]" * depth))
    return f"{'.'.join(names) or 'the whole'} {kind}", names, changed(value, path, change)


def named(value, path):
    """The key of the value at `path`, None for an element of a list."""
    container = at(value, path[:-1])
    return container[path[-1]][0] if isinstance(container, Mapping) else None


def clean(random, value):
    """As `mutate`, but what comes out is JSON: for inputs whose syntax is not the point."""
    while True:
        what, names, new = mutate(random, value)
        try:
            json.loads(dump(new))
            return what, names, new
        except (ValueError, RecursionError):
            continue
