"""Measures of faithfulness, one number per sample, from what it scores without some of its units."""

from __future__ import annotations

import numpy as np

from ..domain import DomainError
from .removal import Removal

BINS = (0.01, 0.05, 0.1, 0.2, 0.5)
"""The fractions of units of comprehensiveness and sufficiency (DeYoung et al. 2020)."""


def deletion(removal: Removal) -> np.ndarray:
    """Compute the area under the curve without the most relevant units (Samek et al. 2017, IEEE TNNLS 28:2660).

    Lower is better.
    """
    return _area(removal, _curve(removal, "without_most"))


def insertion(removal: Removal) -> np.ndarray:
    """Compute the area under the curve with only the most relevant units: AUAC of Ali et al. 2022 (ICML, sec. 5.2).

    Higher is better.
    """
    return _area(removal, _curve(removal, "only_most"))


def abpc(removal: Removal) -> np.ndarray:
    """Compute the area between the curves without the least and without the most relevant units.

    Higher is better; 0 is expected of a random order.
    """
    return _area(removal, _curve(removal, "without_least") - _curve(removal, "without_most"))


def comprehensiveness(removal: Removal) -> np.ndarray:
    """Compute by how much the score falls without the most relevant units, over those of `BINS` that were removed
    (DeYoung et al. 2020, eq. 1).

    Higher is better.
    """
    most = _curve(removal, "without_most")
    return (most[:, :1] - most[:, _bins(removal)]).mean(1)


def sufficiency(removal: Removal) -> np.ndarray:
    """Compute by how much the score falls with only the most relevant units, over those of `BINS` that were
    kept (DeYoung et al. 2020, eq. 2).

    Lower is better.
    """
    intact, only = _curve(removal, "without_most")[:, :1], _curve(removal, "only_most")
    return (intact - only[:, _bins(removal)]).mean(1)


def pruning_error(removal: Removal) -> np.ndarray:
    """Compute the area under the squared change of the score without the least relevant units: AU-MSE of Ali et al.
    2022 (ICML, sec. 5.2), which orders units by the magnitude of their relevance.

    Lower is better.
    """
    least = _curve(removal, "without_least")
    return _area(removal, (least - least[:, :1]) ** 2)


def _curve(removal: Removal, name: str) -> np.ndarray:
    curve = getattr(removal, name)
    if curve is None:
        raise DomainError(f"the scores of '{name}' weren't measured: leave curves= out of remove()")
    return curve


def _area(removal: Removal, curves: np.ndarray) -> np.ndarray:
    return np.trapezoid(curves, removal.fractions, axis=1)


def _bins(removal: Removal) -> np.ndarray:
    """Return which points are among `BINS`."""
    among = np.isin(removal.fractions, BINS)
    if not among.any():
        raise DomainError(f"comprehensiveness and sufficiency are defined at {BINS}: remove some of these fractions")
    return among
