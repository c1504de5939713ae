"""Deletion and insertion: what becomes of a prediction without the first genes of a ranking, and with them alone."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from scipy import sparse
from torch import Tensor

from ..cohorts.expression import Expression, expression
from ..cohorts.labels import label_column
from ..errors import CohortError
from ..models.classifier import parameter_of
from ..models.model import GeneModel, predict
from .plan import CHUNK_NUMBERS, device_of
from .relevance import Progress, provenance_of, quietly

ORDERS = {"relevance": "rank", "differential expression": "de_rank"}
RANDOM = "random"
WINDOW = 256  # cells so close are read in one go


def curves(
    adata: AnnData,
    model: GeneModel,
    table: pd.DataFrame,
    *,
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
    One row per group, order and number of genes: ``group``, ``order`` (``relevance``, ``differential expression``,
    ``random``), ``curve`` (``deletion``, ``insertion``), ``genes``, ``value``, ``error`` (standard error over cells).

    Notes
    -----
    All cells of a group lose the same genes: the first of the group's ranking. A lost gene is read as 0 on the model's
    own scale (not expressed; for z-scores the cohort's mean), and the rest is not normalised again. The value is the
    softmax probability of the group's class; for a value or a risk the output itself. Good rankings make deletion fall
    early and insertion rise early (Samek et al. 2017, IEEE TNNLS 28:2660).
    """
    found = expression(adata, model.expects, gene_column=gene_column)
    model.to(device_of(device))
    groupby = str(provenance_of(adata)["groupby"])
    names = {name: place for place, name in zip(found.alignment.position, found.genes, strict=True) if place >= 0}
    if strange := set(table["gene"]) - set(names):
        raise CohortError(
            f"the table ranks genes that the model doesn't read, such as '{min(strange)}'; give this cohort's table"
        )
    counts = np.unique(np.round(np.geomspace(1, min(most, len(names)), points)).astype(int))
    counts = np.concatenate([[0], counts])
    random, rows = np.random.default_rng(seed), []
    groups, folds = label_column(adata, groupby), model.fold_of(found.cells)
    for group, ranked in progress(list(table.groupby("group", sort=False)), "Deleting and inserting"):
        if model.task == "classes" and group not in model.classes:
            continue  # ranked by another column: no output speaks for it
        members = np.flatnonzero((groups == group).to_numpy())
        chosen = np.sort(random.permutation(members)[:cells])
        target = model.classes.index(group) if model.task == "classes" else 0
        read, own_folds = _rows(found, chosen), folds[chosen]
        for order, draw, genes in _orders(ranked, names, draws, random):
            for curve in ("deletion", "insertion"):
                values = _values(model, read, own_folds, genes, counts, curve, target)
                rows += [
                    (group, order, draw, curve, count, values[:, i].mean(), values[:, i].std() / np.sqrt(len(values)))
                    for i, count in enumerate(counts)
                ]
    if not rows:
        raise CohortError(f"no group of '{groupby}' is a class of the model ({', '.join(model.classes[:5])})")
    columns = ["group", "order", "draw", "curve", "genes", "value", "error"]
    means = pd.DataFrame(rows, columns=columns).groupby(["group", "order", "curve", "genes"], sort=False)
    return means[["value", "error"]].mean().reset_index()


def areas(curves_: pd.DataFrame) -> pd.DataFrame:
    """Give the mean height of each curve over its genes: group x order, deletion (lower is better) and insertion."""
    columns = ["group", "order", "curve"]
    found = {
        key: np.trapezoid(part["value"], part["genes"]) / part["genes"].max()
        for key, part in curves_.groupby(columns, sort=False)
    }
    index = pd.MultiIndex.from_tuples(found, names=columns)
    return pd.Series(list(found.values()), index=index, name="area").unstack("curve").reset_index()


def _orders(ranked: pd.DataFrame, names: dict[str, int], draws: int, random) -> Iterator[tuple[str, int, np.ndarray]]:
    """Give orders of the model's inputs: the name of each, the number of its draw, and the inputs."""
    for order, column in ORDERS.items():
        if column in ranked and ranked[column].notna().all():
            yield order, 0, np.array([names[gene] for gene in ranked.sort_values(column)["gene"]])
    inputs = np.array([names[gene] for gene in ranked["gene"]])
    for draw in range(draws):
        yield RANDOM, draw, random.permutation(inputs)


def _values(
    model: GeneModel,
    read: np.ndarray,
    folds: np.ndarray,
    genes: np.ndarray,
    counts: np.ndarray,
    curve: str,
    target: int,
) -> np.ndarray:
    """Give the prediction for each cell (rows) and number of genes (columns)."""
    values = np.empty((len(read), len(counts)))
    for fold in np.unique(folds):
        here = folds == fold
        networks = [network for _, network in model.unseen(int(fold))]
        like = parameter_of(networks[0])
        place = np.full(read.shape[1], read.shape[1])
        place[genes] = np.arange(len(genes))
        first = torch.as_tensor(place < counts[:, None], device=like.device)  # numbers of genes x genes
        kept = first if curve == "insertion" else ~first
        cells = torch.as_tensor(read[here]).to(device=like.device, dtype=like.dtype)
        for some in torch.arange(len(cells), device=like.device).split(max(1, CHUNK_NUMBERS // first.numel())):
            changed = (cells[some, None] * kept).flatten(0, 1)  # all numbers of genes of a cell at once
            logits = torch.stack([predict(model, network, changed) for network in networks]).mean(0)
            value = _value(logits, model.task, target).double().view(-1, len(counts))
            values[np.flatnonzero(here)[some.cpu().numpy()]] = value.cpu().numpy()
    return values


def _value(logits: Tensor, task: str, target: int) -> Tensor:
    return logits.softmax(1)[:, target] if task == "classes" else logits[:, target]


def _rows(found: Expression, rows: np.ndarray) -> np.ndarray:
    """Read single cells, in order, as the model reads them; neighbours at once."""
    read = []
    for start in np.unique(rows // WINDOW) * WINDOW:
        here = rows[(rows >= start) & (rows < start + WINDOW)]
        values = found.chunk(int(here[0]), int(here[-1]) + 1).values[here - here[0]]
        read.append(values.toarray() if sparse.issparse(values) else values)
    return np.concatenate(read)
