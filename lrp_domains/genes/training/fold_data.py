"""The data of one fold: its rows, and the expression as its networks read it, scaled without the rows they explain."""

from dataclasses import dataclass, field

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from ..cohorts.values.expression import batches
from ..cohorts.values.normalisation import Matrix, moments, zscore
from .fit import DenseRows, dense_rows

CHUNK = 512
FEW_ZEROS = 0.1


@dataclass(frozen=True)
class Centring:
    """The mean of each gene, and one number for the spread of all of them, in the rows that a fold learns from.

    Networks that read centred expression learn from genes whose values are all far from zero, such as log2 intensities,
    as well as from others. The spread of all genes makes training independent of the unit, such as the base of logs.
    """

    centre: Tensor
    scale: float

    def applied_to(self, expression: DenseRows) -> DenseRows:
        """Return centred and scaled expression."""
        return lambda rows: (expression(rows) - self.centre) / self.scale


@dataclass(frozen=True)
class FoldData:
    """The data of one fold.

    Attributes
    ----------
    number
        Of the fold.
    learn, validate
        The rows that its networks learn from, and those on which they stop early.
    expression
        From row numbers to expression, as the trained networks read it.
    centring
        What expression is centred by while networks are trained; None to train on expression unchanged.
    """

    number: int
    learn: np.ndarray = field(repr=False)
    validate: np.ndarray = field(repr=False)
    expression: DenseRows = field(repr=False)
    centring: Centring | None = field(default=None, repr=False)


def few_zeros(matrix: Matrix) -> bool:
    """Return whether nearly all values differ from 0, as intensities do, so that 0 can't stand for absence."""
    stored = matrix.data if sparse.issparse(matrix) else matrix
    return bool(np.count_nonzero(stored) > (1 - FEW_ZEROS) * matrix.shape[0] * matrix.shape[1])


def centring_of(expression: DenseRows, rows: np.ndarray) -> Centring:
    """Compute the mean of each gene over some rows, and the root of the mean variance."""
    shift = expression(rows[:CHUNK]).double().mean(0)  # because squares of values far from zero cancel
    total, squares = torch.zeros_like(shift), torch.zeros_like(shift)
    for batch in batches(rows, CHUNK):
        centred = expression(batch).double() - shift
        total, squares = total + centred.sum(0), squares + centred.square().sum(0)
    mean = total / len(rows)
    variance = (squares / len(rows) - mean.square()).clamp(min=0)
    scale = float(variance.mean().sqrt())
    like = expression(rows[:1])
    return Centring((shift + mean).to(like), scale if np.isfinite(scale) and scale > 0 else 1.0)


class CohortData:
    """The data of every fold of a cohort; that of the last fold is kept.

    Attributes
    ----------
    moments
        For z-scores, mean and standard deviation of each gene in all rows but those of a fold, each folds x genes;
        else None.
    """

    def __init__(
        self,
        matrix: Matrix,
        *,
        folds: np.ndarray,
        splits: list[tuple[np.ndarray, np.ndarray]],
        zscored: bool,
        centred: bool,
        device: torch.device,
    ) -> None:
        self.matrix, self.splits, self.like = matrix, splits, torch.zeros((), device=device)
        self.centred = centred and not zscored
        self.moments = None
        if zscored:
            each = [moments(matrix[np.flatnonzero(folds != fold)]) for fold in range(len(splits))]
            self.moments = np.stack([mean for mean, _ in each]), np.stack([deviation for _, deviation in each])
        self.unscaled = None if zscored else dense_rows(matrix, self.like)
        self.last: FoldData | None = None

    def fold(self, number: int) -> FoldData:
        """Return the data of a fold."""
        if self.last is None or self.last.number != number:
            learn, validate = self.splits[number]
            expression = self.unscaled or dense_rows(self._zscores(number), self.like)
            centring = centring_of(expression, learn) if self.centred else None
            self.last = FoldData(number, learn=learn, validate=validate, expression=expression, centring=centring)
        return self.last

    def _zscores(self, number: int) -> np.ndarray:
        """Compute z-scores by the moments of a fold."""
        mean, deviation = (values[number] for values in self.moments)
        return zscore(mean, deviation)(self.matrix)
