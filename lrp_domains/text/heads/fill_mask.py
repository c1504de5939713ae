"""The head of a masked language model: why this word in the gap?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import TextError, excerpt
from ..tokens.encoding import Encoding
from ..tokens.location import tokens_at
from ..tokens.rows import Answer, Row, row_of
from ..tokens.vocabulary import one_token, shown
from .scores import Scores
from .token_scores import NONE, PREDICTED, Positions, scores_at, sequence_logits


@dataclass(frozen=True)
class FillMask:
    """Explains the token at the mask in a text, or one word there against another."""

    tokenizer: Any
    score: str
    in_windows = False
    apart = False
    cut_side = "right"

    def parts(self, encoding: Encoding) -> tuple[str, ...]:
        """What the texts are called."""
        return ("text",) if len(encoding.texts) == 1 else ("first", "second")

    def read(self, encoding: Encoding, windows: list[np.ndarray], target: Any, at: Any) -> tuple[Encoding, list[Row]]:
        """The row of a text."""
        column = self._mask(encoding, at)
        # Words are set off by spaces: a word in the gap is read as if it followed one.
        words = target if isinstance(target, tuple) else () if target is None else (target,)
        if len(words) > 2:
            raise TextError(f"target={target!r}: a contrast is a pair of words")
        ids = [one_token(self.tokenizer, word, "a") for word in words]
        wanted = Positions.at(column, *(ids or [PREDICTED]))
        return encoding, [row_of(encoding, windows[0], 1.0, wanted, two_sides=False)]

    def _mask(self, encoding: Encoding, at: Any) -> int:
        mask = self.tokenizer.mask_token
        if mask is None:
            raise TextError("the tokenizer has no mask token: is this a masked language model?")
        masks = np.flatnonzero(encoding.inputs["input_ids"] == self.tokenizer.mask_token_id)
        if at is not None:
            masks = np.intersect1d(masks, tokens_at(at, encoding))
        if len(masks) != 1:
            where = "" if at is None else f" at {at!r}"
            advice = f"put {mask} where the word should be" if not len(masks) else "name one, at=its first character"
            raise TextError(f"{excerpt(encoding.texts[0])} has {len(masks)} masks{where}: {advice}")
        return int(masks[0])

    def scores(self, outputs: Any, rows: Sequence[Row], first: np.ndarray) -> tuple[Scores, list[Answer]]:
        """The score of each row, and what the model said."""
        logits = sequence_logits(outputs, rows, "masked language modelling")
        scores, said = scores_at(logits, [row.wanted for row in rows], first, self.score)
        return scores, [self._answer(row.wanted, one) for row, one in zip(rows, said, strict=True)]

    def _answer(self, wanted: Positions, said: Any) -> Answer:
        predicted = int(said.predicted[0])
        names = [
            shown(self.tokenizer, int(one)).strip() for one in (wanted.targets[0], wanted.against[0]) if one != NONE
        ]
        prediction = shown(self.tokenizer, predicted).strip()
        return Answer(prediction, float(said.probability[0]), " against ".join(names) or prediction)
