"""The positions of items in rankings, and rank-biased overlap."""

import math
from dataclasses import dataclass

import numpy as np

SMALLEST_WEIGHT = 1e-16  # of a depth in rank-biased overlap


@dataclass(frozen=True)
class Positions:
    """The positions of items in one ranking, computed once to compare it with several others.

    Attributes
    ----------
    before
        Number of items with higher values.
    tied
        Number of items with the same value, including the item.
    leading
        The items of the first places, in order, to the depth that has weight; None if some of them tie.
    top
        The top items; of items that tie across the end of this list none is.
    centred, spread
        Ranks minus their mean, and their standard deviation.
    """

    before: np.ndarray
    tied: np.ndarray
    leading: np.ndarray | None
    top: frozenset[int]
    centred: np.ndarray
    spread: float


def positions_of(values: np.ndarray, top: int, persistence: float) -> Positions:
    """Return the positions of items, of which the highest value comes first."""
    order = np.argsort(-values)
    starts = np.flatnonzero(np.diff(values[order], prepend=np.nan) != 0)
    sizes = np.diff(starts, append=len(values))
    before, tied = np.empty(len(values), int), np.empty(len(values), int)
    before[order], tied[order] = np.repeat(starts, sizes), np.repeat(sizes, sizes)
    depth = _deepest(len(values), persistence)
    first = np.flatnonzero(before < depth)
    ranks = before + (tied + 1) / 2
    centred = ranks - ranks.mean() if len(ranks) else ranks
    return Positions(
        before,
        tied=tied,
        leading=first[np.argsort(before[first])] if (tied[first] == 1).all() else None,
        top=frozenset(np.flatnonzero(before + tied <= top).tolist()),
        centred=centred,
        spread=float(np.sqrt(np.dot(centred, centred) / (len(values) - 1))) if len(values) > 1 else 0.0,
    )


def rank_biased_overlap(a: np.ndarray, b: np.ndarray, persistence: float = 0.9) -> float:
    """Compute the extrapolated rank-biased overlap of two rankings of the same items (Webber et al. 2010, TOIS 28:20).

    ``X_n / n p^n + (1 - p) / p sum_d X_d / d p^d``, with ``X_d`` the number of items that both have among
    their first `d`. If items tie, ``X_d`` is its mean over all orders of them, drawn independently for each ranking:
    ``X_d = sum_i a_i(d) b_i(d)``, with ``a_i(d)`` the probability that item `i` is among the first `d` of `a` (Corsi
    and Urbano 2024, SIGIR, RBO^a).

    Parameters
    ----------
    a, b
        The values of the items, of which the highest comes first; item `i` is element `i` of both.
    persistence
        As in `agreement`.
    """
    positions = [positions_of(np.asarray(values, dtype=float), 1, persistence) for values in (a, b)]
    return overlap_of(*positions, persistence)


def overlap_of(a: Positions, b: Positions, persistence: float) -> float:
    """Compute `rank_biased_overlap` from positions."""
    n = len(a.before)
    if n == 0:
        return float("nan")
    depths = np.arange(1, _deepest(n, persistence) + 1)
    shared = _tied_overlap(a, b, depths) if a.leading is None or b.leading is None else _overlap(a, b, depths)
    weights = np.array([persistence**depth for depth in depths.tolist()])
    terms = (1 - persistence) / persistence * shared / depths * weights
    return float(persistence**n + terms.sum())  # X_n = n: both have all items


def _overlap(a: Positions, b: Positions, depths: np.ndarray) -> np.ndarray:
    """Return the number of items that both have among their first, at each depth."""
    deeper = np.maximum(np.arange(len(a.leading)), b.before[a.leading])
    return np.cumsum(np.bincount(deeper[deeper < len(depths)], minlength=len(depths)))


def _tied_overlap(a: Positions, b: Positions, depths: np.ndarray) -> np.ndarray:
    """Return the mean of this number over all orders of tied items."""
    seen = np.maximum(a.before, b.before) < len(depths)
    chances = [
        [np.clip((depth - side.before[seen]) / side.tied[seen], 0, 1) for side in (a, b)] for depth in depths.tolist()
    ]
    return np.array([np.dot(*sides) for sides in chances])


def _deepest(n: int, persistence: float) -> int:
    """Return the depth below which items have no weight."""
    return min(n, math.ceil(math.log(SMALLEST_WEIGHT) / math.log(persistence)))
