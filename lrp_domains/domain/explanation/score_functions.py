"""Scores that are functions of what a model returns, checked where the user's code is called."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..messages import DomainError
from .user_code import calling


def averaged(score: Callable[[Any], Tensor]) -> Callable[[Sequence[Any]], Tensor]:
    """Return the function of several outputs, such as those for both strands of DNA, that is the mean of a score."""

    def of_several(outputs: Sequence[Any]) -> Tensor:
        return mean_of([score(output) for output in outputs])

    of_several.__name__ = getattr(score, "__name__", type(score).__name__)
    return of_several


def mean_of(tensors: Sequence[Tensor]) -> Tensor:
    """Return the mean of some tensors; without the number 0, from which Python's `sum` starts and layer rules stop."""
    first, *others = tensors
    return sum(others, first) / len(tensors) if others else first


def scores_by(score: Callable[[Any], Tensor], outputs: Any, samples: int) -> Tensor:
    """Return the scores that a function computes from what a model returned, one per sample.

    Raises
    ------
    DomainError
        The function raises, or returns something else; the message names the function.
    """
    name = f"the score '{getattr(score, '__name__', None) or type(score).__name__}'"
    with calling(f"{name} could not be computed from what the model returns"):
        scores = score(outputs)

    if not isinstance(scores, Tensor):
        raise DomainError(f"{name} returned a {type(scores).__name__}: return a tensor, one number per sample")
    if scores.shape != (samples,):
        returned = "one number for all" if scores.ndim == 0 else f"a tensor of shape {tuple(scores.shape)}"
        raise DomainError(f"{name} returned {returned}, for {samples} samples: return a tensor, one number per sample")
    if not scores.is_floating_point():
        raise DomainError(f"{name} returned a tensor of {scores.dtype}: return floats, which have a gradient")
    if torch.is_grad_enabled() and not scores.requires_grad:
        raise DomainError(
            f"{name} returned a tensor without a gradient: compute it by torch from what the model returns, without "
            "detach() and no_grad()"
        )
    return scores
