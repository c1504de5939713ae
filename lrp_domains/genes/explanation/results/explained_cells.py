"""The results of some consecutive cells."""

from dataclasses import dataclass, field

import numpy as np

from ...cohorts.values.normalisation import Matrix


@dataclass(frozen=True)
class ExplainedCells:
    """The results of some consecutive cells.

    Attributes
    ----------
    start, stop
        Their rows in the cohort.
    rows
        Their relevance in the cohort's columns: CSR or an array; None where it isn't kept.
    obs
        One value per cell and column, by the names of `slots`.
    top_genes, top_values
        Cells x k: the cohort's columns of their top genes, -1 for none, and the relevance of these.
    """

    start: int
    stop: int
    rows: Matrix | None = field(repr=False)
    obs: dict[str, np.ndarray] = field(repr=False)
    top_genes: np.ndarray = field(repr=False)
    top_values: np.ndarray = field(repr=False)
