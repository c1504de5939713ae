"""Do explanations of cells depend on the model's parameters?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from anndata import AnnData

from ... import evaluation
from ...domain import Progress, no_progress
from ..models.model import GeneModel
from .cells import draw
from .compare import check_methods
from .methods import METHODS, Method, check_method


def parameter_randomisation(
    adata: AnnData,
    model: GeneModel,
    method: str | Method = "attn-lrp",
    *,
    cells: int = 10,
    layers: Sequence[str] | None = None,
    seed: int = 0,
    progress: Progress = no_progress,
    **settings: object,
) -> pd.DataFrame:
    """Measure how explanations of cells change as the layers of all networks are randomised, from the top.

    Parameters
    ----------
    adata, model
        The cohort, and its model, whose networks get their weights back.
    method
        One of `METHODS`, or a function. Cells are explained for the class that is predicted before.
    cells
        How many cells of each group are drawn at random.
    layers, progress
        As in `lrp_domains.evaluation.parameter_randomisation`.
    seed
        Of which cells are drawn, and of the shuffling.
    **settings
        As in `compare_methods`.

    Returns
    -------
    A table with the columns ``layer`` and ``similarity``, over the genes that have relevance; it should fall.
    """
    if isinstance(method, str):
        check_methods([method])
        method = METHODS[method]
    drawn = draw(adata, model, cells=cells, seed=seed, **settings)
    check_method(method, drawn)
    drawn = replace(drawn, plan=replace(drawn.plan, target=drawn.target))
    # Genes that a cell doesn't express have no relevance, whatever the networks are: they would look alike.
    relevant = method(drawn) != 0

    def explain() -> list[np.ndarray]:
        return [amounts[those] for amounts, those in zip(method(drawn), relevant, strict=True)]

    networks = [network for _, network in model.unseen(-1)]
    return evaluation.parameter_randomisation(networks, explain, layers=layers, seed=seed, progress=progress)
