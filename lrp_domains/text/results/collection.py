"""The explained texts of one call: a sequence that converts to one table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from ...domain import Account
from .html import page
from .relevance import TextLedger, TextRelevance
from .tables import frame


def total(items: Sequence[TextRelevance], account: Account | None = None) -> TextLedger:
    """Sum the ledgers of texts; leaves and residue are those of `account`, None without one."""
    names = ("score", "words", "added", "rest")
    sums = {name: sum(getattr(item.ledger, name) for item in items) for name in names}
    if account is None:
        return TextLedger(**sums)
    return TextLedger(**sums, leaves=dict(account.leaves), residue=account.residue)


@dataclass(frozen=True, repr=False)
class TextRelevances(Sequence[TextRelevance]):
    """Many explained texts, in the order of the call.

    Attributes
    ----------
    items
        The texts.
    ledger
        The sum of their ledgers, with all leaves by name, which are unknown (None) for a slice of the texts.
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
        """Return one row per word (``"words"``), token (``"tokens"``) or text (``"texts"``)."""
        return frame(self.items, of)

    def to_dict(self) -> list[dict]:
        """Return each text as plain values, ready for JSON."""
        return [item.to_dict() for item in self.items]

    @classmethod
    def from_dict(cls, values: Iterable[Mapping[str, Any]]) -> TextRelevances:
        """Return the results that `to_dict` returned as plain values; the leaves of their sum are not among them."""
        items = tuple(TextRelevance.from_dict(each) for each in values)
        return cls(items, total(items))

    def to_html(self, title: str = "Relevance of words") -> str:
        """Return a self-contained page with the coloured texts."""
        return page(self.items, title)

    def _repr_html_(self) -> str:
        return page(self.items, whole=False)

    def print(self, numbers: bool = False) -> None:
        """Print the coloured texts in a terminal; with `numbers`, also one line per word."""
        for item in self.items:
            item.print(numbers)

    def __repr__(self) -> str:
        return f"TextRelevances({len(self)} texts)"
