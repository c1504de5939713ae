"""What cells score without some of their genes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from scipy.special import expit

from ...domain import BatchSize, check_choice, score_of
from ..explanation.curves.perturbation import read_cells
from .cells import DrawnCells

HOW = ("zero", "mean", "permuted")
"""What a removed gene may be read as; see `RemovableGenes`."""


@dataclass(frozen=True)
class RemovableGenes:
    """Cells whose genes can be removed: a `lrp_domains.evaluation.Predict`.

    A cell is scored by the networks that have not seen it. Nothing is normalised again: the genes that are kept keep
    their values.

    Attributes
    ----------
    cells
        The cells, whose predicted class is scored; their `genes` are the units.
    how
        What removed genes are read as: ``"zero"`` (not expressed; of z-scores the mean), ``"mean"`` (of the cohort), or
        ``"permuted"`` (the value of another cell of the cohort, drawn at random, the same one for all genes).
    seed
        Of which cells are drawn.
    """

    cells: DrawnCells = field(repr=False)
    how: str = "zero"
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("way to remove genes", self.how, HOW)

    def __call__(self, samples: np.ndarray, kept: list[np.ndarray]) -> np.ndarray:
        """Return the score of each row: the cell of a number, with the genes that are kept.

        It is the log-odds of the predicted class, of the mean of the networks' logits; of a value or a risk the output.
        """
        scores, folds = np.empty(len(samples)), self.cells.folds[samples]
        for fold in np.unique(folds):
            of_fold = np.flatnonzero(folds == fold)

            def score(rows: np.ndarray, fold: int = int(fold)) -> tuple[np.ndarray, np.ndarray]:
                values = self._without(samples[rows], np.stack([kept[row] for row in rows]))
                target = torch.as_tensor(self.cells.target[samples[rows]])
                logits = self.cells.logits(values, fold)
                return rows, score_of(logits, target.to(logits.device), constant=False).cpu().numpy()

            for rows, values in BatchSize(4 * self.cells.cohort.size, "cells").run(score, of_fold):
                scores[rows] = values
        return scores

    @property
    def measured(self) -> Callable[[np.ndarray], np.ndarray]:
        """From scores to what is measured: the probability of a class; a value or a risk itself."""
        return expit if self.cells.model.task == "classes" else np.asarray

    def _without(self, samples: np.ndarray, kept: np.ndarray) -> np.ndarray:
        """Return what the networks read of cells, whose genes that aren't kept are removed."""
        values, present = self.cells.values[samples], self.cells.cohort.present
        values[:, present] = np.where(kept, values[:, present], self._removed[samples][:, present])
        return values

    @cached_property
    def _removed(self) -> np.ndarray:
        """What removed genes are read as, cells x the model's genes."""
        cells = self.cells
        if self.how == "permuted":
            # Any cell but itself, with the same chance.
            everyone, random = cells.cohort.expression.n_cells, np.random.default_rng(self.seed)
            others = (cells.rows + random.integers(1, everyone, len(cells))) % everyone
            rows, number = np.unique(others, return_inverse=True)
            return read_cells(cells.cohort.expression, rows)[0][number]
        reference = cells.reference(self.how)
        return reference.profiles[reference.of_cell[cells.rows]]
