"""Relevance of each gene in each cell, written where scverse tools look for it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from importlib.metadata import version

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from scipy import sparse

from ... import ATTN_LRP, RuleSet, __version__
from .. import slots
from ..errors import CohortError
from ..models.model import GeneModel
from .explain import Books, ExplainedCells, explain_cells
from .group_statistics import GroupStatistics
from .plan import Plan, plan
from .target import PREDICTED

Progress = Callable[[Iterable, str], Iterable]


def quietly(items: Iterable, description: str) -> Iterable:
    """Show no progress."""
    return items


def relevance(
    adata: AnnData,
    model: GeneModel,
    *,
    target: str = PREDICTED,
    against: str | None = None,
    score: str = "log-odds",
    rules: RuleSet = ATTN_LRP,
    layer: str | None = slots.RELEVANCE,
    first: int = 0,
    groupby: str | None = None,
    donor: str | None = None,
    gene_column: str | None = None,
    batch_size: int | str = "auto",
    device: str = "auto",
    progress: Progress = quietly,
) -> GroupStatistics:
    """Explain every cell by networks that have not seen it, and write the relevance of its genes into `adata`.

    Parameters
    ----------
    adata
        The cohort. It gets the slots below, and nothing else of it changes but that the label column becomes
        categorical, as scanpy's tools have it.
    model
        From `train`, `load_model`, or `gene_model` for a network of your own.
    target
        The class to explain in a cell: ``"predicted"`` (the highest score), ``"labelled"`` (its own label), or the
        name of one class for all cells.
    against
        A class to set the target against: the difference of the two logits is explained.
    score
        ``"log-odds"``, ``"margin"`` or ``"logit"``; see `score_of`. A value or a risk is explained as it is.
    rules
        The rule set of `lrp_domains.relevance`.
    layer
        The layer to write relevance to; None to keep sums over groups only.
    first
        Keep the so many genes of most relevance of each cell, in ``obsm``.
    groupby
        The column of ``obs`` whose groups are summed over: the model's labels if not given, or else the predicted
        classes.
    donor
        The column of ``obs`` with the donor or patient of each cell, ``"index"`` where every row is one.
    gene_column
        The column of ``var`` with the gene names that the model knows; ``var_names`` if not given.
    batch_size
        How many cells are read and explained at once; only so many are ever dense.
    device
        ``"auto"`` (a GPU if there is one), ``"cpu"``, ``"cuda"``, ...
    progress
        Wraps an iteration, such as ``rich.progress.track``.

    Returns
    -------
    The sums over groups that `rank` needs, which are also in ``uns["lrp_groups"]``.

    Notes
    -----
    Written: ``layers["lrp"]`` (relevance; CSR with the entries of the expression where that is sparse), ``obs`` columns
    ``lrp_predicted``, ``lrp_target``, ``lrp_score``, ``lrp_rest`` (score minus the sum of the cell's relevance: what
    biases hold) and ``lrp_fold``; ``uns["lrp"]`` (provenance, and the ledger of the whole cohort); with `first`,
    ``obsm["lrp_first_genes"]`` and ``obsm["lrp_first_values"]``.
    """
    planned = plan(
        adata, model, target=target, against=against, score=score, rules=rules, first=first, groupby=groupby,
        donor=donor, gene_column=gene_column, batch_size=batch_size, device=device,
    )  # fmt: skip
    statistics, books = planned.room(), Books()
    parts = list(_without_rows(explained_parts(planned, statistics, books, progress), keep=layer is not None))
    forget(adata)
    if layer is not None:
        matrices = [part.rows for part in parts]
        adata.layers[layer] = (
            sparse.vstack(matrices, format="csr") if sparse.issparse(matrices[0]) else np.concatenate(matrices)
        )
    write_cells(adata, planned, parts)
    adata.uns[slots.GROUPS] = statistics.to_slot()
    adata.uns[slots.PROVENANCE] = provenance(planned, books, layer)
    return statistics


def explained_parts(
    planned: Plan, statistics: GroupStatistics, books: Books, progress: Progress, start: int = 0
) -> Iterator[ExplainedCells]:
    """Explain with a progress bar."""
    parts = explain_cells(planned, statistics, books, start)
    for _ in progress(range(start, planned.expression.n_cells, planned.size), "Explaining"):
        yield next(parts)


def forget(adata: AnnData) -> None:
    """Take out what an earlier explanation left."""
    for outdated in (slots.RANKING, slots.DIFFERENTIAL, slots.GROUPS, slots.PROVENANCE):
        adata.uns.pop(outdated, None)
    adata.layers.pop(slots.RELEVANCE, None)
    for outdated in (slots.FIRST_GENES, slots.FIRST_VALUES):
        adata.obsm.pop(outdated, None)


def write_cells(adata: AnnData, planned: Plan, parts: list[ExplainedCells]) -> None:
    """Write what is said of each cell."""
    obs = {name: np.concatenate([part.obs[name] for part in parts]) for name in parts[0].obs}
    for column in (slots.PREDICTED, slots.TARGET):
        if planned.model.task == "classes":
            adata.obs[column] = pd.Categorical.from_codes(obs[column], planned.model.classes)
    for column in (slots.SCORE, slots.REST, slots.FOLD):
        adata.obs[column] = obs[column]
    if planned.labels is not None:
        adata.obs[planned.labels.name] = planned.labels
    if planned.first:
        adata.obsm[slots.FIRST_GENES] = np.concatenate([part.first_genes for part in parts])
        adata.obsm[slots.FIRST_VALUES] = np.concatenate([part.first_values for part in parts])


def provenance(planned: Plan, books: Books, layer: str | None) -> dict[str, object]:
    """Flat, so that every AnnData version writes and reads it; class names as an array, for they may hold a slash."""
    model, expects, found = planned.model, planned.model.expects, planned.expression
    return {
        "rules": planned.rules.name,
        "target": planned.asked,
        "against": "" if planned.against is None else model.classes[planned.against],
        "score": planned.score if model.task == "classes" else model.task,
        "task": model.task,
        "labels": model.labels,
        "groupby": planned.labels.name if planned.labels is not None else slots.PREDICTED,
        "own_group": planned.own_group,
        "layer": expects.layer,
        "normalisation": expects.normalisation,
        "relevance_layer": layer or "",
        "classes": np.array(model.classes, dtype=object),
        "folds": len(model.networks),
        "networks": model.n_networks,
        "model": model.digest(),
        "seed": int(model.training.get("seed", -1)),
        "genes_missing": len(found.alignment.missing),
        "genes_surplus": found.alignment.surplus,
        "lrp_domains": __version__,
        "torch": str(torch.__version__),
        "anndata": version("anndata"),
    } | {f"ledger_{name}": float(total) for name, total in asdict(books).items()}


def provenance_of(adata: AnnData) -> dict[str, object]:
    """Give what is known of the explanation in a cohort, or say that there is none."""
    if slots.PROVENANCE not in adata.uns:
        raise CohortError("the cohort holds no relevance; explain it first: relevance(adata, model)")
    return adata.uns[slots.PROVENANCE]


def _without_rows(parts: Iterator[ExplainedCells], keep: bool) -> Iterator[ExplainedCells]:
    """Let go of what won't be written, chunk by chunk."""
    for part in parts:
        yield part if keep else replace(part, rows=None)
