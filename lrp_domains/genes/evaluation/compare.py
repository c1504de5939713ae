"""Methods compared on cells: which finds the genes that the model used?"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from anndata import AnnData

from ...domain import Progress, check_choice, no_progress
from ...evaluation import (
    FRACTIONS,
    Accounted,
    Comparison,
    compare,
    faithfulness,
    plausibility,
    simplicity,
    soft_measures,
)
from ..errors import CohortError, choices
from ..models.model import GeneModel
from .cells import DrawnCells, draw
from .markers import check_markers, markers_among
from .methods import DEFAULT, METHODS, UNIT, Explained, Method, check_method
from .removal import HOW, RemovableGenes

COUNTS = (1, 2, 5, 10, 20, 50, 100)
"""The numbers of genes that are removed, beside fractions of all: a prediction depends on few."""


def compare_methods(
    adata: AnnData,
    model: GeneModel,
    *,
    methods: Sequence[str] | Mapping[str, Method] | None = None,
    cells: int = 50,
    how: str = "zero",
    markers: Mapping[str, Sequence[str]] | None = None,
    soft: bool = False,
    seed: int = 0,
    folder: Path | None = None,
    progress: Progress = no_progress,
    **settings: object,
) -> Comparison:
    """Compare methods of explanation on the same cells, each explained for its predicted class.

    A cell is explained and predicted by networks that have not seen it.

    Parameters
    ----------
    adata
        The cohort; its matrices may be on disk.
    model
        The model.
    methods
        Names of `METHODS`, or functions by other names. None: those of `DEFAULT` that fit the model. `UNIT` is always
        among them, as costs are counted in it, and so is ``random``, which any explanation should surpass.
    cells
        How many cells of each group are drawn at random.
    how
        What removed genes are read as; see `RemovableGenes`.
    markers
        The names of marker genes by class, to measure whether they are relevant; see `read_markers`.
    soft
        Whether genes are removed at random too, each with a probability that falls with its relevance or rises with it:
        `lrp_domains.evaluation.soft_measures`, which scores 42 more versions of each cell.
    seed
        Of which cells are drawn, of the order of genes of the same relevance, and of what is removed at random.
    folder
        Where what a method reached is kept, so that an interrupted comparison resumes.
    progress
        Wraps the iteration over methods.
    **settings
        Fields of an `Explanation`: ``groupby``, ``score``, ``gene_column``, ``batch_size``, ``device``.

    Returns
    -------
    A comparison in faithfulness (of the probability of the class, from the mean of the networks' logits; of a value or
    a risk itself), complexity and, with markers, plausibility. ``@100`` are areas within the first 100 genes.

    Raises
    ------
    CohortError
        A method doesn't fit the model, or no marker is measured; and as in `relevance`.
    """
    check_choice("way to remove genes", how, HOW)
    if methods is not None and not isinstance(methods, Mapping):
        check_methods(methods)
    if markers is not None:
        check_markers(markers, model)
    drawn = draw(adata, model, cells=cells, seed=seed, **settings)
    chosen = _chosen(drawn, methods)
    genes, removable = RemovableGenes(drawn, how, seed), len(drawn.genes)
    measures = [
        faithfulness(
            genes,
            through=genes.measured,
            fractions=[*FRACTIONS, *(count / removable for count in COUNTS if count < removable)],
            first={"@100": 100 / removable} if removable > 100 else {},
            seed=seed,
        ),
        simplicity,
    ]
    if soft:
        measures.append(partial(soft_measures, genes, through=genes.measured, seed=seed))
    if markers is not None:
        measures.append(plausibility(markers_among(drawn, markers)))

    first = drawn.first(1)
    # What is done only once, such as importing and reading the cells, is no part of the costs.
    for method in chosen.values():
        method(first)
    chosen[UNIT](drawn)
    runs = {name: _run(name, method, drawn) for name, method in chosen.items()}
    found = compare(runs, measures, unit=UNIT, folder=folder, progress=progress)
    return replace(found, cautions=_cautions(model))


def _cautions(model: GeneModel) -> tuple[str, ...]:
    """Return a warning if a model predicts held-out cells no better than chance."""
    if model.held_out is None or not model.held_out.at_chance:
        return ()
    warning = model.held_out.warning
    return (f"{warning[0].upper()}{warning[1:]}.",)


def check_methods(names: Iterable[str]) -> None:
    """Raise if there is no method of a name."""
    if isinstance(names, str):
        raise CohortError(f"methods is a string: pass a list, such as [{names!r}]")
    for name in names:
        if name not in METHODS:
            raise CohortError(f"there is no method '{name}'; {choices(name, METHODS)}")


def _chosen(cells: DrawnCells, methods: Sequence[str] | Mapping[str, Method] | None) -> dict[str, Method]:
    """Return methods by name, with those that are always compared; raise if one was asked for that doesn't fit."""
    wanted = DEFAULT if methods is None else methods
    named = dict(wanted) if isinstance(wanted, Mapping) else {name: METHODS[name] for name in wanted}
    chosen = named | {name: METHODS[name] for name in (UNIT, "random") if name not in named}
    for name, method in list(chosen.items()):
        try:
            check_method(method, cells)
        except CohortError as error:
            if methods is not None:
                raise CohortError(f"the method '{name}' doesn't fit: {error}") from error
            warnings.warn(f"the method '{name}' is left out: {error}", stacklevel=3)
            del chosen[name]
    return chosen


def _run(name: str, method: Method, cells: DrawnCells) -> Callable[[], np.ndarray | Accounted]:
    """Return a function that explains the cells by a method, and raises if it returns another shape."""
    if isinstance(method, Explained) and method.conserves:
        return lambda: cells.accounted(method.rules, method.reference)

    def run() -> np.ndarray:
        relevance = method(cells)
        if np.shape(relevance) != (expected := (len(cells), len(cells.genes))):
            raise CohortError(
                f"the method '{name}' returned shape {np.shape(relevance)}, not cells x genes: {expected}"
            )
        return relevance

    return run
