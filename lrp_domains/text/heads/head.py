"""The contract of a head: what a text model is for, and so what is run for a text and which number is explained.

A new head is one file with a class derived from `Head`, and one row in ``tasks.py``.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from ..arguments import Request
from ..errors import TextError, excerpt
from ..tokens.encoding import Encoding
from ..tokens.phrases import Phrase, shortened
from ..tokens.rows import Answer, Row
from .labels import Labels


@runtime_checkable
class Head(Protocol):
    """The attributes and methods of every head.

    Attributes
    ----------
    labels
        The labels of the model; None if it has none.
    in_windows
        Whether a long text may be read in windows whose scores are averaged; such a head is `Windowed` too.
    continues
        Whether the model generates text; such a head is a `Generator` too.
    apart
        Whether the two texts of a pair go through the model separately, as two neighbouring rows.
    cut_side
        Which end of a text may be cut off if it is too long, ``"right"`` or ``"left"``.
    """

    labels: Labels | None
    in_windows: bool = False
    continues: bool = False
    apart: bool = False
    cut_side: str = "right"

    def parts(self, encoding: Encoding) -> tuple[str, ...]:
        """Return the name of each of ``encoding.texts``."""
        return ("text",) if len(encoding.texts) == 1 else ("first", "second")

    def room(self, encoding: Encoding, request: Request) -> int:
        """Return how many tokens `rows` adds to a text, for which a text that is cut leaves room."""
        return 0

    @abstractmethod
    def rows(self, encoding: Encoding, windows: list[np.ndarray], request: Request) -> tuple[Encoding, list[Row]]:
        """Return the sequences to run for a text, after checking the request.

        Parameters
        ----------
        encoding
            The T tokens of a text or pair.
        windows
            The numbers of the tokens of each window; one window with all unless the text is too long.
        request
            What to explain.

        Returns
        -------
        encoding
            The tokens that get relevance: the given ones, and those that the head adds, such as an answer's.
        rows
            Sequences for the model; the text's score is the sum of theirs, by weight.
        """

    def decided(self, outputs: Any, rows: Sequence[Row], first: np.ndarray) -> list[Row]:
        """Return the rows with what the model predicts as what is explained, to hold it for a reference.

        The arguments are those of `scores`. A head that never explains a prediction needs no such method.
        """
        return list(rows)

    @abstractmethod
    def scores(self, outputs: Any, rows: Sequence[Row], first: np.ndarray) -> tuple[Tensor, list[Answer]]:
        """Compute the number to explain per row; see `have_references` for rows with a reference.

        Parameters
        ----------
        outputs
            What the model returned for B padded rows.
        rows
            Those B rows.
        first
            Per row the column of its first token, B.

        Returns
        -------
        scores
            B numbers, with their graph.
        answers
            What the model predicts for each row.
        """


@runtime_checkable
class Windowed(Protocol):
    """A head whose texts may be read in windows."""

    @abstractmethod
    def logits(self, outputs: Any, rows: Sequence[Row]) -> Tensor:
        """Return the logits of B rows, B x K."""

    @abstractmethod
    def choose(self, logits: Tensor, subject: Any) -> tuple[Any, Answer]:
        """Return what to explain in all windows of a text and what the model predicts, from their mean logits, K."""


@runtime_checkable
class Generator(Protocol):
    """The head of a model that generates text.

    Attributes
    ----------
    tokenizer
        The model's tokenizer.
    """

    tokenizer: Any

    @abstractmethod
    def source(self, encoding: Encoding) -> Encoding:
        """Return a text ready to be continued."""

    @abstractmethod
    def generate(self, encoding: Encoding, longest: int) -> Phrase:
        """Return at most `longest` tokens that the model generates by greedy search."""

    @abstractmethod
    def phrase(self, phrase: object, encoding: Encoding) -> Phrase:
        """Return the tokens of a phrase, a string or numbers, that continues a text."""

    @abstractmethod
    def continued(
        self, encoding: Encoding, phrase: Phrase, *, whole: Encoding | None = None, weight: float = 1.0
    ) -> tuple[Encoding, Row]:
        """Return a text with a phrase that continues it.

        Parameters
        ----------
        encoding
            The text.
        phrase
            The phrase.
        whole
            The text with other continuations, to which this one is added; None if it is the first.
        weight
            The weight of the row.

        Returns
        -------
        whole
            The encoding with the continuation as one more text.
        row
            The row whose ``subject`` are the `Positions` of the tokens.
        """

    def contrasted(self, encoding: Encoding, phrases: Sequence[Phrase]) -> tuple[Encoding, list[Row]]:
        """Return a text with one continuation, or with two that are contrasted, and a row per continuation."""
        encoding, phrases = joined_alike(encoding, phrases)
        whole, rows = None, []
        for phrase, weight in zip(phrases, (1.0, -1.0), strict=False):
            whole, row = self.continued(encoding, phrase, whole=whole, weight=weight)
            rows.append(row)
        target = " against ".join(phrase.name for phrase in phrases)
        return whole, [replace(row, target=target) for row in rows]


def joined_alike(encoding: Encoding, phrases: Sequence[Phrase]) -> tuple[Encoding, list[Phrase]]:
    """Return a text without the last tokens that all phrases replace, with what the user should know, and the rest."""
    common = min(phrase.replaces for phrase in phrases)
    if common == len(encoding):
        raise TextError(
            f"the tokenizer joins all of {excerpt(encoding.texts[0])} with the phrase: nothing is left that it follows"
        )
    notes = [phrase.note for phrase in phrases if phrase.note]
    encoding = replace(shortened(encoding, common), notes=(*encoding.notes, *notes))
    return encoding, [replace(phrase, replaces=phrase.replaces - common) for phrase in phrases]
