"""The explanation of a batch of cells in tensors, by the networks that have not seen their fold."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from .... import SECANT
from ....domain import Clock, Computed, Read, compute, compute_against, parameter_of
from ....domain.models.recurrent import step_by_step
from ...errors import CohortError
from ...models.model import check_outputs
from ..requests.plan import Plan

HALF = (torch.bfloat16, torch.float16)
PREDICTED = -1  # in the place of a class: the predicted one


class NonFiniteScore(CohortError):
    """A model's score isn't finite: of which cell of a batch, and whether of its reference."""

    def __init__(self, number: int, *, of_reference: bool) -> None:
        super().__init__(f"the score of cell {number} of the batch is not finite")
        self.number, self.of_reference = number, of_reference


class NotComplete(CohortError):
    """Genes don't account for the difference from the reference."""


def explain_batch(
    plan: Plan,
    members: nn.ModuleList,
    values: Tensor,
    target: Tensor,
    weight: Tensor,
    references: Tensor | None = None,
    *,
    clock: Clock,
) -> Computed[Tensor]:
    """Explain the mean of the scores of some networks.

    Parameters
    ----------
    plan
        What to explain.
    members
        The networks.
    values, references
        The values that they read, cells x genes, and those that they are compared with.
    target
        The number of each cell's class, or `PREDICTED`.
    weight
        1 for each cell; 0 for one that only fills the batch.
    clock
        Counts the time of forward passes.

    Returns
    -------
    The relevance of genes, per network; ``others`` are the cells' ``predicted`` and ``target`` classes, their
    ``score``, and ``reference_score``.

    Raises
    ------
    NonFiniteScore
        The score of a cell isn't finite.
    NotComplete
        Relevance doesn't sum to the difference from the reference.
    """
    results: dict[str, Tensor] = {}

    def run(values: Tensor) -> tuple[Tensor, Sequence[Read[Tensor]]]:
        # The first pass is that of the cells; it decides the target, which the reference keeps.
        of_reference = "score" in results
        with clock("forward"):
            reads, logits = zip(*(logits_of(plan, network, values) for network in members), strict=True)
            if not of_reference:
                predicted = torch.stack([outputs.detach() for outputs in logits]).mean(0).argmax(1)
                results["predicted"] = predicted
                results["target"] = torch.where(target == PREDICTED, predicted, target)
            score = torch.stack([plan.scores(outputs, results["target"]) for outputs in logits]).mean(0)
            check_finite(score, of_reference=of_reference)
        results["reference_score" if of_reference else "score"] = score.detach()
        return score * weight, reads

    rules = plan.request.rule_set
    with torch.enable_grad():
        if references is None:
            computed = compute(*run(values), rules=rules, model=members)
        else:
            computed = compute_against(run, [values], [references], rules=rules, model=members)
            if rules is SECANT:
                scores = [results[name] * weight for name in ("score", "reference_score")]
                _check_complete(*scores, computed.units, parameter_of(members))
    return Computed([relevance.detach() for relevance in computed.units], computed.sums, results)


def logits_of(plan: Plan, network: nn.Module, values: Tensor) -> tuple[Read[Tensor], Tensor]:
    """Run a network on some cells, and return what was read with the logits: cells x classes."""
    with step_by_step(network):
        read = plan.model.reading(network, values)
    logits = check_outputs(plan.model, network, read.outputs)
    # The difference of two logits has fewer digits than they have, which half precision can't spare.
    return read, logits.float() if logits.dtype in HALF else logits


def _check_complete(score: Tensor, of_reference: Tensor, relevances: Sequence[Tensor], weights: Tensor) -> None:
    """Raise if relevance doesn't sum to the difference between the scores of cells and reference, cell by cell.

    The core checks it for inputs only, not for tensors within a network, such as embeddings of genes.
    """
    relevance = sum(relevances)
    coarsest = max(torch.finfo(tensor.dtype).eps for tensor in (score, relevance, weights))
    score, of_reference, relevance = score.double(), of_reference.double(), relevance.double()
    missing = (score - of_reference - relevance.sum(1)).abs()
    scale = score.abs() + of_reference.abs() + relevance.abs().sum(1)
    if bool((missing > coarsest**0.5 * scale).any()):
        share = float(missing.sum() / (score - of_reference).abs().sum())
        raise NotComplete(f"genes account for all but {share:.1%} of the difference from the reference")


def check_finite(score: Tensor, *, of_reference: bool) -> None:
    """Raise if the score of a cell, or of its reference, isn't finite."""
    finite = torch.isfinite(score)
    if not finite.all():
        raise NonFiniteScore(int((~finite).nonzero()[0, 0]), of_reference=of_reference)
