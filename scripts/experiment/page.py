"""Markdown: tables, claims, and the part of a page between two marks."""

from experiment.statistics import paired, verdict


def table(head, rows):
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, ["---", *["---:"] * (len(head) - 1)], *rows])


def claim(text, first, second, digits=3):
    """A claim that `first` is above `second`, values by seed: the words, the paired difference, the verdict."""
    difference = paired(first, second)
    return f"- {text}: **{verdict(difference)}** ({difference.text(digits, sign=True)})"


def write_section(path, name, text):
    """Replaces what stands between `<!-- name -->` and `<!-- /name -->`."""
    opening, closing = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    page = path.read_text(encoding="utf-8")
    if page.count(opening) != 1 or page.count(closing) != 1 or page.index(opening) > page.index(closing):
        raise SystemExit(f"{path} needs the lines {opening.strip()} and {closing}, once each")
    start, end = page.index(opening) + len(opening), page.index(closing)
    path.write_text(page[:start] + "\n" + text + "\n" + page[end:], encoding="utf-8")
