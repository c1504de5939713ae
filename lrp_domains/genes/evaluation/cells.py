"""The cells that methods are compared on, drawn at random."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import torch
from anndata import AnnData
from scipy import sparse

from ... import RuleSet
from ...domain import Account, Progress, no_progress
from ...evaluation import Accounted
from ...evaluation.rivals import Rival
from ..cohorts.values.gene_names import gene_names
from ..errors import CohortError, choices
from ..explanation.cells.explain import explain_cells
from ..explanation.curves.perturbation import read_cells
from ..explanation.requests.plan import Plan, make_plan
from ..explanation.requests.reference import Reference, reference_of
from ..explanation.requests.request import Explanation
from ..explanation.requests.some_cells import plan_of_cells
from ..models.model import GeneModel, predict

SETTINGS = ("groupby", "score", "gene_column", "batch_size", "device")
"""The fields of an `Explanation` that methods share; others are theirs."""


@dataclass(frozen=True)
class DrawnCells:
    """Some cells of a cohort, explained for their predicted class by networks that have not seen them.

    Attributes
    ----------
    cohort
        The plan of an explanation of the whole cohort, without a reference.
    rows
        The numbers of the cells, ascending.
    plan
        The plan of an explanation of these cells, without a reference.
    genes
        The names of the genes that both the cohort and the model have, in the order of the model's.
    references
        What cells are explained against, by name, for the whole cohort; filled in.
    """

    cohort: Plan = field(repr=False)
    rows: np.ndarray
    plan: Plan = field(repr=False)
    genes: np.ndarray = field(repr=False)
    references: dict[str, Reference] = field(default_factory=dict, repr=False)

    @property
    def model(self) -> GeneModel:
        """The model."""
        return self.cohort.model

    def __len__(self) -> int:
        return len(self.rows)

    def first(self, count: int) -> DrawnCells:
        """Return the first ones."""
        return replace(self, rows=self.rows[:count], plan=plan_of_cells(self.cohort, self.rows[:count]))

    @cached_property
    def _read(self) -> tuple[np.ndarray, np.ndarray]:
        return read_cells(self.plan.expression, np.arange(len(self)))

    @property
    def values(self) -> np.ndarray:
        """What the model reads, cells x the model's genes."""
        return self._read[0]

    @property
    def folds(self) -> np.ndarray:
        """The fold of each cell."""
        return self._read[1]

    @cached_property
    def target(self) -> np.ndarray:
        """The number of each cell's predicted class, which is explained; 0 for a value or a risk."""
        target = np.zeros(len(self), np.int64)
        for fold in np.unique(self.folds):
            rows = np.flatnonzero(self.folds == fold)
            target[rows] = self.logits(self.values[rows], int(fold)).argmax(1).cpu().numpy()
        return target

    def logits(self, values: np.ndarray, fold: int) -> torch.Tensor:
        """Compute the mean of the outputs of the networks that have not seen a fold, in float64."""
        outputs = []
        for _, network in self.model.unseen(fold):
            like = self.model.values_like(network)
            tensor = torch.as_tensor(values).to(device=like.device, dtype=like.dtype)
            outputs.append(predict(self.model, network, tensor).double())
        return torch.stack(outputs).mean(0)

    def reference(self, name: str) -> Reference:
        """Return ``"zero"`` or ``"mean"``, the mean of the whole cohort, for each of its cells."""
        if name not in self.references:
            plan = self.cohort
            known = {"labels": plan.labels, "donors": plan.block, "size": plan.size}
            self.references[name] = reference_of(name, plan.expression, **known)
        return self.references[name]

    def relevance(self, rules: RuleSet | Rival, reference: str | None = None) -> np.ndarray:
        """Explain the cells.

        Parameters
        ----------
        rules, reference
            As in `Explanation`; the reference is ``"zero"``, ``"mean"`` or None.

        Returns
        -------
        The relevance of each gene, cells x genes.
        """
        return self.accounted(rules, reference).relevance

    def accounted(self, rules: RuleSet | Rival, reference: str | None = None) -> Accounted:
        """Explain the cells, as `relevance` does, and return how much of the scores is unaccounted for."""
        request = replace(self.plan.request, rules=rules, reference=reference)
        plan = replace(self.plan, request=request)
        if reference is not None:
            of_cohort = self.reference(reference)
            plan = replace(plan, reference=replace(of_cohort, of_cell=of_cohort.of_cell[self.rows]))
        account = Account()
        parts = [part.rows for part in explain_cells(plan, plan.empty_statistics(), account)]
        rows = sparse.vstack(parts).toarray() if sparse.issparse(parts[0]) else np.concatenate(parts)
        amounts = (account.score, account.units, account.rest + sum(account.leaves.values()))
        return Accounted.of(rows[:, columns_of(plan)].astype(float), account.residue, amounts)


def draw(
    adata: AnnData,
    model: GeneModel,
    *,
    cells: int = 50,
    seed: int = 0,
    progress: Progress = no_progress,
    **settings: object,
) -> DrawnCells:
    """Draw cells of each group at random.

    Parameters
    ----------
    adata
        The cohort; its matrices may be on disk.
    model
        The model.
    cells
        How many cells of each group, at most; of a cohort without labels, on average of each class.
    seed
        Of which cells are drawn.
    progress
        As in `relevance`.
    **settings
        Fields of an `Explanation`: `SETTINGS`.
    """
    if unknown := [name for name in settings if name not in SETTINGS]:
        raise CohortError(f"unknown setting '{unknown[0]}'; {choices(unknown[0], SETTINGS)}")
    if cells < 1:
        raise CohortError(f"cells is {cells}: pass a whole number from 1")
    plan = make_plan(adata, model, Explanation(**settings), progress=progress)
    random, everyone = np.random.default_rng(seed), np.arange(plan.expression.n_cells)
    if plan.labels is None:
        chosen = [random.permutation(everyone)[: cells * len(model.classes)]]
    else:
        codes = plan.labels.cat.codes.to_numpy()
        chosen = [random.permutation(everyone[codes == code])[:cells] for code in range(len(plan.groups))]
    rows = np.sort(np.concatenate(chosen))
    if len(rows) < 2:
        raise CohortError(f"{len(rows)} cells are drawn: two at least are needed to compare methods")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about names that are used twice, given when the plan was made
        names = gene_names(adata.var, plan.gene_column or None, made_unique=True).to_numpy(dtype=object)
    return DrawnCells(plan, rows, plan=plan_of_cells(plan, rows), genes=names[columns_of(plan)])


def columns_of(plan: Plan) -> np.ndarray:
    """Return the cohort's column of each gene that both the cohort and the model have, in the order of the model's."""
    position = plan.expression.alignment.position
    aligned = np.flatnonzero(position >= 0)
    return aligned[np.argsort(position[aligned])]
