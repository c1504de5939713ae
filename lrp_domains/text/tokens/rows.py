"""Rows: what goes through the model in one batch, and how it leads back to the tokens of a text."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from .encoding import ADDED, Encoding


@dataclass(frozen=True)
class Row:
    """One sequence for the model.

    Attributes
    ----------
    inputs
        Numbers by name.
    places
        For each side of the model (encoder, decoder) which of the text's tokens stands in each column.
    weight
        With what weight the row's score counts in the text's.
    wanted
        What to explain, as its head has it.
    target
        What is explained in words, if the row alone doesn't tell.
    """

    inputs: dict[str, np.ndarray]
    places: tuple[np.ndarray, ...]
    weight: float = 1.0
    wanted: Any = None
    target: str | None = None

    def __len__(self) -> int:
        return len(self.inputs["input_ids"])


class Answer(NamedTuple):
    """What the model said of a row, how surely, and what of it is explained."""

    prediction: str | float
    probability: float | None
    target: str


def row_of(encoding: Encoding, pick: np.ndarray, weight: float, wanted: Any, two_sides: bool) -> Row:
    """Make a row of some of a text's tokens.

    With two sides, the decoder is given the encoder's tokens again, one place later (see `with_decoder_copy`).
    """
    tokens = len(encoding.inputs["input_ids"])
    places = (pick, np.r_[tokens, tokens + 1 + pick[:-1]]) if two_sides else (pick,)
    return Row({name: values[pick] for name, values in encoding.inputs.items()}, places, weight, wanted)


def with_decoder_copy(encoding: Encoding) -> Encoding:
    """Add the tokens of a decoder that reads the encoder's tokens again, after a start of its own.

    So do BART's and T5's classifiers: every token is explained twice, and both count for its word.
    """
    spans = encoding.spans
    return replace(
        encoding,
        pieces=(*encoding.pieces, "decoder start", *encoding.pieces[:-1]),
        spans=None if spans is None else np.concatenate([spans, [[0, 0]], spans[:-1]]),
        part=np.r_[encoding.part, ADDED, encoding.part[:-1]],
        side=np.repeat([0, 1], len(encoding)),
    )
