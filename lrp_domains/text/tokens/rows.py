"""Rows: what the model is given in one batch, and which of a text's tokens is in each column."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from .encoding import ADDED, Encoding
from .replacement import STAYS, taken


@dataclass(frozen=True)
class Row:
    """One sequence for the model.

    Attributes
    ----------
    inputs
        Numbers by name.
    tokens
        Per side of the model (encoder, decoder) the number of the text's token in each column.
    weight
        The weight of the row's score in the score of its text.
    subject
        What the head explains, such as a label or positions.
    target
        The name of what is explained, if the row alone doesn't determine it.
    replaced
        For a row that is explained against a reference, per side of the model and per column the number of its token
        and that of the reference's, n x 2; `STAYS` where the token stays.
    extra
        Inputs of the model beside the text, see `Request`.
    group
        How many neighbouring rows of its text, itself included, have one score and go through the model together.
    """

    inputs: dict[str, np.ndarray]
    tokens: tuple[np.ndarray, ...]
    weight: float = 1.0
    subject: Any = None
    target: str | None = None
    replaced: tuple[np.ndarray, ...] = ()
    extra: Any = None
    group: int = 1

    def __len__(self) -> int:
        return len(self.inputs["input_ids"])


class Answer(NamedTuple):
    """What the model predicts for a row, its probability, and the name of what is explained."""

    prediction: str | float
    probability: float | None
    target: str


def have_references(rows: Sequence[Row]) -> bool:
    """Return whether rows, of which all or none have a reference, are explained against it.

    If so, the weights of log-odds aren't constant: the difference of two scores is that of the log-odds themselves.
    """
    return bool(rows[0].replaced)


def row_of(
    encoding: Encoding,
    tokens: np.ndarray,
    *,
    subject: Any,
    weight: float = 1.0,
    two_sides: bool = False,
    group: int = 1,
) -> Row:
    """Return a row of some of a text's tokens, by number.

    With `two_sides`, the decoder is given the encoder's tokens again, one column later (see `with_decoder_copy`).
    """
    count = len(encoding.inputs["input_ids"])
    sides = (tokens, np.r_[count, count + 1 + tokens[:-1]]) if two_sides else (tokens,)
    inputs = {name: values[tokens] for name, values in encoding.inputs.items()}
    return Row(inputs, sides, weight=weight, subject=subject, group=group)


def with_decoder_copy(encoding: Encoding) -> Encoding:
    """Add the tokens of a decoder that reads the encoder's tokens again, after a start token.

    The classifiers of BART and T5 do, and other heads that don't generate: every token is explained twice, and both
    count for its word.
    """
    spans = encoding.spans
    return replace(
        encoding,
        pieces=(*encoding.pieces, "decoder start", *encoding.pieces[:-1]),
        spans=None if spans is None else np.concatenate([spans, [[0, 0]], spans[:-1]]),
        part=np.r_[encoding.part, ADDED, encoding.part[:-1]],
        special=np.r_[encoding.special, False, encoding.special[:-1]],
        replacement=taken(encoding.replacement, np.r_[: len(encoding), STAYS, : len(encoding) - 1]),
        side=np.repeat([0, 1], len(encoding)),
    )
