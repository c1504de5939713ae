"""The head of a token classifier: why this label of a word?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import Tensor

from ..arguments import Request
from ..errors import TextError, excerpt
from ..tokens.encoding import ADDED, Encoding
from ..tokens.location import tokens_at
from ..tokens.rows import Answer, Row, have_references, row_of
from .head import Head
from .labels import LabelChoice, Labels, label_choice
from .token_scores import Positions, Predicted, decided_at, scores_at, sequence_logits

OUTSIDE = "O"  # the label of words that are not part of an entity


@dataclass(frozen=True)
class TaggedPlace:
    """The label to explain, the columns of the place (None: to be chosen), and the row's encoding.

    The label of each column is in `labels` if it was predicted and is held for a reference.
    """

    label: LabelChoice
    columns: np.ndarray | None
    encoding: Encoding
    labels: np.ndarray | None = None


@dataclass(frozen=True)
class TokenClassification(Head):
    """Explains the label of one place; the score of several tokens is the mean of theirs.

    Without a place it explains the token that has the most probable label other than the outside's.
    """

    labels: Labels
    score: str

    def rows(self, encoding: Encoding, windows: list[np.ndarray], request: Request) -> tuple[Encoding, list[Row]]:
        """Return the one row of a text."""
        if not (encoding.part != ADDED).any():
            raise TextError(f"{excerpt(encoding.texts[0])} has no token to label: leave it out")
        columns = None if request.at is None else tokens_at(request.at, encoding)
        place = TaggedPlace(label_choice(request, self.labels), columns, encoding)
        return encoding, [row_of(encoding, windows[0], subject=place)]

    def decided(self, outputs: Any, rows: Sequence[Row], first: np.ndarray) -> list[Row]:
        """Return the rows with the predicted place and label, unless others are chosen."""
        logits = self._logits(outputs, rows)
        positions = self._positions(logits, rows, first)
        at_places = [replace(row, subject=chosen) for row, chosen in zip(rows, positions, strict=True)]

        decided = [row.subject for row in decided_at(logits, at_places, first=first)]
        places = [
            replace(row.subject, columns=chosen.columns, labels=chosen.targets)
            for row, chosen in zip(rows, decided, strict=True)
        ]
        return [replace(row, subject=place) for row, place in zip(rows, places, strict=True)]

    def scores(self, outputs: Any, rows: Sequence[Row], first: np.ndarray) -> tuple[Tensor, list[Answer]]:
        """Compute the score of the label at each row's place, and what the model predicts there."""
        logits = self._logits(outputs, rows)
        positions = self._positions(logits, rows, first)
        constant = not have_references(rows)
        scores, predictions = scores_at(logits, positions, first=first, score=self.score, constant=constant)
        return scores, [self._answer(*fields) for fields in zip(rows, positions, predictions, strict=True)]

    def _logits(self, outputs: Any, rows: Sequence[Row]) -> Tensor:
        logits = sequence_logits(outputs, rows, "token classification")
        if logits.shape[2] != len(self.labels.names):
            raise TextError(
                f"the model returned {logits.shape[2]} logits per token for {len(self.labels.names)} labels"
            )
        return logits

    def _positions(self, logits: Tensor, rows: Sequence[Row], first: np.ndarray) -> list[Positions]:
        """Return the columns of each row's place and what is explained there."""
        probabilities = logits.detach().double().softmax(2).cpu().numpy()
        positions = []
        for row, row_probabilities, start in zip(rows, probabilities, first, strict=True):
            columns, label = row.subject.columns, row.subject.label
            if columns is None:
                columns = self._most_probable(row.subject.encoding, row_probabilities[start : start + len(row)])
            labels = label.label if row.subject.labels is None else row.subject.labels
            positions.append(Positions.at(columns, labels, against=label.against, share=1 / len(columns)))
        return positions

    def _most_probable(self, encoding: Encoding, probabilities: np.ndarray) -> np.ndarray:
        entities = [number for number, name in enumerate(self.labels.names) if name != OUTSIDE]
        best = np.where(encoding.part != ADDED, probabilities[:, entities or slice(None)].max(1), -1)
        return np.array([best.argmax()])

    def _answer(self, row: Row, positions: Positions, predicted: Predicted) -> Answer:
        encoding, number, columns = row.subject.encoding, int(predicted.numbers[0]), positions.columns
        words = encoding.pieces[columns[0]]
        if encoding.spans is not None:
            start, end = encoding.spans[columns, 0].min(), encoding.spans[columns, 1].max()
            words = encoding.texts[int(encoding.part[columns[0]])][start:end].strip() or words
        target = row.subject.label.name(self.labels, number)
        return Answer(self.labels.names[number], float(predicted.probabilities[0]), f"{target} at '{words}'")
