"""Explained texts as HTML: the original text, escaped, with coloured words."""

from collections.abc import Sequence
from functools import cache

from ...domain.page import templates
from .colours import colour, largest


def page(items: Sequence, title: str = "Relevance of words", *, whole: bool = True) -> str:
    """Return a page of `TextRelevance` objects; only its body, for a notebook, unless `whole`."""
    return _template("texts.html.j2").render(items=items, title=title, whole=whole, pieces=_pieces)


def matrix(item, of: str = "words") -> str:
    """Return a `ContinuationRelevance` as a table of words or tokens; colours are scaled per row."""
    pairs, rows = item.of(of), []
    fields = (pairs.outputs, pairs.relevance.tolist(), pairs.read.tolist(), pairs.scores.tolist())
    for output, row, is_read, score in zip(*fields, strict=True):
        top = max(map(abs, row), default=0.0)
        cells = [(r, _style(r, top)) if read else None for r, read in zip(row, is_read, strict=True)]
        rows.append((output, cells, score))
    return _template("matrix.html.j2").render(item=item, inputs=pairs.inputs, rows=rows)


def _style(relevance: float, top: float) -> str:
    (red, green, blue), white = colour(relevance, top)
    return f"background:rgb({red},{green},{blue})" + (";color:#fff" if white else ";color:#222")


def _pieces(item, part: str, text: str) -> list[tuple[str, float | None, str]]:
    """Return the whole text in pieces: characters, relevance (None between words), style."""
    top, end, pieces = largest(item.words), 0, []
    for word in item.words:
        if word.part != part:
            continue
        if end < word.start:
            pieces.append((text[end : word.start], None, ""))
        pieces.append((text[word.start : word.end], word.relevance, _style(word.relevance, top)))
        end = word.end
    if end < len(text):
        pieces.append((text[end:], None, ""))
    return pieces


@cache
def _template(name: str):
    return templates("lrp_domains.text.results").get_template(name)
