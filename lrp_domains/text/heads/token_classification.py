"""The head of a token classifier: what is this word?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import TextError, excerpt
from ..tokens.encoding import ADDED, Encoding
from ..tokens.location import tokens_at
from ..tokens.rows import Answer, Row, row_of
from .labels import Labels, Wanted, wanted_label
from .scores import Scores
from .token_scores import NONE, PREDICTED, Positions, scores_at, sequence_logits


@dataclass(frozen=True)
class Tagged:
    """The label to explain, the columns of the place (None: to be chosen), the row's encoding."""

    label: Wanted
    columns: np.ndarray | None
    encoding: Encoding


@dataclass(frozen=True)
class TokenClassification:
    """Explains the label of one place; the score of several tokens is the mean of theirs.

    Without a place it takes the token whose label, other than the outside's, the model is surest of.
    """

    labels: Labels
    score: str
    in_windows = False
    apart = False
    cut_side = "right"

    def parts(self, encoding: Encoding) -> tuple[str, ...]:
        """What the texts are called."""
        return ("text",) if len(encoding.texts) == 1 else ("first", "second")

    def read(self, encoding: Encoding, windows: list[np.ndarray], target: Any, at: Any) -> tuple[Encoding, list[Row]]:
        """The row of a text."""
        if not (encoding.part != ADDED).any():
            raise TextError(f"{excerpt(encoding.texts[0])} has no token of its own to label: leave it out")
        columns = None if at is None else tokens_at(at, encoding)
        wanted = Tagged(wanted_label(target, self.labels), columns, encoding)
        return encoding, [row_of(encoding, windows[0], 1.0, wanted, two_sides=False)]

    def scores(self, outputs: Any, rows: Sequence[Row], first: np.ndarray) -> tuple[Scores, list[Answer]]:
        """The score of each row, and what the model said."""
        logits = sequence_logits(outputs, rows, "token classification")
        if logits.shape[2] != len(self.labels.names):
            raise TextError(f"the model gave {logits.shape[2]} logits a token for {len(self.labels.names)} labels")
        sure = logits.detach().double().softmax(2).cpu().numpy()
        positions = []
        for row, own, start in zip(rows, sure, first, strict=True):
            columns, label = row.wanted.columns, row.wanted.label
            if columns is None:
                columns = self._surest(row.wanted.encoding, own[start : start + len(row)])
            target = PREDICTED if label.label is None else label.label
            against = NONE if label.against is None else label.against
            positions.append(Positions.at(columns, target, against, share=1 / len(columns)))
        scores, said = scores_at(logits, positions, first, self.score)
        return scores, [self._answer(*one) for one in zip(rows, positions, said, strict=True)]

    def _surest(self, encoding: Encoding, sure: np.ndarray) -> np.ndarray:
        named = [i for i, name in enumerate(self.labels.names) if name != "O"]
        best = np.where(encoding.part != ADDED, sure[:, named or slice(None)].max(1), -1)
        return np.array([best.argmax()])

    def _answer(self, row: Row, positions: Positions, said: Any) -> Answer:
        encoding, number = row.wanted.encoding, int(said.predicted[0])
        place = encoding.pieces[positions.columns[0]]
        if encoding.spans is not None:
            start, end = encoding.spans[positions.columns, 0].min(), encoding.spans[positions.columns, 1].max()
            place = encoding.texts[int(encoding.part[positions.columns[0]])][start:end].strip() or place
        target = row.wanted.label.name(self.labels, number)
        return Answer(self.labels.names[number], float(said.probability[0]), f"{target} at '{place}'")
