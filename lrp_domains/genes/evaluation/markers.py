"""Markers as the truth: which genes of a cell are markers of the class that it is explained for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..errors import CohortError, listed
from ..models.model import GeneModel
from ..rankings.gene_sets import nothing_shared
from .cells import DrawnCells


def check_markers(markers: Mapping[str, Sequence[str]], model: GeneModel) -> None:
    """Raise if no class of a model has markers."""
    if not set(markers) & set(model.classes):
        raise CohortError(
            f"no class of the model ({listed(model.classes, 5)}) has markers; there are some of "
            f"{listed(list(markers), 5)}: name them as the classes"
        )


def markers_among(cells: DrawnCells, markers: Mapping[str, Sequence[str]]) -> list[np.ndarray]:
    """Return which genes are markers of each cell's predicted class; none if the class has no markers.

    Parameters
    ----------
    cells
        The cells.
    markers
        The names of marker genes, by class.
    """
    check_markers(markers, cells.model)
    of_class = [np.isin(cells.genes, list(markers.get(name, ()))) for name in cells.model.classes]
    if not np.any(of_class):
        known = {gene for name in cells.model.classes for gene in markers.get(name, ())}
        raise CohortError(nothing_shared(set(cells.genes), known, "the markers of the model's classes"))
    return [of_class[number] for number in cells.target]
