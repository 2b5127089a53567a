"""Markdown: tables, claims, and the part of a page between two marks."""

from experiment.statistics import paired, verdict


def table(head, rows):
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, ["---", *["---:"] * (len(head) - 1)], *rows])


def claim(text, *compared):
    """A claim that one arm is above another: the words, and for each figure (its name, values by seed of either arm)
    the verdict and the paired difference."""
    parts = []
    for name, first, second in compared:
        difference = paired(first, second)
        parts.append(f"{name + ' ' if name else ''}**{verdict(difference)}** ({difference.text(sign=True)})")
    return f"- {text}: " + ", ".join(parts)


def write_section(path, name, text):
    """Replaces what stands between `<!-- name -->` and `<!-- /name -->`."""
    opening, closing = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    page = path.read_text(encoding="utf-8")
    if page.count(opening) != 1 or page.count(closing) != 1 or page.index(opening) > page.index(closing):
        raise SystemExit(f"{path} needs the lines {opening.strip()} and {closing}, once each")
    start, end = page.index(opening) + len(opening), page.index(closing)
    path.write_text(page[:start] + "\n" + text + "\n" + page[end:], encoding="utf-8")
