"""The texts of one call, explained: a sequence that can be read as one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from ..books import Books
from .html import page
from .relevance import TextLedger, TextRelevance
from .tables import frame


def total(items: Sequence[TextRelevance], books: Books | None = None) -> TextLedger:
    """Sum the ledgers of texts, and add the leaves if they are known."""
    names = ("score", "words", "added", "spread", "rest")
    sums = {name: sum(getattr(item.ledger, name) for item in items) for name in names}
    return TextLedger(**sums) if books is None else TextLedger(**sums, leaves=dict(books.leaves), residue=books.residue)


@dataclass(frozen=True, repr=False)
class TextRelevances(Sequence[TextRelevance]):
    """Many texts, explained, in the order they came in.

    Attributes
    ----------
    items
        The texts.
    ledger
        The sum of their ledgers, with all leaves by name; those are unknown (None) of a part of the texts.
    """

    items: tuple[TextRelevance, ...]
    ledger: TextLedger

    def __getitem__(self, index):
        if isinstance(index, slice):
            return TextRelevances(self.items[index], total(self.items[index]))
        return self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def to_frame(self, of: str = "words") -> pd.DataFrame:
        """Give one row a word (``"words"``), a token (``"tokens"``) or a text (``"texts"``)."""
        return frame(self.items, of)

    def to_dict(self) -> list[dict]:
        """Each text as plain values, ready for JSON."""
        return [item.to_dict() for item in self.items]

    def to_html(self, title: str = "Relevance of words") -> str:
        """A whole page with the coloured texts, that needs nothing beside it."""
        return page(self.items, title)

    def _repr_html_(self) -> str:
        return page(self.items, whole=False)

    def print(self, numbers: bool = False) -> None:
        """Print the texts in a terminal, coloured."""
        for item in self.items:
            item.print(numbers)

    def __repr__(self) -> str:
        return f"TextRelevances({len(self)} texts)"
