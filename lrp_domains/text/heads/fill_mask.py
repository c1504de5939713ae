"""The head of a masked language model: why this word at the mask?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from ...domain import NO_CLASS
from ..arguments import Request
from ..errors import TextError, excerpt
from ..tokens.encoding import Encoding
from ..tokens.location import tokens_at
from ..tokens.phrases import at_mask
from ..tokens.rows import Answer, Row, row_of, with_decoder_copy
from ..tokens.vocabulary import readable
from .head import Head
from .labels import PREDICTED
from .token_scores import AtPositions, Positions, Predicted, predicted_at


@dataclass(frozen=True)
class FillMask(AtPositions, Head):
    """Explains the token at the mask of a text, or one word there against another."""

    tokenizer: Any
    score: str
    spaced: bool | None = None
    two_sides: bool = False
    labels = None
    predicting = "masked language modelling"

    def rows(self, encoding: Encoding, windows: list[np.ndarray], request: Request) -> tuple[Encoding, list[Row]]:
        """Return the one row of a text."""
        column = self._mask(encoding, request.at)
        words = (request.target, request.against)
        target, against = (None if word is None else self._token(word, encoding, column) for word in words)
        if target is not None and target == against:
            raise TextError(f"target={words[0]!r} and against={words[1]!r} are the same token: name two words")
        target, against = PREDICTED if target is None else target, NO_CLASS if against is None else against
        positions = Positions.at(column, target, against=against)
        row = row_of(encoding, windows[0], subject=positions, two_sides=self.two_sides)
        return with_decoder_copy(encoding) if self.two_sides else encoding, [row]

    def _token(self, word: Any, encoding: Encoding, column: int) -> int:
        return at_mask(self.tokenizer, word, encoding, column, spaced=self.spaced)

    def _mask(self, encoding: Encoding, at: Any) -> int:
        """Return the column of the mask to explain."""
        mask = self.tokenizer.mask_token
        if mask is None:
            raise TextError("the tokenizer has no mask token: is this a masked language model?")
        masks = np.flatnonzero(encoding.inputs["input_ids"] == self.tokenizer.mask_token_id)
        if not len(masks) and encoding.kept is not None and any(mask in text for text in encoding.texts):
            raise TextError(
                f"the {mask} of {excerpt(encoding.texts[0])} was cut off, as {len(encoding)} tokens are read at once: "
                "shorten what is before it"
            )
        if at is not None:
            masks = np.intersect1d(masks, tokens_at(at, encoding))
        if len(masks) != 1:
            where = "" if at is None else f" at {at!r}"
            advice = f"write {mask} in place of the word" if not len(masks) else "choose one, at=its first character"
            raise TextError(f"{excerpt(encoding.texts[0])} has {len(masks)} masks{where}: {advice}")
        return int(masks[0])

    def answers(self, rows: Sequence[Row], predicted: Sequence[Tensor]) -> list[Answer]:
        """Return what the model predicts at the mask of each row."""
        positions = [row.subject for row in rows]
        return [self._answer(*fields) for fields in zip(positions, predicted_at(positions, predicted), strict=True)]

    def _answer(self, positions: Positions, predicted: Predicted) -> Answer:
        chosen = [int(positions.targets[0]), int(positions.against[0])]
        names = [readable(self.tokenizer, n).strip() for n in chosen if n not in (PREDICTED, NO_CLASS)]
        prediction = readable(self.tokenizer, int(predicted.numbers[0])).strip()
        return Answer(prediction, float(predicted.probabilities[0]), " against ".join(names) or prediction)
