"""Explained texts in a terminal."""

from rich.console import Group
from rich.table import Table
from rich.text import Text

from .colours import colour, largest


def coloured(item, numbers: bool = False) -> Group:
    """Return the texts of a `TextRelevance` with coloured words, below a line that names what was explained."""
    top = largest(item.words)
    lines = [_heading(item)]
    for part, text in zip(item.parts, item.texts, strict=True):
        line, end = Text(f"{part}: ", style="dim") if len(item.parts) > 1 else Text(), 0
        for word in item.words:
            if word.part == part:
                line.append(text[end : word.start])
                line.append(text[word.start : word.end], style=_style(word.relevance, top))
                end = word.end
        line.append(text[end:])
        lines.append(line)

    lines += [Text(note, style="yellow") for note in item.notes]
    if numbers:
        lines.append(_table(item, top))
    return Group(*lines)


def _heading(item) -> Text:
    prediction = item.prediction if isinstance(item.prediction, str) else f"{item.prediction:.4g}"
    probability = "" if item.probability is None else f" ({item.probability:.1%})"
    explained = f"explained: {item.target}, score {item.score:+.3f}, {item.rules}"
    return Text(f"{prediction}{probability}; {explained}{_against(item)}", style="dim")


def _against(item) -> str:
    if item.reference is None:
        return ""
    scores = f"{item.text_score:+.3f} and {item.reference.score:+.3f}"
    return f"; against: {item.reference.name} (scores {scores})"


def _style(relevance: float, top: float) -> str:
    (red, green, blue), white = colour(relevance, top)
    return f"{'white' if white else 'black'} on rgb({red},{green},{blue})"


def _table(item, top: float) -> Table:
    reference = () if item.reference is None else ("reference",)
    table = Table("word", *reference, "relevance", "characters", box=None, header_style="dim")
    for word in sorted(item.words, key=lambda word: -abs(word.relevance)):
        shown = word.text if word.text.strip() else repr(word.text)
        name = Text(shown, style=_style(word.relevance, top))
        table.add_row(name, *(word.reference for _ in reference), f"{word.relevance:+.4f}", f"{word.start}–{word.end}")
    table.add_section()
    for name, amount in (("added tokens", item.ledger.added), ("rest", item.ledger.rest), ("score", item.score)):
        table.add_row(Text(name, style="dim"), *("" for _ in reference), f"{amount:+.4f}", "")
    return table
