"""Overlapping windows of long samples, and what was found in them merged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from ..messages import DomainError
from .outcomes import Outcome

Sample = TypeVar("Sample", bound=Outcome)


def window_starts(length: int, window: int, stride: int) -> list[int]:
    """Return where windows start, one `stride` after the other; the last one ends with the sample."""
    last = max(0, length - window)
    return [*range(0, last, stride), last]


def merged_windows(values: Sequence[np.ndarray], starts: Sequence[int], length: int) -> np.ndarray:
    """Return the mean over the windows that cover a place, weighted by its distance from the nearer end of each.

    Parameters
    ----------
    values
        Of each window, W or W x ...; the weights are 1 at its ends, 2 beside them, ...
    starts
        Of the windows.
    length
        Of the sample.
    """
    window, shape = len(values[0]), values[0].shape[1:]
    weights = np.minimum(np.arange(1, window + 1), np.arange(window, 0, -1)).reshape(-1, *(1 for _ in shape))
    sums, total = np.zeros((length, *shape)), np.zeros((length, *weights.shape[1:]))
    for of_window, start in zip(values, starts, strict=True):
        sums[start : start + window] += of_window * weights
        total[start : start + window] += weights
    return sums / total


def merged_outcome(parts: Sequence[Sample], name: str, **changed: Any) -> Sample:
    """Return the outcome of a sample from those of its windows: its scores are their means.

    `changed` is what a domain merges itself. Raise if windows were explained for several classes.
    """
    if len(targets := dict.fromkeys(part.target for part in parts)) > 1:
        raise DomainError(f"the windows of '{name}' predict {', '.join(map(str, targets))}: name a target")
    for field in ("score", "reference_score", "probability"):
        if getattr(parts[0], field) is not None:
            changed[field] = float(np.mean([getattr(part, field) for part in parts]))
    return replace(parts[0], name=name, **changed)
