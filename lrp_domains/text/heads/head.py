"""The contract of a head: what a text model is for, and so what is run for a text and which number is explained.

A new head is one file with a class derived from `Head`, and one row in ``tasks.py``.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from torch import Tensor

from ..arguments import Item, Request
from ..errors import TextError, excerpt
from ..tokens.encoding import Encoding, join
from ..tokens.phrases import Phrase, shortened
from ..tokens.rows import Answer, Row
from .labels import Labels, each_label


@runtime_checkable
class Head(Protocol):
    """The attributes and methods of every head.

    Attributes
    ----------
    labels
        The labels of the model; None if it has none.
    in_windows
        Whether a long text may be read in windows; such a head is a `FirstPass` too.
    overlaps
        Whether windows share tokens unless the user says otherwise.
    continues
        Whether the model generates text; such a head is a `Generator` too.
    apart
        Whether what the user passes as one text goes through the model as several: the two texts of a pair, or a text
        with each of several others.
    cut_side
        Which end of a text may be cut off if it is too long, ``"right"`` or ``"left"``.
    long_part
        The number of the text of a pair that is cut or read in windows; None for the longer one.
    two_sides
        Whether a decoder reads the text again, after the encoder.
    """

    labels: Labels | None
    in_windows: bool = False
    overlaps: bool = False
    continues: bool = False
    apart: bool = False
    cut_side: str = "right"
    long_part: int | None = None
    two_sides: bool = False

    def parts(self, encoding: Encoding) -> tuple[str, ...]:
        """Return the name of each of ``encoding.texts``."""
        return ("text",) if len(encoding.texts) == 1 else ("first", "second")

    def room(self, encoding: Encoding, request: Request) -> int:
        """Return how many tokens `rows` adds to a text, for which a text that is cut leaves room."""
        return 0

    def items(self, request: Request) -> list[tuple[str, ...]]:
        """Return the texts and pairs that are tokenized for a request, each as a tuple."""
        if request.has_choices:
            raise TextError(f"{excerpt(request.texts[0])} comes with choices, which are for task='multiple-choice'")
        return [(text,) for text in request.texts] if self.apart else [request.texts]

    def check_contrast(self, request: Request) -> None:
        """Raise if a request's contrast is not one of this head."""
        if request.against is not None and request.target is None:
            raise TextError(f"against={request.against!r} requires a target= to contrast with it")

    def in_place_of(self, request: Request, reference: str | tuple[str, ...]) -> Item:
        """Return the text of a request with a reference, a text or a pair of texts, in its place."""
        texts = (reference,) if isinstance(reference, str) else reference
        if len(texts) != len(request.texts):
            raise TextError(f"reference={reference!r}: a text has a text as reference, a pair a tuple of two")
        return reference

    def held(self, encodings: list[Encoding]) -> list[Encoding]:
        """Return encodings with a reference, whose tokens that the head keeps in it are made to stay."""
        return encodings

    def labels_of(self, request: Request) -> Labels | None:
        """Return the labels that a request chooses from; None if the head has none."""
        return self.labels

    def wishes(self, request: Request) -> list[Request]:
        """Return one request per result: several if all labels are asked for."""
        return each_label(request, self.labels_of(request))

    def joined(self, encodings: Sequence[Encoding]) -> tuple[Encoding, list[np.ndarray]]:
        """Return the encodings of `items` as one, and of each the numbers that its tokens have there."""
        encoding = encodings[0]
        for other in encodings[1:]:
            encoding = join(encoding, other)
        ends = np.cumsum([0, *map(len, encodings)])
        return encoding, [np.arange(start, end) for start, end in pairwise(ends)]

    @abstractmethod
    def rows(self, encoding: Encoding, windows: list[np.ndarray], request: Request) -> tuple[Encoding, list[Row]]:
        """Return the sequences to run for a text, after checking the request.

        Parameters
        ----------
        encoding
            The T tokens of a text or pair.
        windows
            The numbers of the tokens of each window; one window with all unless the text is too long. For a head with
            several `items`, those of each item in the first window, then in the second, and so on.
        request
            What to explain.

        Returns
        -------
        encoding
            The tokens that get relevance: the given ones, and those that the head adds, such as an answer's.
        rows
            Sequences for the model; the text's score is the sum of theirs, by weight.
        """

    def trial(self, row: Row) -> list[Row]:
        """Return the rows by which padding is tried: all of one length, and of one score."""
        return [row] * row.group

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


class Decision(NamedTuple):
    """What a first pass decides for one result of a text.

    Attributes
    ----------
    rows
        The rows to explain.
    answer
        What the model predicts; None if each row tells.
    encoding
        The tokens that get relevance; None for those of the text.
    note
        What the user should know.
    """

    rows: list[Row]
    answer: Answer | None = None
    encoding: Encoding | None = None
    note: str | None = None


@runtime_checkable
class FirstPass(Protocol):
    """A head that decides what is explained by a first pass over all rows of a text, without a graph."""

    @abstractmethod
    def undecided(self, rows: Sequence[Row]) -> bool:
        """Return whether the rows of a text require the first pass."""

    @abstractmethod
    def readings(self, outputs: Any, rows: Sequence[Row], first: np.ndarray) -> list[Tensor]:
        """Return per row what is decided by; the arguments are those of `Head.scores`."""

    @abstractmethod
    def decide(self, encoding: Encoding, rows: Sequence[Row], readings: Sequence[Tensor]) -> list[Decision]:
        """Return what to explain of one text: one decision per result, from the readings of its rows (float64)."""


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
    if len({(phrase.ids, phrase.replaces) for phrase in phrases}) < len(phrases):
        raise TextError(f"target and against are the same tokens, {phrases[0].text!r}: name two continuations")
    notes = [phrase.note for phrase in phrases if phrase.note]
    encoding = replace(shortened(encoding, common), notes=(*encoding.notes, *notes))
    return encoding, [replace(phrase, replaces=phrase.replaces - common) for phrase in phrases]
