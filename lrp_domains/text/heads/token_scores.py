"""Scores at chosen positions of a sequence: for heads that predict something per token."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...domain import NO_CLASS, score_of
from ..errors import TextError
from ..tokens.rows import Row
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


def sequence_logits(outputs: Any, rows: Sequence[Row], task: str) -> Tensor:
    """Return logits per token, B x T x K."""
    logits = getattr(outputs, "logits", None)
    if logits is None or logits.ndim != 3 or len(logits) != len(rows):
        shape = "no logits" if logits is None else f"logits of shape {tuple(logits.shape)}"
        raise TextError(
            f"for {len(rows)} rows the model returned {shape}, expected one row of logits per token: is it a model "
            f"for {task}?"
        )
    return logits


def scores_at(
    logits: Tensor, positions: Sequence[Positions], *, first: np.ndarray, score: str, constant: bool = True
) -> tuple[Tensor, list[Predicted]]:
    """Compute one number per row, from its positions.

    Parameters
    ----------
    logits
        B x T x K.
    positions
        Per row.
    first
        Per row the column of its first token.
    score, constant
        See `lrp_domains.domain.score_of`.
    """

    def all_rows(field: str) -> Tensor:
        return torch.from_numpy(np.concatenate([getattr(chosen, field) for chosen in positions])).to(logits.device)

    # The positions of all rows as one long list.
    counts = [len(chosen.columns) for chosen in positions]
    row = torch.repeat_interleave(torch.tensor(counts)).to(logits.device)
    picked = logits[row, all_rows("columns") + torch.from_numpy(first).to(logits.device)[row]]

    probabilities = picked.detach().double().softmax(1)
    highest, predicted = probabilities.max(1)
    targets = all_rows("targets")
    targets = torch.where(targets == PREDICTED, predicted, targets)

    scores = score_of(picked, targets, score, against=all_rows("against"), constant=constant)
    shares = [np.broadcast_to(chosen.share, len(chosen.columns)) for chosen in positions]
    share = torch.from_numpy(np.concatenate(shares)).to(logits)
    zeros = torch.zeros(len(positions), dtype=logits.dtype, device=logits.device)
    of_targets = probabilities.gather(1, targets[:, None])[:, 0]
    columns = (values.cpu().split(counts) for values in (predicted, highest, of_targets))
    rows = [Predicted(*(values.numpy() for values in fields)) for fields in zip(*columns, strict=True)]
    return zeros.index_add(0, row, scores * share), rows


def decided_at(logits: Tensor, rows: Sequence[Row], *, first: np.ndarray) -> list[Row]:
    """Return rows whose subject are `Positions` with the predicted numbers in place of `PREDICTED`."""
    decided = []
    for number, row in enumerate(rows):
        columns = torch.from_numpy(row.subject.columns + first[number]).to(logits.device)
        predicted = logits[number, columns].argmax(1).cpu().numpy()
        targets = np.where(row.subject.targets == PREDICTED, predicted, row.subject.targets)
        decided.append(replace(row, subject=replace(row.subject, targets=targets)))
    return decided
