"""Two explanations compared, word by word: of two models, two targets or two texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import NamedTuple

import numpy as np
import pandas as pd

from ..errors import TextError
from .html import differences
from .relevance import TextRelevance, Word
from .terminal import compared


class WordDifference(NamedTuple):
    """A word of two explained texts, or of one of them.

    Attributes
    ----------
    text
        The word.
    a, b
        Its relevance in each text; NaN in a text that doesn't have it.
    difference
        The relevance in `a` minus that in `b`; a text that doesn't have the word counts as 0.
    start_a, end_a, start_b, end_b
        Its place in each text; -1 in a text that doesn't have it.
    kind, part_a, part_b
        As in `Word`; the part is empty for a text that doesn't have the word.
    """

    text: str
    a: float
    b: float
    difference: float
    start_a: int
    end_a: int
    start_b: int
    end_b: int
    kind: str
    part_a: str
    part_b: str


@dataclass(frozen=True)
class TextDifference:
    """The difference of two explained texts, ``a - b``.

    Attributes
    ----------
    a, b
        The explained texts.
    names
        Their names.
    words
        The words of both, aligned, in order.
    score, added, rest
        The differences of their scores, and of what isn't in words: ``score = sum of words + added + rest``.
    notes
        What makes the two hard to compare.
    """

    a: TextRelevance = field(repr=False)
    b: TextRelevance = field(repr=False)
    names: tuple[str, str]
    words: tuple[WordDifference, ...] = field(repr=False)
    score: float
    added: float
    rest: float
    notes: tuple[str, ...] = ()

    def to_frame(self) -> pd.DataFrame:
        """Return one row per word, with its relevance in both, and the difference."""
        return pd.DataFrame(self.words, columns=WordDifference._fields).rename(columns={"text": "word"})

    def to_html(self) -> str:
        """Return a self-contained page with both texts, coloured by the difference, and all numbers."""
        return differences([self])

    def _repr_html_(self) -> str:
        return differences([self], whole=False)

    def __rich__(self):
        return compared(self)

    def print(self, numbers: bool = False) -> None:
        """Print both texts in a terminal, coloured by the difference; with `numbers`, also one line per word."""
        from rich.console import Console

        Console().print(compared(self, numbers=numbers))

    def figure(self, top: int = 20):
        """Return a figure of matplotlib: the words with the largest differences, and their relevance in both."""
        from .figures import difference_figure

        return difference_figure(self, top)

    def sides(self) -> list[tuple[str, TextRelevance, tuple[Word, ...]]]:
        """Return both texts, each with its name and its words, whose relevance is the difference."""
        sides = []
        for side, name, item in (("a", self.names[0], self.a), ("b", self.names[1], self.b)):
            place = [f"start_{side}", f"end_{side}", f"part_{side}"]
            fields = [(word, *(getattr(word, name) for name in place)) for word in self.words]
            words = [Word(w.text, start, end, w.difference, w.kind, part) for w, start, end, part in fields if part]
            sides.append((name, item, tuple(words)))
        return sides


def difference(a: TextRelevance, b: TextRelevance, *, names: Sequence[str] = ("a", "b")) -> TextDifference:
    """Compare two explained texts over their words: those of two models, of two targets, or of two texts.

    Parameters
    ----------
    a, b
        The texts. Words are aligned by their characters; those that only one text has are kept.
    names
        What the two are called.

    Returns
    -------
    The difference, ``a - b``: a word is positive where it is more for the target of `a` than for that of `b`.
    """
    for item in (a, b):
        if not isinstance(item, TextRelevance):
            raise TextError(
                f"expected two explained texts, got {type(item).__name__}: pass two results of one text each, such as "
                "difference(a[0], b[0])"
            )
    if isinstance(names, str) or len(names) != 2:
        raise TextError(f"names={names!r}: expected two names, such as ('before', 'after')")
    if len(a.texts) != len(b.texts):
        raise TextError(f"one is a text and the other a pair ({len(a.texts)} and {len(b.texts)} texts): compare alike")

    words = [
        word
        for part_a, part_b in zip(a.parts, b.parts, strict=True)
        for word in _aligned(a, b, part_a=part_a, part_b=part_b)
    ]
    return TextDifference(
        a,
        b,
        names=(str(names[0]), str(names[1])),
        words=tuple(words),
        score=a.score - b.score,
        added=a.ledger.added - b.ledger.added,
        rest=a.ledger.rest - b.ledger.rest,
        notes=_notes(a, b),
    )


def _aligned(a: TextRelevance, b: TextRelevance, *, part_a: str, part_b: str) -> list[WordDifference]:
    """Return the words of one part of both texts, aligned."""
    of_a = [word for word in a.words if word.part == part_a]
    of_b = [word for word in b.words if word.part == part_b]
    # Without the heuristic that ignores frequent words of long texts.
    matcher = SequenceMatcher(None, [word.text for word in of_a], [word.text for word in of_b], autojunk=False)

    pairs: list[tuple[Word | None, Word | None]] = []
    for operation, from_a, to_a, from_b, to_b in matcher.get_opcodes():
        if operation == "equal":
            pairs += zip(of_a[from_a:to_a], of_b[from_b:to_b], strict=True)
        else:
            pairs += [(word, None) for word in of_a[from_a:to_a]] + [(None, word) for word in of_b[from_b:to_b]]
    return [_word(*pair) for pair in pairs]


def _word(a: Word | None, b: Word | None) -> WordDifference:
    word = a or b
    relevance = [np.nan if each is None else each.relevance for each in (a, b)]
    places = [place for each in (a, b) for place in ((-1, -1) if each is None else (each.start, each.end))]
    parts = ["" if each is None else each.part for each in (a, b)]
    difference = float(np.nan_to_num(relevance[0]) - np.nan_to_num(relevance[1]))
    return WordDifference(word.text, *relevance, difference, *places, word.kind, *parts)


def _notes(a: TextRelevance, b: TextRelevance) -> tuple[str, ...]:
    notes = []
    if a.rules != b.rules:
        notes.append(f"explained under different rule sets, {a.rules} and {b.rules}")
    if (a.reference is None) != (b.reference is None):
        notes.append("only one is explained against a reference")
    return tuple(notes)
