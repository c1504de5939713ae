"""Explained texts as HTML: the original text, escaped, its words coloured."""

from collections.abc import Sequence
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from .colours import colour, largest


def page(items: Sequence, title: str = "Relevance of words", whole: bool = True) -> str:
    """Give a page, or only its body for a notebook, of `TextRelevance` objects."""
    return _template("texts.html.j2").render(items=items, title=title, whole=whole, pieces=_pieces)


def matrix(item) -> str:
    """Give a `ContinuationRelevance` as a table, each row in colours of its own scale."""
    rows = []
    for said, row, score in zip(item.outputs, item.matrix.tolist(), item.scores.tolist(), strict=True):
        top = max(map(abs, row), default=0.0)
        rows.append((said, [(r, _style(r, top)) for r in row], score))
    return _template("matrix.html.j2").render(item=item, rows=rows)


def _style(relevance: float, top: float) -> str:
    (red, green, blue), white = colour(relevance, top)
    return f"background:rgb({red},{green},{blue})" + (";color:#fff" if white else ";color:#222")


def _pieces(item, part: str, text: str) -> list[tuple[str, float | None, str]]:
    """The whole text in pieces: characters, relevance (None between words), style."""
    top, at, pieces = largest(item.words), 0, []
    for word in item.words:
        if word.part != part:
            continue
        if at < word.start:
            pieces.append((text[at : word.start], None, ""))
        pieces.append((text[word.start : word.end], word.relevance, _style(word.relevance, top)))
        at = word.end
    if at < len(text):
        pieces.append((text[at:], None, ""))
    return pieces


@cache
def _template(name: str):
    environment = Environment(
        loader=PackageLoader("lrp_domains.text.results", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
    )
    return environment.get_template(name)
