"""What an explanation contains: tokens and words of one text with their relevance, and the ledger of its score."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from typing import Any, NamedTuple

import pandas as pd

from ...domain import relative_distance
from ..errors import TextError
from .html import page
from .terminal import coloured


class Token(NamedTuple):
    """One token.

    Attributes
    ----------
    text
        The characters of the original text that it covers; the tokenizer's string if it covers none.
    start, end
        Their place in the text; -1 for a token that is not in the text.
    relevance
        In units of the score.
    piece
        The tokenizer's string.
    part
        The name of the text it is in; ``"added"`` for tokens that the tokenizer added, such as [CLS].
    side
        ``"encoder"`` or ``"decoder"`` if the model has both and reads tokens on each, else ``""``.
    """

    text: str
    start: int
    end: int
    relevance: float
    piece: str
    part: str
    side: str


class Word(NamedTuple):
    """One word or mark of the original text, or whitespace that has a token by itself (``kind``).

    `reference` is what a reference reads in its place; empty without one, or where it stays. `role` is that of its
    message in a chat; empty in what the chat template writes.
    """

    text: str
    start: int
    end: int
    relevance: float
    kind: str
    part: str
    reference: str = ""
    role: str = ""


class Reference(NamedTuple):
    """What a text was explained against.

    Attributes
    ----------
    name
        ``"all words masked"``, ``"all words replaced by padding"``, or the text or the tokens.
    score
        Its score, for the same target.
    """

    name: str
    score: float


@dataclass(frozen=True, repr=False)
class TextLedger:
    """The account of a text's score: ``score = words + added + rest``, and ``rest = sum(leaves) + residue``.

    Attributes
    ----------
    score
        The number that was explained; against a reference, the difference of the two scores.
    words
        The relevance of the text's tokens, and so of its words.
    added
        The relevance of tokens that the tokenizer added, such as [CLS].
    rest
        The relevance of the model's biases, positions, ..., and the residue. Against a reference, only the residue:
        biases are the same for both.
    leaves, residue
        The rest in full: by parameter name, and what can't be assigned (see `lrp_domains.Ledger`); embedded tokens
        that are not in the text, such as padding, have a row. None for a text
        that was explained along with others, which one pass can't separate: see ``TextRelevances.ledger`` for
        their sum.
    """

    score: float
    words: float
    added: float
    rest: float
    leaves: dict[str, float] | None = None
    residue: float | None = None

    def __repr__(self) -> str:
        names = ("score", "words", "added", "rest")
        return f"TextLedger({', '.join(f'{name}={getattr(self, name):+.6g}' for name in names)})"

    def __str__(self) -> str:
        rows = {"score": self.score, "words": self.words, "added tokens": self.added}
        if self.leaves is None:
            rows["rest (biases, residue)"] = self.rest
        else:
            rows["biases and other leaves"] = sum(self.leaves.values())
            rows["residue"] = self.residue
        width = max(map(len, rows))
        return "\n".join(f"{name:<{width}}  {amount:>+12.6g}" for name, amount in rows.items())


@dataclass(frozen=True)
class TextRelevance:
    """One explained text, or pair of texts.

    Attributes
    ----------
    texts
        The text; the two of a pair.
    parts
        Their names: ``("text",)``, ``("first", "second")``, ``("question", "context")``, ...
    tokens
        All tokens of the model's input, in order.
    words
        The words and marks of the texts, in order. With the added tokens they sum to the relevance of all tokens.
    target
        The name of what was explained.
    prediction, probability
        What the model predicts, and its probability; a number and None for a regression.
    score
        The number that was explained, in logits; against a reference, the difference of the two scores.
    ledger
        The account of the score.
    rules
        The name of the rule set.
    notes
        What is special about this text: that it was cut, or read in windows.
    reference
        What it was explained against, and its score; None if the score itself was explained.
    fp32_distance
        For texts of a first batch in half precision: the sum of absolute differences of the tokens' relevance from that
        in single precision, relative to the sum of its absolute values; None for other texts.
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
    reference: Reference | None = None
    fp32_distance: float | None = None

    @property
    def text_score(self) -> float:
        """The score of the text: what was explained, or that plus the score of the reference."""
        return self.score + (0.0 if self.reference is None else self.reference.score)

    @property
    def text(self) -> str:
        """The first, or only, text."""
        return self.texts[0]

    def to_frame(self, of: str = "words") -> pd.DataFrame:
        """Return one row per word (``"words"``), per token (``"tokens"``), or one in all (``"texts"``)."""
        from .tables import frame

        return frame([self], of)

    def to_dict(self) -> dict:
        """Return everything as plain values, ready for JSON."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in ("tokens", "words")}
        plain |= {"texts": list(self.texts), "parts": list(self.parts), "notes": list(self.notes)}
        plain["ledger"] = asdict(self.ledger)
        plain["tokens"] = [token._asdict() for token in self.tokens]
        plain["words"] = [word._asdict() for word in self.words]
        plain["reference"] = None if self.reference is None else self.reference._asdict()
        return plain

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TextRelevance:
        """Return the result that `to_dict` returned as plain values, also after JSON."""
        names = [field.name for field in fields(cls)]
        required = {f.name for f in fields(cls) if f.default is MISSING and f.default_factory is MISSING}
        if not isinstance(values, Mapping) or (missing := required - set(values)):
            what = f"lack '{min(missing)}'" if isinstance(values, Mapping) else f"are a {type(values).__name__}"
            raise TextError(f"the values of an explained text {what}: pass what to_dict() returned")
        plain = {name: values[name] for name in names if name in values}
        plain |= {name: tuple(plain[name]) for name in ("texts", "parts", "notes") if name in plain}
        plain["tokens"] = tuple(Token(**token) for token in values["tokens"])
        plain["words"] = tuple(Word(**word) for word in values["words"])
        plain["ledger"] = TextLedger(**values["ledger"])
        if values.get("reference") is not None:
            plain["reference"] = Reference(**values["reference"])
        return cls(**plain)

    def to_html(self) -> str:
        """Return a self-contained page with the coloured text."""
        return page([self])

    def _repr_html_(self) -> str:
        return page([self], whole=False)

    def __rich__(self):
        return coloured(self)

    def print(self, numbers: bool = False) -> None:
        """Print the coloured text in a terminal; with `numbers`, also one line per word."""
        from rich.console import Console

        Console().print(coloured(self, numbers=numbers))


def distance_of(result: TextRelevance, expected: TextRelevance) -> float | None:
    """Return how far the relevance of tokens is from what is expected; None where something else was explained."""
    if (result.texts, result.target) != (expected.texts, expected.target):
        return None
    return relative_distance(*([token.relevance for token in each.tokens] for each in (result, expected)))
