"""Explained texts as HTML: the original text, escaped, its words coloured."""

from collections.abc import Sequence
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from .colours import colour, largest


def page(items: Sequence, title: str = "Relevance of words", whole: bool = True) -> str:
    """Give a page, or only its body for a notebook, of `TextRelevance` objects."""
    return _template().render(items=items, title=title, whole=whole, pieces=_pieces)


def _pieces(item, part: str, text: str) -> list[tuple[str, float | None, str]]:
    """The whole text in pieces: characters, relevance (None between words), style."""
    top, at, pieces = largest(item.words), 0, []
    for word in item.words:
        if word.part != part:
            continue
        if at < word.start:
            pieces.append((text[at : word.start], None, ""))
        (red, green, blue), white = colour(word.relevance, top)
        style = f"background:rgb({red},{green},{blue})" + (";color:#fff" if white else "")
        pieces.append((text[word.start : word.end], word.relevance, style))
        at = word.end
    if at < len(text):
        pieces.append((text[at:], None, ""))
    return pieces


@cache
def _template():
    environment = Environment(
        loader=PackageLoader("lrp_domains.text", "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template("texts.html.j2")
