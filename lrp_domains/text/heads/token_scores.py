"""Scores at chosen positions of a sequence: for heads that say something of each token."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import TextError
from ..tokens.rows import Row
from .scores import Scores, contrast_of, score_of

PREDICTED = -1
NONE = -1


@dataclass(frozen=True)
class Positions:
    """Where in a row to look, and for what.

    Attributes
    ----------
    columns
        n columns, counted from the row's first token.
    targets
        For each the number of a label or token, or `PREDICTED`.
    against
        For each the number of what it is contrasted with, or `NONE`.
    share
        What each counts in the row's score: 1 for a sum, 1 / n for a mean.
    """

    columns: np.ndarray
    targets: np.ndarray
    against: np.ndarray
    share: float = 1.0

    @classmethod
    def at(cls, columns, targets, against=NONE, share: float = 1.0) -> "Positions":
        """From single numbers or sequences of them."""
        columns, targets, against = np.broadcast_arrays(np.atleast_1d(columns), targets, against)
        return cls(columns, targets, against, share)


@dataclass(frozen=True)
class Said:
    """What a model says at a row's positions: numbers of labels or tokens, how surely, and how surely the target."""

    predicted: np.ndarray
    probability: np.ndarray
    given: np.ndarray


def sequence_logits(outputs: Any, rows: Sequence[Row], task: str) -> Tensor:
    """B x T x K."""
    logits = getattr(outputs, "logits", None)
    if logits is None or logits.ndim != 3 or len(logits) != len(rows):
        found = "no logits" if logits is None else f"logits of shape {tuple(logits.shape)}"
        raise TextError(
            f"for {len(rows)} rows the model gave {found}, not one row of them for each token: is it for {task}?"
        )
    return logits


def scores_at(
    logits: Tensor, positions: Sequence[Positions], first: np.ndarray, score: str
) -> tuple[Scores, list[Said]]:
    """Give one number per row, from its positions.

    Parameters
    ----------
    logits
        B x T x K.
    positions
        For each row.
    first
        For each row the column of its first token.
    score
        See `score_of`.
    """

    def numbers(name: str) -> Tensor:
        return torch.from_numpy(np.concatenate([getattr(one, name) for one in positions])).to(logits.device)

    counts = [len(one.columns) for one in positions]
    row = torch.repeat_interleave(torch.tensor(counts)).to(logits.device)
    picked = logits[row, numbers("columns") + torch.from_numpy(first).to(logits.device)[row]]
    probabilities = picked.detach().double().softmax(1)
    sure, predicted = probabilities.max(1)
    targets, against = numbers("targets"), numbers("against")
    targets = torch.where(targets == PREDICTED, predicted, targets)
    found = score_of(picked, targets, score)
    if bool((is_pair := against != NONE).any()):
        found = found.where(is_pair, contrast_of(picked, targets, against.clamp(min=0)))
    share = torch.tensor([one.share for one in positions], dtype=logits.dtype, device=logits.device)[row]
    none = torch.zeros(len(positions), dtype=logits.dtype, device=logits.device)
    scores = Scores(none.index_add(0, row, found.explained * share), none.index_add(0, row, found.spread * share))
    given = probabilities.gather(1, targets[:, None])[:, 0]
    parts = zip(*(one.cpu().split(counts) for one in (predicted, sure, given)), strict=True)
    return scores, [Said(*(one.numpy() for one in part)) for part in parts]
