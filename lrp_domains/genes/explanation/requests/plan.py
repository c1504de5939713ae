"""The plan of an explanation: a request that fits the cohort and the model, checked before anything is computed."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from torch import Tensor

from ....domain import Progress, device_of, no_progress, refuse_training_mode, score_of
from ...cohorts.cells.labels import label_column, only_with
from ...cohorts.values.expression import Expression, dense_batch, expression_of
from ...cohorts.values.log_base import log_base
from ...errors import CohortError
from ...models.model import GeneModel, check_network, warn_of_probabilities
from ...models.reading import read_matrix
from ..results.group_statistics import GroupStatistics, blocks_of
from .computing import check_computing, computing_in
from .halves import HALVES, halves
from .reference import Reference, check_reference, reference_of
from .reference_names import REFERENCES
from .request import Explanation
from .rival import check_rival
from .sizes import CHUNK_NUMBERS, CHUNK_NUMBERS_GPU, TOP
from .target import LABELLED, PREDICTED, contrasted_class, labelled_classes, resolve_target

CELLS_OF_TOKENS = 16
CELLS_OF_TOKENS_GPU = 256  # of which as many are explained at a time as fit into its memory


@dataclass(frozen=True)
class Plan:
    """What to explain in every cell of a cohort.

    Attributes
    ----------
    expression, model
        The expression that is read, and the model that reads it.
    computing
        The model in the precision that it computes in.
    request
        What to explain.
    target
        The number of a class per cell; None for the predicted ones.
    against
        The number of the class to contrast the target with, or None.
    labels
        The group of each cell; None if the predicted class is its group.
    own_group
        Whether a cell counts for its group only if it was explained for it: where labels and targets are classes of
        the model, and may differ.
    block, blocks, by_donor
        The number of each cell's donor or random block, the names of these, and whether they are donors.
    size
        Number of cells to read at a time, and to explain unless memory runs out.
    log_base
        The base of the logs in the layer; see `lrp_domains.genes.cohorts.values.log_base`.
    reference
        What cells are explained against; None for their scores themselves.
    gene_column
        The column of ``var`` with the names of genes in tables; empty for ``var_names``.
    distance
        How far relevance and scores in half precision are from those in single precision; empty for other precisions.
    """

    expression: Expression
    model: GeneModel
    computing: GeneModel
    request: Explanation
    target: np.ndarray | None
    against: int | None
    labels: pd.Series | None
    own_group: bool
    block: np.ndarray
    blocks: np.ndarray
    by_donor: bool
    size: int
    log_base: float
    reference: Reference | None = None
    gene_column: str = ""
    distance: Mapping[str, float] = field(default_factory=dict)

    @property
    def groups(self) -> tuple[str, ...]:
        """The names of the groups."""
        return tuple(self.labels.cat.categories) if self.labels is not None else self.model.classes

    @property
    def present(self) -> np.ndarray:
        """The numbers of the model's genes that the cohort has."""
        return np.sort(self.expression.alignment.position[self.expression.alignment.position >= 0])

    @property
    def genes(self) -> np.ndarray:
        """The names of these genes in the cohort."""
        position = self.expression.alignment.position
        names = np.empty(self.expression.n_inputs, dtype=object)
        names[position[position >= 0]] = self.expression.genes[position >= 0]
        return names[self.present]

    def starts(self, first: int = 0, stop: int | None = None) -> range:
        """Return the first row of every chunk, from row `first` to before row `stop`."""
        return range(first, self.expression.n_cells if stop is None else stop, self.size)

    def targets(self, rows: np.ndarray, predicted: Tensor) -> Tensor:
        """Return the number of the class to explain in some cells, from their rows and predicted classes."""
        return predicted if self.target is None else torch.as_tensor(self.target[rows], device=predicted.device)

    def given_targets(self, rows: np.ndarray) -> np.ndarray:
        """Return the number of the class to explain in some cells, -1 for the predicted one."""
        return np.full(len(rows), -1) if self.target is None else self.target[rows].astype(np.int64)

    def scores(self, logits: Tensor, target: Tensor) -> Tensor:
        """Compute the score of each cell, with its graph."""
        against = None if self.against is None else torch.full_like(target, self.against)
        # A difference of scores, and a rival, are of a function whose derivative is that of the score.
        constant = self.reference is None and self.request.rival is None
        return score_of(logits, target, self.request.score, against=against, constant=constant)

    @property
    def is_sparse(self) -> bool:
        """Whether a gene that a cell doesn't express has no relevance."""
        return self.expression.expects.zero_is_absence and (self.reference is None or self.reference.keeps_zeros)

    def group_of(self, rows: slice | np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Return the number of the group of some cells, from their rows and predicted classes."""
        return predicted if self.labels is None else self.labels.cat.codes.to_numpy()[rows].astype(np.int64)

    def counted(self, group: np.ndarray, target: np.ndarray) -> np.ndarray:
        """Return which cells count for their group, from the numbers of their groups and targets."""
        if not self.own_group:
            return np.ones(len(group), bool)
        numbers = {name: number for number, name in enumerate(self.model.classes)}
        class_of_group = np.array([numbers.get(name, -1) for name in self.groups])
        return class_of_group[group] == target

    def empty_statistics(self) -> GroupStatistics:
        """Allocate the sums over groups, of the genes that the cohort has."""
        return GroupStatistics.empty(
            self.groups,
            self.genes,
            self.blocks,
            by_donor=self.by_donor,
            networks=self.model.n_networks,
            top=self.request.top or TOP,
            normalisation=self.expression.expects.normalisation,
            scale=self.expression.scale[self.present],
            log_base=self.log_base,
            by_absence=not self.is_sparse,
        )


def make_plan(adata: AnnData, model: GeneModel, request: Explanation, *, progress: Progress = no_progress) -> Plan:
    """Check a request against the cohort and the model; then read the cohort once if it is explained against a mean."""
    plan = checked_plan(adata, model, request)
    if plan.labels is None and model.task != "classes":
        plan = replace(plan, labels=halves(plan.expression, plan.computing, plan.size))
    if request.reference is None:
        return plan
    reference = reference_of(
        request.reference, plan.expression, labels=plan.labels, donors=plan.block, size=plan.size, progress=progress
    )
    return replace(plan, reference=reference)


def checked_plan(adata: AnnData, model: GeneModel, request: Explanation) -> Plan:
    """Check a request against the cohort and the model, without reading more than some cells.

    What takes a pass over the cohort is left out: the mean of a reference, and the halves of a predicted value.
    """
    for _, network in model.unseen(-1):
        refuse_training_mode(network)
    if model.held_out is not None and model.held_out.at_chance:
        warnings.warn(model.held_out.warning, stacklevel=3)
    expression, gene_column = expression_for(adata, model, request.gene_column)
    device = device_of(request.device)
    model.to(device)
    size = chunk_size(request.batch_size, model, device)

    # Two cells show whether a network accepts these genes and returns one score per class.
    probed = expression.chunk(0, 2).values
    probabilities = [
        check_network(model, network, dense_batch(probed, slice(None), model.values_like(network)))
        for _, network in model.unseen(-1)
    ]
    if any(probabilities):
        warn_of_probabilities(model)
    if request.rival is not None:
        check_rival(request.rival, model, probed)
    computing = computing_in(model, request.precision)
    if computing is not model:
        check_computing(computing, probed, request.precision)

    of_classes = model.task == "classes"
    labels = _groups(adata, model, request)
    groupby = None if labels is None else str(labels.name)
    block, blocks, by_donor = blocks_of(adata.obs, request.donor)
    if request.reference is not None:
        groups = labels.cat.categories if labels is not None else () if of_classes else HALVES
        check_reference(request.reference, model, adata.obs, groups=groups, groupby=groupby, donor=request.donor)

    asked = request.target or PREDICTED
    if not of_classes and (asked != PREDICTED or request.against is not None):
        raise CohortError(f"a model of a {model.task} has one output, which is explained; leave out target and against")
    named = None if request.target is None else resolve_target(asked, model.classes)
    if not of_classes:
        named = 0
    if named is not None:
        target = np.full(expression.n_cells, named)
    else:
        target = labelled_classes(adata, model) if asked == LABELLED else None

    return Plan(
        expression=expression,
        model=model,
        computing=computing,
        request=request,
        target=target,
        against=contrasted_class(request.against, asked, model.classes),
        labels=labels,
        own_group=bool(of_classes and labels is not None and named is None and groupby == model.labels),
        block=block,
        blocks=blocks,
        by_donor=by_donor,
        size=size,
        log_base=log_base(adata, expression),
        gene_column=gene_column,
    )


def expression_for(adata: AnnData, model: GeneModel, gene_column: str | None) -> tuple[Expression, str]:
    """Return the expression that a model reads, and the column of ``var`` with the names of genes in tables.

    A model that was trained by the names in a column of ``var`` looks for them there, if the cohort has the column, and
    tables show these names. Otherwise tables show ``var_names``.
    """
    trained_by = str(model.training.get("gene_column", ""))
    if gene_column is None and trained_by in adata.var:
        gene_column = trained_by
    expression = expression_of(
        adata,
        model.expects,
        gene_column=gene_column,
        made_unique=bool(trained_by),
        training_cells=model.training_cells,
    )
    return expression, (gene_column or "") if trained_by else ""


def _groups(adata: AnnData, model: GeneModel, request: Explanation) -> pd.Series | None:
    """Return the group of each cell; None if its predicted class, or half, is its group."""
    if request.groupby:
        return label_column(adata, request.groupby)
    if model.task != "classes" or model.labels not in adata.obs:
        return None
    missing = int(adata.obs[model.labels].isna().sum())
    if not missing or request.target == LABELLED or request.reference not in (None, *REFERENCES):
        return label_column(adata, model.labels)
    warnings.warn(
        f"{missing} of {adata.n_obs} cells have no label in '{model.labels}', so groups are the predicted classes; for "
        f"groups of labels drop these cells: {only_with(model.labels)}",
        stacklevel=4,
    )
    return None


def chunk_size(batch_size: int | None, model: GeneModel, device: torch.device) -> int:
    """Return the number of cells to explain at a time; if None, such that a chunk takes some megabytes."""
    if batch_size is not None:
        return batch_size
    if model.reading is not read_matrix:
        return (
            CELLS_OF_TOKENS if device.type == "cpu" else CELLS_OF_TOKENS_GPU
        )  # thousands of tokens each, through every layer
    networks = max(len(members) for members in model.networks)
    numbers = CHUNK_NUMBERS if device.type == "cpu" else CHUNK_NUMBERS_GPU
    return int(np.clip(numbers // (len(model.expects.genes) * networks), 32, 4096))
