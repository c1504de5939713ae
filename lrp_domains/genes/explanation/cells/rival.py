"""The explanation of a batch of cells by a rival, in the place of a rule set."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.autograd.function import FunctionCtx

from .... import Ledger
from ....domain import Clock
from ....evaluation.rivals import Problem
from ..requests.plan import Plan
from .batch import PREDICTED, check_finite, logits_of


def explain_by_rival(
    plan: Plan,
    members: nn.ModuleList,
    values: Tensor,
    target: Tensor,
    _weight: Tensor,
    references: Tensor | None = None,
    *,
    clock: Clock,
) -> tuple[list[Tensor], Ledger, Mapping[str, Tensor]]:
    """Explain the mean of the scores of some networks by a rival.

    Parameters
    ----------
    plan, members, values, target, references, clock
        As in `explain_batch`; without references, zeros take their place. No cell fills the batch, as it isn't
        compiled.

    Returns
    -------
    The relevance of genes, per network; the ledger, whose residue is all that genes don't account for; and the same
    other tensors as from `explain_batch`.

    Raises
    ------
    NonFiniteScore
        The score of a cell isn't finite.
    """
    rival = plan.request.rival
    with clock("forward"), torch.no_grad():
        logits = torch.stack([logits_of(plan, network, values)[1] for network in members])
        predicted = logits.mean(0).argmax(1)
        target = torch.where(target == PREDICTED, predicted, target)
        results = {"predicted": predicted, "target": target}
        results["score"] = torch.stack([plan.scores(of_network, target) for of_network in logits]).mean(0)
        check_finite(results["score"], of_reference=False)
        if references is not None:
            logits = [logits_of(plan, network, references)[1] for network in members]
            results["reference_score"] = torch.stack([plan.scores(of, target) for of in logits]).mean(0)
            check_finite(results["reference_score"], of_reference=True)
    against = torch.zeros_like(values) if references is None else references

    # Rivals are linear in what they explain: the mean has the mean of the relevance for each network's score.
    units = []
    for network in members:
        share = _Share(plan, network, target, of=len(members))
        asked = Problem(share, inputs=(values,), references=(against,), model=network)
        (relevance,) = rival.relevance(asked)
        units.append(torch.where(values == against, 0, relevance.detach()))

    explained = results["score"] - results.get("reference_score", 0)
    total, *sums = torch.stack([tensor.double().sum() for tensor in (explained, *units)]).tolist()
    account = {"score": total, "inputs": tuple(sums), "leaves": {}, "residue": total - sum(sums)}
    return units, Ledger(**account, relevance=(), rules=rival.name), results


class _Share:
    """One network's share in the mean of scores, as a differentiable function of cells' values."""

    def __init__(self, plan: Plan, network: nn.Module, target: Tensor, *, of: int) -> None:
        self.plan, self.network, self.target, self.of = plan, network, target, of

    def __call__(self, values: Tensor) -> Tensor:
        return _Scores.apply(values, self)

    def scores(self, values: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the network reads, and the share of each cell with its graph."""
        read, logits = logits_of(self.plan, self.network, values)
        target = self.target.repeat(len(values) // len(self.target))
        return read.sources[0], self.plan.scores(logits, target) / self.of


class _Scores(torch.autograd.Function):
    """A share's scores, whose gradient is that of what the network reads: a copy of the values, without their graph."""

    @staticmethod
    def forward(ctx: FunctionCtx, values: Tensor, share: _Share) -> Tensor:
        with torch.set_grad_enabled(ctx.needs_input_grad[0]):
            ctx.source, ctx.scores = share.scores(values)
        return ctx.scores.detach()

    @staticmethod
    def backward(ctx: FunctionCtx, g: Tensor) -> tuple[Tensor, None]:
        (gradient,) = torch.autograd.grad(ctx.scores, ctx.source, g)
        return gradient, None
