"""Deletion and insertion: what becomes of a prediction without the first genes of a ranking, and with them alone."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from anndata import AnnData

from ..cohorts.expression import expression
from ..cohorts.labels import label_column
from ..errors import CohortError, choices
from ..models.model import GeneModel
from .explain_adata import Progress, provenance_of, quietly
from .perturbation import measure, read_rows
from .plan import device_of

# The orders in which genes are deleted or inserted, and the column of the ranking that each is read from.
ORDERS = {"relevance": "rank", "differential": "de_rank", "random": None}


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
    device: str = "auto",
    progress: Progress = quietly,
) -> pd.DataFrame:
    """Measure how well a ranking tells what the networks use, beside differential expression and chance.

    Parameters
    ----------
    adata
        An explained cohort; its expression may lie on disk.
    model
        The model that it was explained with; each cell is predicted by the networks that have not seen it.
    table
        The cohort's ranked genes, from `rank`.
    orders
        The orders of genes to compare: ``"relevance"``, ``"differential"`` (left out where it isn't known) and
        ``"random"``.
    most
        The most genes that are deleted or inserted.
    points
        At how many numbers of genes to measure, closer together where there are few.
    cells
        How many cells of each group to use, drawn at random.
    draws
        How many random orders to take the mean of.
    gene_column, device, progress
        As in `relevance`.
    seed
        Fixes cells and random orders.

    Returns
    -------
    One row per group, order, curve and number of genes: ``cohort``, ``group``, ``order``, ``curve`` (``"deletion"``,
    ``"insertion"``), ``genes``, ``probability`` (or, of a value or a risk, ``change``) and ``standard_error`` (over
    cells).

    Notes
    -----
    All cells of a group lose the same genes: the first of the group's ranking. A lost gene is read as 0 on the scale
    that the model reads: not expressed, or for z-scores the cohort's mean. Nothing is normalised again, so that a
    cell's other genes keep their values. ``probability`` is the softmax probability of the group's class, from the
    mean of the networks' logits, which is what was explained; ``change`` is how far the output is from that of the
    intact cell, which genes that raise it and genes that lower it bring about alike: there they are ordered by
    magnitude, of relevance and of differential expression. Good rankings make deletion act early and insertion recover
    early (Samek et al. 2017, IEEE TNNLS 28:2660).
    """
    if strange := [order for order in orders if order not in ORDERS]:
        raise CohortError(f"there is no order '{strange[0]}'; {choices(strange[0], ORDERS)}")
    if table["cohort"].nunique() > 1:
        raise CohortError("the table ranks genes of several cohorts; give this cohort's rows")
    found = expression(adata, model.expects, gene_column=gene_column)
    model.to(device_of(device))
    groupby = str(provenance_of(adata)["groupby"])
    names = {name: place for place, name in zip(found.alignment.position, found.genes, strict=True) if place >= 0}
    if unknown := set(table["gene"]) - set(names):
        raise CohortError(
            f"the table ranks genes that the model doesn't read, such as '{min(unknown)}'; give this cohort's table"
        )
    counts = np.unique(np.round(np.geomspace(1, min(most, len(names)), points)).astype(int))
    counts = np.concatenate([[0], counts])
    groups, folds = label_column(adata, groupby), model.fold_of(found.cells)
    measured = "probability" if model.task == "classes" else "change"
    random, parts = np.random.default_rng(seed), []
    for group, ranked in progress(list(table.groupby("group", sort=False)), "Deleting and inserting"):
        if model.task == "classes" and group not in model.classes:
            continue  # ranked by another column: no output speaks for it
        members = np.flatnonzero((groups == group).to_numpy())
        if not len(members):
            raise CohortError(f"the table ranks genes of '{group}', which is no group of '{groupby}'")
        chosen = np.sort(random.permutation(members)[:cells])
        target = model.classes.index(group) if model.task == "classes" else 0
        read = read_rows(found, chosen)
        if model.task != "classes":
            ranked = _by_magnitude(ranked)
        for order, ways in _orders(ranked, orders, names, draws, random):
            for curve in ("deletion", "insertion"):
                values = [measure(model, read, folds[chosen], genes, counts, curve, target) for genes in ways]
                per_cell = np.mean(values, axis=0)
                parts.append(
                    pd.DataFrame(
                        {
                            "cohort": str(ranked["cohort"].iloc[0]),
                            "group": group,
                            "order": order,
                            "curve": curve,
                            "genes": counts,
                            measured: per_cell.mean(0),
                            "standard_error": _standard_error(per_cell),
                        }
                    )
                )
    if not parts:
        raise CohortError(f"no group of '{groupby}' is a class of the model ({', '.join(model.classes[:5])})")
    return pd.concat(parts, ignore_index=True)


def areas(curves_: pd.DataFrame) -> pd.DataFrame:
    """Give the mean height of each curve over its numbers of genes.

    Returns
    -------
    One row per group and order: ``cohort``, ``group``, ``order``, ``deletion`` and ``insertion``. Of probabilities a
    lower deletion and a higher insertion is better; of changes it is the other way round.
    """
    measured = measured_in(curves_)
    keys = ["cohort", "group", "order", "curve"]
    found = [
        (*key, np.trapezoid(part[measured], part["genes"]) / part["genes"].max())
        for key, part in curves_.groupby(keys, sort=False)
    ]
    wide = pd.DataFrame(found, columns=[*keys, "area"]).set_index(keys)["area"].unstack("curve", sort=False)
    return wide.reset_index().rename_axis(columns=None)


def measured_in(curves_: pd.DataFrame) -> str:
    """Name the column that holds what was measured."""
    return "probability" if "probability" in curves_ else "change"


def _orders(
    ranked: pd.DataFrame, orders: Sequence[str], names: dict[str, int], draws: int, random: np.random.Generator
) -> Iterator[tuple[str, list[np.ndarray]]]:
    """Give for each order the inputs of the model in it; for chance, in several draws."""
    for order in orders:
        column = ORDERS[order]
        if column is None:
            inputs = np.array([names[gene] for gene in ranked["gene"]])
            yield order, [random.permutation(inputs) for _ in range(draws)]
        elif column in ranked and ranked[column].notna().all():
            yield order, [np.array([names[gene] for gene in ranked.sort_values(column, kind="stable")["gene"]])]


def _by_magnitude(ranked: pd.DataFrame) -> pd.DataFrame:
    """Rank genes by how much they do, up or down."""
    columns = {"rank": "score", "de_rank": "de_score"}
    return ranked.assign(
        **{rank: (-ranked[score].abs()).rank(method="first") for rank, score in columns.items() if score in ranked}
    )


def _standard_error(values: np.ndarray) -> np.ndarray:
    """Over cells (rows); NaN for one alone."""
    if len(values) < 2:
        return np.full(values.shape[1], np.nan)
    return values.std(0, ddof=1) / np.sqrt(len(values))
