"""Scores of models that predict tracks along a sequence: from their outputs to one number per sequence."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from ..messages import DomainError
from .outputs import output_of


def track(
    head: int | str | None = None, track: int = 0, bins: slice | Sequence[int] | None = None
) -> Callable[[Any], Tensor]:
    """Return the score of a track, B x bins x tracks or B x tracks: its mean over bins.

    Parameters
    ----------
    head
        Which of several outputs, as of Enformer, ``"human"``; None for the only one.
    track
        The number of the track.
    bins
        A slice, or the numbers of bins; None for all. With `reverse_complement`, the other strand's bins are in
        reverse order.
    """

    if not isinstance(track, int | np.integer):
        raise DomainError(f"track={track!r}: pass the number of a track, from 0")
    if not isinstance(bins, slice | None) and (np.ndim(bins) != 1 or np.asarray(bins).dtype.kind not in "iu"):
        raise DomainError(f"bins={bins!r}: pass a slice, such as slice(440, 456), or the numbers of bins")

    def score(outputs: Any) -> Tensor:
        values = output_of(outputs, head)
        if values.ndim not in (2, 3) or not -values.shape[-1] <= track < values.shape[-1]:
            raise DomainError(f"there is no track {track} in outputs of shape {tuple(values.shape)}, B x bins x tracks")
        values = values[..., track] if values.ndim == 3 else values[:, None, track]
        chosen = values if bins is None else values[:, bins]
        if not chosen.shape[1]:
            raise DomainError(f"bins={bins!r} has none of the {values.shape[1]} bins of the model")
        return chosen.mean(1)

    return score


def counts(output: int | str = 1) -> Callable[[Any], Tensor]:
    """Return the score of the predicted counts of BPNet-like models, B x 1, their mean over several."""
    return lambda outputs: output_of(outputs, output).flatten(1).mean(1)


@dataclass(frozen=True)
class profile:
    """Return the score of the predicted profile of BPNet-like models (Avsec et al. 2021, Nat. Genet. 53:354).

    It is ``sum_i p_i z_i`` over strands and positions, with z the logits minus their mean, and p their softmax.

    Parameters
    ----------
    output
        Which of the outputs has the logits, B x strands x positions.
    constant
        Whether p is held constant. Against a reference it is not, so that relevance sums to the score's difference.
    """

    output: int | str = 0
    constant: bool = True

    def __call__(self, outputs: Any) -> Tensor:
        logits = output_of(outputs, self.output).flatten(1)
        logits = logits - logits.mean(1, keepdim=True)
        weights = (logits.detach() if self.constant else logits).softmax(1)
        return (weights * logits).sum(1)
