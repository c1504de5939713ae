"""Deletion and insertion: how a prediction changes without the top genes of a ranking, and with only these."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
import torch
from anndata import AnnData

from ....domain import Progress, check_choice, device_of, no_progress, refuse_training_mode
from ...cohorts.cells.labels import label_column
from ...errors import CohortError
from ...models.model import GeneModel
from ..requests.plan import chunk_size, expression_for
from ..requests.reference import reference_of
from ..results.group_statistics import blocks_of
from ..runs.results_in_adata import provenance_of, reference_in, shown_genes
from .perturbation import Perturbation, read_cells
from .tables import ORDERS


def curves(
    adata: AnnData,
    model: GeneModel,
    table: pd.DataFrame,
    *,
    orders: Sequence[str] = tuple(ORDERS),
    most: int = 100,
    points: int = 12,
    cells: int = 100,
    draws: int = 5,
    gene_column: str | None = None,
    seed: int = 0,
    device: str | torch.device | None = None,
    progress: Progress = no_progress,
) -> pd.DataFrame:
    """Measure how well a ranking shows what the networks use, compared with differential expression and chance.

    Parameters
    ----------
    adata
        An explained cohort; its expression may be on disk.
    model
        The model that it was explained with; each cell is predicted by the networks that have not seen it.
    table
        The cohort's ranked genes, from `rank`.
    orders
        The orders of genes to compare: ``"relevance"``, ``"differential"`` (ignored if the table has none) and
        ``"random"``.
    most
        The largest number of genes to delete or insert.
    points
        How many numbers of genes to measure at, closer together where there are few.
    cells
        How many cells of each group to use, drawn at random.
    draws
        The number of random orders to average over.
    gene_column, device
        As in `Explanation`.
    seed
        Fixes cells and random orders.
    progress
        As in `relevance`.

    Returns
    -------
    One row per group, order, curve and number of genes: ``cohort``, ``group``, ``order``, ``curve`` (``"deletion"``,
    ``"insertion"``), ``genes``, ``probability`` (or, of a value or a risk, ``change``) and ``standard_error`` (over
    cells).

    Notes
    -----
    All cells of a group lose the same genes: the top genes of the group's ranking. A lost gene is read as 0 on the
    scale that the model reads: not expressed, or for z-scores the mean. In cells that were explained against a
    reference it has the reference's value instead. Nothing is normalised again, so that a cell's other genes keep their
    values. ``probability`` is the softmax probability of the group's class, from the
    mean of the networks' logits, which is what was explained. ``change`` is the distance of the output from that of the
    intact cell. Genes that raise the output and genes that lower it both cause a change, so there they are ordered by
    magnitude, of relevance and of differential expression. Good rankings make deletion act early and insertion recover
    early (Samek et al. 2017, IEEE TNNLS 28:2660).
    """
    for order in orders:
        check_choice("order", order, ORDERS)
    if table["cohort"].nunique() > 1:
        raise CohortError("the table ranks genes of several cohorts; pass only the rows of this cohort")
    for _, network in model.unseen(-1):
        refuse_training_mode(network)
    expression, _ = expression_for(adata, model, gene_column)
    model.to(device_of(device))
    provenance = provenance_of(adata)
    groupby = str(provenance["groupby"])
    inputs = {
        name: number
        for number, name in zip(expression.alignment.position, shown_genes(adata), strict=True)
        if number >= 0
    }
    if unknown := set(table["gene"]) - set(inputs):
        raise CohortError(
            f"the table ranks genes that the model doesn't read, such as '{min(unknown)}'; pass the table of this "
            "cohort"
        )

    counts = np.unique(np.round(np.geomspace(1, min(most, len(inputs)), points)).astype(int))
    counts = np.concatenate([[0], counts])
    groups = label_column(adata, groupby)
    reference = None
    if name := reference_in(provenance):
        donors, _, _ = blocks_of(adata.obs, str(provenance["donor"]) or None)
        size = chunk_size(None, model, device_of(device))
        reference = reference_of(name, expression, labels=groups, donors=donors, size=size, progress=progress)
    random, tables, first_layers = np.random.default_rng(seed), [], {}
    for group, ranked in progress(list(table.groupby("group", sort=False)), "Deleting and inserting"):
        if model.task == "classes" and group not in model.classes:
            continue  # ranked by another column, so no output stands for it
        members = np.flatnonzero((groups == group).to_numpy())
        if not len(members):
            raise CohortError(f"the table ranks genes of '{group}', which is not a group of '{groupby}'")
        chosen = np.sort(random.permutation(members)[:cells])
        values, folds = read_cells(expression, chosen)
        perturbation = Perturbation(
            model,
            target=model.classes.index(group) if model.task == "classes" else 0,
            values=values,
            without=np.zeros_like(values) if reference is None else reference.profiles[reference.of_cell[chosen]],
            folds=folds,
            first_layers=first_layers,
        )
        ranked = ranked if model.task == "classes" else _by_magnitude(ranked)
        for order, permutations in _orders(ranked, orders, inputs=inputs, draws=draws, random=random):
            labels = {"cohort": str(ranked["cohort"].iloc[0]), "group": group, "order": order}
            for curve in ("deletion", "insertion"):
                per_cell = np.mean([perturbation.measure(genes, counts, curve) for genes in permutations], axis=0)
                measured = {
                    "probability" if model.task == "classes" else "change": per_cell.mean(0),
                    "standard_error": _standard_error(per_cell),
                }
                tables.append(pd.DataFrame(labels | {"curve": curve, "genes": counts} | measured))
    if not tables:
        raise CohortError(f"no group of '{groupby}' is a class of the model ({', '.join(model.classes[:5])})")
    return pd.concat(tables, ignore_index=True)


def _orders(
    ranked: pd.DataFrame,
    orders: Sequence[str],
    *,
    inputs: dict[str, int],
    draws: int,
    random: np.random.Generator,
) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Yield each order with the model's inputs in it; for chance, several draws."""
    for order in orders:
        column = ORDERS[order]
        if column is None:
            numbers = np.array([inputs[gene] for gene in ranked["gene"]])
            yield order, [random.permutation(numbers) for _ in range(draws)]
        elif column in ranked and ranked[column].notna().all():
            yield order, [np.array([inputs[gene] for gene in ranked.sort_values(column, kind="stable")["gene"]])]


def _by_magnitude(ranked: pd.DataFrame) -> pd.DataFrame:
    """Rank genes by the magnitude of their effect, up or down."""
    columns = {"rank": "score", "de_rank": "de_score"}
    return ranked.assign(
        **{rank: (-ranked[score].abs()).rank(method="first") for rank, score in columns.items() if score in ranked}
    )


def _standard_error(values: np.ndarray) -> np.ndarray:
    """Compute the standard error over cells (rows); NaN for a single one."""
    if len(values) < 2:
        return np.full(values.shape[1], np.nan)
    return values.std(0, ddof=1) / np.sqrt(len(values))
