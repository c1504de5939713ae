"""Expression in a group against the rest, or against one other group: fold change, direction, Welch's t."""

from dataclasses import dataclass

import numpy as np

from ..explanation.results.group_statistics import GroupStatistics


@dataclass(frozen=True)
class Side:
    """The expression of the cells on one side of a comparison, as the model reads it: sums over cells, by gene."""

    cells: float
    total: np.ndarray
    squares: np.ndarray

    @property
    def mean(self) -> np.ndarray:
        """The mean over cells; NaN without cells."""
        return self.total / self.cells if self.cells else np.full(len(self.total), np.nan)

    @property
    def variance(self) -> np.ndarray:
        """The variance, with n - 1."""
        return np.maximum(self.squares / self.cells - self.mean**2, 0) * self.cells / (self.cells - 1)


def sides(statistics: GroupStatistics, number: int, reference: int | None = None) -> tuple[Side, Side]:
    """Return a group, and what it is compared with: another group, or all other cells.

    Parameters
    ----------
    statistics
        From `relevance`.
    number
        The number of the group.
    reference
        The number of the other group; None for all other cells.
    """
    in_group = np.arange(len(statistics.groups)) == number
    others = ~in_group if reference is None else np.arange(len(statistics.groups)) == reference
    group, other = (
        Side(
            float(statistics.cells[members].sum()),
            total=statistics.expression[members].sum(0),
            squares=statistics.expression_squares[members].sum(0),
        )
        for members in (in_group, others)
    )
    return group, other


def direction(group: Side, other: Side) -> np.ndarray:
    """Return 1 where mean expression isn't below that of the other side, else -1."""
    return np.where(group.mean < other.mean, -1, 1)


def fold_change(statistics: GroupStatistics, group: Side, other: Side) -> np.ndarray:
    """Compute the log2 fold change of expression; NaN without cells on a side.

    Of logs as scanpy does: of their means, converted back by ``base ** mean - 1``. A mean below the detection limit of
    its side, one unit of the converted values in one of its cells, is set to this limit: where a gene is absent from a
    side the ratio is bounded by what could have been detected, instead of being decided by a pseudocount. Of values
    around zero it is the difference of means, in log2.
    """
    if statistics.normalisation in ("centred", "zscore"):
        return (group.mean - other.mean) * statistics.scale * np.log2(statistics.log_base)
    return _log2_mean(group, statistics) - _log2_mean(other, statistics)


def _log2_mean(side: Side, statistics: GroupStatistics) -> np.ndarray:
    """Compute the log2 of mean expression, not below the detection limit."""
    if not side.cells:
        return side.mean
    limit = 1 / side.cells
    if statistics.normalisation == "counts":
        return np.log2(np.maximum(side.mean, limit))
    # log2(e^m - 1) is (m + log(1 - e^-m)) / log 2, which doesn't overflow.
    natural = np.maximum(side.mean * np.log(statistics.log_base), np.log1p(limit))
    return (natural + np.log(-np.expm1(-natural))) / np.log(2)


def welch(group: Side, other: Side) -> np.ndarray:
    """Compute Welch's t of expression; NaN with fewer than two cells on a side.

    It orders genes and isn't a test, because cells are not independent.
    """
    if min(group.cells, other.cells) < 2:
        return np.full(len(group.total), np.nan)
    difference = group.mean - other.mean
    error = np.sqrt(group.variance / group.cells + other.variance / other.cells)
    return np.divide(difference, error, out=np.zeros_like(difference), where=error > 0)
