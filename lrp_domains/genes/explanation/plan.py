"""What will be explained, checked to the end before the first cell is: a wrong request costs no hour of computing."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from anndata import AnnData

from ... import ATTN_LRP, RuleSet
from .. import slots
from ..cohorts.expression import Expression, dense_batch, expression
from ..cohorts.labels import label_column
from ..errors import CohortError, choices, listed
from ..models.model import GeneModel, check_network, predict
from ..models.reading import read_matrix
from .group_statistics import GroupStatistics, units_of
from .target import LABELLED, PREDICTED, check_score, resolve_target

# A chunk's dense numbers, per network: cells are read and explained so many at a time. On a CPU larger arrays leave the
# caches, and several of them outgrow what the allocator keeps (see `cells.py`); a GPU wants more.
CHUNK_NUMBERS = 1_500_000
CHUNK_NUMBERS_GPU = 16_000_000
FIRST = 50
CELLS_OF_TOKENS = 16


@dataclass(frozen=True)
class Plan:
    """What is asked of every cell of a cohort.

    Attributes
    ----------
    expression, model, rules
        What is read, by which model, and the rule set.
    target
        ``"predicted"``, or the number of a class for each cell.
    against
        The number of the class to set the target against, or None.
    score
        See `score_of`.
    asked
        The target in the user's words.
    labels
        The group of each cell, or None: the predicted class is.
    own_group
        Whether a cell counts for its group only if it was explained for it: where labels and targets are classes of
        the model, and may differ.
    unit, units, donors
        The number of each cell's donor (or block), their names, and whether they are donors.
    size
        How many cells are explained at once.
    first
        How many of each cell's first genes are kept; 0 for none.
    """

    expression: Expression
    model: GeneModel
    rules: RuleSet
    target: str | np.ndarray
    against: int | None
    score: str
    asked: str
    labels: pd.Series | None
    own_group: bool
    unit: np.ndarray
    units: np.ndarray
    donors: bool
    size: int
    first: int

    @property
    def groups(self) -> tuple[str, ...]:
        """The names of the groups."""
        return tuple(self.labels.cat.categories) if self.labels is not None else self.model.classes

    @property
    def present(self) -> np.ndarray:
        """The model's genes that the cohort has, by number."""
        return np.sort(self.expression.alignment.position[self.expression.alignment.position >= 0])

    def counted(self, group: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Tell which cells count for their group, by the numbers of their groups and of their targets."""
        if not self.own_group:
            return np.ones(len(group), bool)
        classes = {name: number for number, name in enumerate(self.model.classes)}
        number = np.array([classes.get(name, -1) for name in self.groups])
        return number[group] == target

    def room(self) -> GroupStatistics:
        """Make room for the sums over groups, of the genes that the cohort has, by their names there."""
        position = self.expression.alignment.position
        names = np.empty(self.expression.n_inputs, dtype=object)
        names[position[position >= 0]] = self.expression.genes[position >= 0]
        return GroupStatistics.empty(
            self.groups,
            names[self.present],
            self.units,
            donors=self.donors,
            networks=self.model.n_networks,
            first=self.first or FIRST,
            normalisation=self.expression.expects.normalisation,
            unit=self.expression.unit[self.present],
        )


def plan(
    adata: AnnData,
    model: GeneModel,
    *,
    target: str = PREDICTED,
    against: str | None = None,
    score: str = "log-odds",
    rules: RuleSet = ATTN_LRP,
    first: int = 0,
    groupby: str | None = None,
    donor: str | None = None,
    gene_column: str | None = None,
    batch_size: int | str = "auto",
    device: str = "auto",
) -> Plan:
    """Check a request against the cohort and the model; the parameters are those of `relevance`."""
    check_score(score)
    found = expression(adata, model.expects, gene_column=gene_column)
    place = device_of(device)
    model.to(place)
    size = chunk_size(batch_size, model, place)
    for _, network in model.unseen(-1):
        check_network(model, network, dense_batch(found.chunk(0, 2).values, slice(None), model.values_like(network)))
    if model.task == "classes":
        groupby = groupby or (model.labels if model.labels in adata.obs else None)
    labels = label_column(adata, groupby) if groupby else None
    if labels is None and model.task != "classes":
        labels = halves(found, model, size)
    named = None if model.task != "classes" else resolve_target(target, model.classes)
    if model.task != "classes":
        wanted = np.zeros(found.n_cells, np.int64)
    elif named is not None:
        wanted = np.full(found.n_cells, named)
    else:
        wanted = _labelled(adata, model) if target == LABELLED else PREDICTED
    if against is not None:
        if against not in model.classes or against == target:
            others = [name for name in model.classes if name != target]
            raise CohortError(f"there is no class '{against}' to set the target against; {choices(against, others)}")
        against = model.classes.index(against)
    if first < 0 or not isinstance(first, int):
        raise CohortError(f"first is {first}; it is a number of genes, 0 for none")
    return Plan(
        found, model, rules, wanted, against, score, target, labels,
        bool(labels is not None and named is None and model.task == "classes" and groupby == model.labels),
        *units_of(adata.obs, donor), size, first,
    )  # fmt: skip


def chunk_size(batch_size: int | str, model: GeneModel, device: torch.device) -> int:
    """Give the number of cells to explain at once: as asked, or such that a chunk takes some megabytes."""
    if batch_size == "auto":
        if model.reading is not read_matrix:
            return CELLS_OF_TOKENS  # thousands of tokens each, through every layer
        networks = max(len(members) for members in model.networks)
        numbers = CHUNK_NUMBERS if device.type == "cpu" else CHUNK_NUMBERS_GPU
        return int(np.clip(numbers // (len(model.expects.genes) * networks), 32, 4096))
    if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size < 1:
        raise CohortError(f"batch_size is {batch_size!r}; it must be 'auto', or 1 or more")
    return batch_size


def halves(found: Expression, model: GeneModel, size: int) -> pd.Series:
    """Cut cells by what is predicted for them, a value or a risk: above or below the median of their fold.

    Networks of different folds needn't have the same zero, least of all those of a risk.
    """
    folds = model.fold_of(found.cells)
    predicted = pd.Series(np.empty(found.n_cells), index=found.cells)
    for chunk in found.chunks(size):
        for fold in np.unique(folds[chunk.start : chunk.stop]):
            rows = np.flatnonzero(folds[chunk.start : chunk.stop] == fold)
            networks = [network for _, network in model.unseen(int(fold))]
            values = dense_batch(chunk.values, rows, model.values_like(networks[0]))
            mean = torch.stack([predict(model, network, values)[:, 0] for network in networks]).mean(0)
            predicted.iloc[chunk.start + rows] = mean.double().cpu().numpy()
    high = predicted > predicted.groupby(folds).transform("median")
    cut = pd.Categorical.from_codes(high.to_numpy().astype(int), categories=["low", "high"])
    return pd.Series(cut, index=found.cells, name=slots.PREDICTED)


def device_of(device: str | torch.device) -> torch.device:
    """Give a device that is there; ``"auto"`` is a GPU if there is one."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise CohortError(f"there is no device '{device}' here: {str(error).splitlines()[0]}; use cpu") from error


def _labelled(adata: AnnData, model: GeneModel) -> np.ndarray:
    """Give the number of each cell's own class."""
    if not model.labels:
        raise CohortError(f"the model doesn't say which column holds the labels; use target='{PREDICTED}'")
    labels = label_column(adata, model.labels)
    codes = pd.Categorical(labels, categories=model.classes).codes.astype(np.int64)
    if (codes < 0).any():
        strange = [one for one in labels.cat.categories if one not in model.classes]
        raise CohortError(
            f"the model has no class {listed(strange)} to explain labelled cells for; use target='{PREDICTED}'"
        )
    return codes
