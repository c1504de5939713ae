"""Scores at chosen positions of a sequence: for heads that predict something per token."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from ...domain import NO_CLASS, score_of
from ..errors import TextError
from ..tokens.rows import Row
from .in_tensors import InTensors
from .labels import PREDICTED


@dataclass(frozen=True)
class Positions:
    """Positions in a row, and what to explain there.

    Attributes
    ----------
    columns
        n columns, counted from the row's first token.
    targets
        Per column the number of a label or token, or `PREDICTED`.
    against
        Per column the number of what the target is contrasted with, or `NO_CLASS`.
    share
        The weight of each column in the row's score, for all or per column: 1 for a sum, 1 / n for a mean.
    """

    columns: np.ndarray
    targets: np.ndarray
    against: np.ndarray
    share: float | np.ndarray = 1.0

    @classmethod
    def at(cls, columns: Any, targets: Any, *, against: Any = NO_CLASS, share: Any = 1.0) -> "Positions":
        """Return positions from single numbers or sequences of them."""
        columns, targets, against = np.broadcast_arrays(np.atleast_1d(columns), targets, against)
        return cls(columns, targets, against, share=share)


@dataclass(frozen=True)
class Predicted:
    """What a model predicts at a row's positions, n each.

    Attributes
    ----------
    numbers
        The predicted labels or tokens.
    probabilities
        Their probabilities.
    target_probabilities
        The probabilities of the targets.
    """

    numbers: np.ndarray
    probabilities: np.ndarray
    target_probabilities: np.ndarray


def sequence_logits(outputs: Any, count: int, task: str) -> Tensor:
    """Return logits per token of B rows, B x T x K."""
    logits = getattr(outputs, "logits", None)
    if logits is None or logits.ndim != 3 or len(logits) != count:
        shape = "no logits" if logits is None else f"logits of shape {tuple(logits.shape)}"
        raise TextError(
            f"for {count} rows the model returned {shape}, expected one row of logits per token: is it a model "
            f"for {task}?"
        )
    return logits


def subjects_at(positions: Sequence[Positions], first: np.ndarray) -> tuple[Tensor, ...]:
    """Return the positions of B rows as one list: row, column, target, contrast and share of each.

    Parameters
    ----------
    positions
        Per row.
    first
        Per row the column of its first token.
    """
    counts = [len(chosen.columns) for chosen in positions]
    row = np.repeat(np.arange(len(positions)), counts)
    columns, targets, against = (
        np.concatenate([getattr(chosen, field) for chosen in positions]) for field in ("columns", "targets", "against")
    )
    shares = [np.broadcast_to(chosen.share, len(chosen.columns)) for chosen in positions]
    fields = (row, columns + first[row], targets, against, np.concatenate(shares).astype(np.float64))
    return tuple(map(torch.from_numpy, fields))


def scores_of(
    logits: Tensor, subjects: Sequence[Tensor], *, count: int, score: str, constant: bool = True
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Compute one number per row, from its positions.

    Parameters
    ----------
    logits
        B x T x K.
    subjects
        From `subjects_at`, on the device of the logits.
    count
        B.
    score, constant
        See `lrp_domains.domain.score_of`.

    Returns
    -------
    scores
        B numbers, with their graph.
    predicted
        At all positions the most probable number, its probability, and that of the target.
    """
    row, column, targets, against, share = subjects
    picked = logits[row, column]
    probabilities = picked.detach().double().softmax(1)
    highest, predicted = probabilities.max(1)
    targets = torch.where(targets == PREDICTED, predicted, targets)

    scores = score_of(picked, targets, score, against=against, constant=constant)
    zeros = torch.zeros(count, dtype=logits.dtype, device=logits.device)
    of_targets = probabilities.gather(1, targets[:, None])[:, 0]
    return zeros.index_add(0, row, scores * share.to(logits)), (predicted, highest, of_targets)


def predicted_at(positions: Sequence[Positions], predicted: Sequence[Tensor]) -> list[Predicted]:
    """Return what a model predicts at the positions of each row, from `scores_of`."""
    counts = [len(chosen.columns) for chosen in positions]
    columns = (values.cpu().split(counts) for values in predicted)
    return [Predicted(*(values.numpy() for values in fields)) for fields in zip(*columns, strict=True)]


def scores_at(
    logits: Tensor, positions: Sequence[Positions], *, first: np.ndarray, score: str, constant: bool = True
) -> tuple[Tensor, list[Predicted]]:
    """Compute one number per row, from its positions, and what the model predicts there."""
    subjects = [subject.to(logits.device) for subject in subjects_at(positions, first)]
    scores, predicted = scores_of(logits, subjects, count=len(positions), score=score, constant=constant)
    return scores, predicted_at(positions, predicted)


def decided_at(logits: Tensor, rows: Sequence[Row], *, first: np.ndarray) -> list[Row]:
    """Return rows whose subject are `Positions` with the predicted numbers in place of `PREDICTED`."""
    decided = []
    for number, row in enumerate(rows):
        columns = torch.from_numpy(row.subject.columns + first[number]).to(logits.device)
        predicted = logits[number, columns].argmax(1).cpu().numpy()
        targets = np.where(row.subject.targets == PREDICTED, predicted, row.subject.targets)
        decided.append(replace(row, subject=replace(row.subject, targets=targets)))
    return decided


class AtPositions(InTensors, Protocol):
    """A head whose rows have `Positions` as subject, and are scored there.

    Attributes
    ----------
    score
        See `lrp_domains.domain.score_of`.
    predicting
        What the model does, for messages.
    """

    score: str
    predicting: str

    def decided(self, outputs: Any, rows: Sequence[Row], first: np.ndarray) -> list[Row]:
        """Return the rows with the predicted numbers, unless others are chosen."""
        return decided_at(sequence_logits(outputs, len(rows), self.predicting), rows, first=first)

    def subjects(self, rows: Sequence[Row], first: np.ndarray) -> tuple[Tensor, ...]:
        """Return the positions of all rows; see `subjects_at`."""
        return subjects_at([row.subject for row in rows], first)

    def scores_of(
        self, outputs: Any, subjects: Sequence[Tensor], *, count: int, constant: bool
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Compute the score of each row at its positions, and what the model predicts there."""
        logits = sequence_logits(outputs, count, self.predicting)
        return scores_of(logits, subjects, count=count, score=self.score, constant=constant)
