"""Explained texts in a terminal."""

from rich.console import Group
from rich.table import Column, Table
from rich.text import Text

from .colours import colour, largest

TOP = 5  # words that a line of a continuation shows


def coloured(item, numbers: bool = False) -> Group:
    """Return the texts of a `TextRelevance` with coloured words, below a line that names what was explained."""
    top = largest(item.words)
    lines = [_heading(item), *_texts(item, item.words, top)]
    lines += [Text(note, style="yellow") for note in item.notes]
    if numbers:
        lines.append(_table(item, top))
    return Group(*lines)


def _texts(item, words, top: float) -> list[Text]:
    """Return the texts of a `TextRelevance`, one line each, with coloured words."""
    lines = []
    for part, text in zip(item.parts, item.texts, strict=True):
        line, end = Text(f"{part}: ", style="dim") if len(item.parts) > 1 else Text(), 0
        for word in words:
            if word.part == part:
                line.append(text[end : word.start])
                line.append(text[word.start : word.end], style=_style(word.relevance, top))
                end = word.end
        line.append(text[end:])
        lines.append(line)
    return lines


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
    # By number: a terminal's own white and black may be greys.
    return f"{'#ffffff' if white else '#000000'} on rgb({red},{green},{blue})"


def continued(item, numbers: bool = False) -> Group:
    """Return a line per word of a `ContinuationRelevance`: its score, and the words it comes from."""
    pairs, table = item.of(), Table("generated", "score", "comes from", box=None, header_style="dim")
    for output, row, score in zip(pairs.outputs, pairs.relevance.tolist(), pairs.scores.tolist(), strict=True):
        strongest = sorted(range(len(row)), key=lambda number: -abs(row[number]))
        top = abs(row[strongest[0]]) if strongest else 0.0
        line = Text()
        for number in strongest[: None if numbers else TOP]:
            if row[number]:
                line.append(_visible(pairs.inputs[number].text), style=_style(row[number], top))
                line.append(f" {row[number]:+.2f}  ", style="dim")
        table.add_row(Text(_visible(output)), f"{score:+.2f}", line)
    lines = [Text(item.text), Text(f"continuation explained by what was read; {item.rules}", style="dim")]
    return Group(*lines, *(Text(note, style="yellow") for note in item.notes), table)


def compared(item, numbers: bool = False) -> Group:
    """Return both texts of a `TextDifference`, coloured by the difference, below what was explained in each."""
    top = largest(item.words, "difference")
    lines = []
    for name, explained, words in item.sides():
        lines.append(Text(f"{name}: ", style="dim").append(_heading(explained)))
        lines += _texts(explained, words, top)
    total = f"{item.names[0]} - {item.names[1]}: score {item.score:+.3f}"
    lines.append(Text(f"{total}, added tokens {item.added:+.3f}, rest {item.rest:+.3f}", style="dim"))
    lines += [Text(note, style="yellow") for note in item.notes]
    if numbers:
        names = (Column(Text(name)) for name in item.names)  # a name is not markup
        table = Table("word", *names, "difference", box=None, header_style="dim")
        for word in sorted(item.words, key=lambda word: -abs(word.difference)):
            amounts = ("" if amount != amount else f"{amount:+.4f}" for amount in (word.a, word.b))
            name = Text(_visible(word.text), style=_style(word.difference, top))
            table.add_row(name, *amounts, f"{word.difference:+.4f}")
        lines.append(table)
    return Group(*lines)


def _visible(text: str) -> str:
    return text.strip() if text.strip() else repr(text)


def _table(item, top: float) -> Table:
    reference = () if item.reference is None else ("reference",)
    table = Table("word", *reference, "relevance", "characters", box=None, header_style="dim")
    for word in sorted(item.words, key=lambda word: -abs(word.relevance)):
        shown = word.text if word.text.strip() else repr(word.text)
        name = Text(shown, style=_style(word.relevance, top))
        replaced = (Text(word.reference) for _ in reference)
        table.add_row(name, *replaced, f"{word.relevance:+.4f}", f"{word.start}–{word.end}")
    table.add_section()
    added = [(token.piece, token.relevance) for token in item.tokens if token.part == "added"]
    if len(added) > 1:
        for piece, amount in added:
            table.add_row(Text(piece, style="dim"), *("" for _ in reference), f"{amount:+.4f}", "added")
    for name, amount in (("added tokens", item.ledger.added), ("rest", item.ledger.rest), ("score", item.score)):
        table.add_row(Text(name, style="dim"), *("" for _ in reference), f"{amount:+.4f}", "")
    return table
