"""Explained texts as HTML: the original text, escaped, with coloured words.

Sizes are relative to the font of the page. Everything stands on a white ground with dark letters, so that it is
readable in dark pages too. Words have their numbers as titles and can be reached by the keyboard; a table below has all
numbers.
"""

from collections.abc import Sequence
from functools import cache

from ...domain.page import templates
from . import colours
from .colours import colour, largest

OPEN = 20  # texts of one result that aren't folded
IN_NOTEBOOK = 200  # texts that a notebook shows
LONG = 300  # words, from which a text is folded if there are others
FOCUSABLE = 150  # words, up to which each can be reached by the tab key
COLUMNS, ROWS = 60, 60  # words of a continuation's table
STEPS = 12  # shades of each colour in that table


def page(items: Sequence, title: str = "Relevance of words", *, whole: bool = True) -> str:
    """Return a page of `TextRelevance` objects; only its body, for a notebook, unless `whole`."""
    shown = items if whole else items[:IN_NOTEBOOK]
    options = {"first": shown[:OPEN], "others": shown[OPEN:], "left": len(items) - len(shown)}
    return _render("texts.html.j2", title, whole, **options, folded=len(items) > 1, long=LONG, focusable=FOCUSABLE)


def matrix(item, of: str = "words") -> str:
    """Return a `ContinuationRelevance` as a table of words or tokens; colours are scaled per row.

    Of a long text, those with the most relevance are shown, and the sum of the others.
    """
    return _render("matrices.html.j2", "", False, items=[_table(item, of)])


def continuations(items: Sequence, title: str = "Relevance of words for each token of a continuation") -> str:
    """Return a page of `ContinuationRelevance` objects."""
    return _render("matrices.html.j2", title, True, items=[_table(item) for item in items])


def differences(items: Sequence, title: str = "Differences of relevance", *, whole: bool = True) -> str:
    """Return a page of `TextDifference` objects; only its body, for a notebook, unless `whole`."""
    return _render("differences.html.j2", title, whole, items=items, focusable=FOCUSABLE)


def style(relevance: float, top: float) -> str:
    """Return the colours of a word, as CSS."""
    (red, green, blue), white = colour(relevance, top)
    return f"background:#{red:02x}{green:02x}{blue:02x};color:{'#fff' if white else '#000'}"


def pieces(words: Sequence, part: str, text: str, top: float) -> list[tuple[str, float | None, str]]:
    """Return a whole text in pieces: characters, relevance (None between words), colours.

    Parameters
    ----------
    words
        Words with ``start``, ``end``, ``relevance`` and ``part``.
    part, text
        Which of the texts, and its characters.
    top
        The relevance of the strongest colour.
    """
    end, parts = 0, []
    for word in words:
        if word.part != part:
            continue
        if end < word.start:
            parts.append((text[end : word.start], None, ""))
        parts.append((text[word.start : word.end], word.relevance, style(word.relevance, top)))
        end = word.end
    if end < len(text):
        parts.append((text[end:], None, ""))
    return parts


def _table(item, of: str = "words") -> dict:
    """Return the parts of a continuation's table: its columns, rows and what was left out."""
    pairs = item.of(of)
    shown, others = pairs.strongest(COLUMNS)

    rows = []
    fields = (pairs.outputs, pairs.relevance, pairs.read, pairs.scores.tolist())
    for output, relevance, read, score in list(zip(*fields, strict=True))[:ROWS]:
        # Of single words: the sum of many others would outshine them.
        top = max(map(abs, relevance.tolist()), default=0.0)
        values = [value if is_read else None for value, is_read in zip(relevance.tolist(), read, strict=True)]
        values = [values[number] for number in shown] + ([float(relevance[others].sum())] if len(others) else [])
        rows.append((output, [None if value is None else (value, _shade(value, top)) for value in values], score))
    return {
        "item": item,
        "inputs": [pairs.inputs[number] for number in shown],
        "others": len(others),
        "rows": rows,
        "rows_left": len(pairs.outputs) - len(rows),
    }


def _shade(relevance: float, top: float) -> str:
    """Return the name of a shade: the same few for all cells, so that a table of thousands stays small."""
    step = min(STEPS, round(STEPS * abs(relevance) / top)) if top else 0
    return f"{'p' if relevance > 0 else 'n'}{step}" if step else ""


@cache
def _shades() -> str:
    steps = range(1, STEPS + 1)
    return "".join(
        f".lrp .{name}{step}{{{style(sign * step, STEPS)}}}" for name, sign in (("p", 1), ("n", -1)) for step in steps
    )


def _render(name: str, title: str, whole: bool, **values) -> str:
    common = {"pieces": pieces, "largest": largest, "colours": colours, "shades": _shades()}
    return _environment().get_template(name).render(title=title, whole=whole, **common, **values)


@cache
def _environment():
    return templates("lrp_domains.text.results")
