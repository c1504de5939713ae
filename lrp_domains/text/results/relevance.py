"""What an explanation holds: tokens and words of one text with their relevance, and the account of its score."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import NamedTuple

import pandas as pd

from .html import page
from .terminal import coloured


class Token(NamedTuple):
    """One token.

    Attributes
    ----------
    text
        The characters of the original text that it covers; the tokenizer's own string where it covers none.
    start, end
        Where they stand in the text; -1 for a token that stands in no text.
    relevance
        In units of the score.
    piece
        The tokenizer's own string.
    part
        The name of the text it stands in; ``"added"`` for what the tokenizer added, such as [CLS].
    side
        ``"encoder"`` or ``"decoder"`` where the model has both and is given each, else ``""``.
    """

    text: str
    start: int
    end: int
    relevance: float
    piece: str
    part: str
    side: str


class Word(NamedTuple):
    """One word, mark, or piece of whitespace that has a token of its own (``kind``), of the original text."""

    text: str
    start: int
    end: int
    relevance: float
    kind: str
    part: str


@dataclass(frozen=True)
class TextLedger:
    """Where a text's score went: ``score = words + added + spread + rest``, and rest = leaves + residue.

    Attributes
    ----------
    score
        What was explained.
    words
        The relevance of the text's tokens, and so of its words.
    added
        That of the tokens that the tokenizer added, such as [CLS].
    spread
        The part of log-odds that no input holds: minus the entropy of the other labels, 0 for two labels.
    rest
        What the model's biases, positions, ... hold, and the residue.
    leaves, residue
        The rest in full: by parameter name, and what is left (see `lrp_domains.Ledger`). None for a text that was
        explained along with others, for one pass can't tell them apart: see ``TextRelevances.ledger`` for the sum.
    """

    score: float
    words: float
    added: float
    spread: float
    rest: float
    leaves: dict[str, float] | None = None
    residue: float | None = None

    def __str__(self) -> str:
        rows = {"score": self.score, "words": self.words, "added tokens": self.added}
        if self.spread:
            rows["spread of the others"] = self.spread
        if self.leaves is None:
            rows["rest (biases, residue)"] = self.rest
        else:
            rows["biases and other leaves"] = sum(self.leaves.values())
            rows["residue"] = self.residue
        width = max(map(len, rows))
        return "\n".join(f"{name:<{width}}  {amount:>+12.6g}" for name, amount in rows.items())


@dataclass(frozen=True)
class TextRelevance:
    """One text, or one pair, explained.

    Attributes
    ----------
    texts
        The text; the two of a pair.
    parts
        What they are called: ``("text",)``, ``("first", "second")``, ``("question", "context")``, ...
    tokens
        All tokens of the model's input, in order.
    words
        The words and marks of the texts, in order. Their relevance and that of the added tokens sum to the tokens'.
    target
        What was explained, in words.
    prediction, probability
        What the model said, and how surely; a number and None for a regression.
    score
        The number that was explained, in logits.
    ledger
        Where the score went.
    rules
        The rule set.
    notes
        What should be known of this text: that it was cut, or read in windows.
    """

    texts: tuple[str, ...]
    parts: tuple[str, ...]
    tokens: tuple[Token, ...] = field(repr=False)
    words: tuple[Word, ...] = field(repr=False)
    target: str
    prediction: str | float
    probability: float | None
    score: float
    ledger: TextLedger = field(repr=False)
    rules: str
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The first, or only, text."""
        return self.texts[0]

    def to_frame(self, of: str = "words") -> pd.DataFrame:
        """Give one row a word (``"words"``), a token (``"tokens"``), or one row in all (``"texts"``)."""
        from .tables import frame

        return frame([self], of)

    def to_dict(self) -> dict:
        """Everything as plain values, ready for JSON."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in ("tokens", "words")}
        plain |= {"texts": list(self.texts), "parts": list(self.parts), "notes": list(self.notes)}
        plain["ledger"] = asdict(self.ledger)
        plain["tokens"] = [token._asdict() for token in self.tokens]
        plain["words"] = [word._asdict() for word in self.words]
        return plain

    def to_html(self) -> str:
        """A whole page with the coloured text, that needs nothing beside it."""
        return page([self])

    def _repr_html_(self) -> str:
        return page([self], whole=False)

    def __rich__(self):
        return coloured(self)

    def print(self, numbers: bool = False) -> None:
        """Print the text in a terminal, coloured; with ``numbers``, also one line a word."""
        from rich.console import Console

        Console().print(coloured(self, numbers=numbers))
