"""What must hold of every model: its ledger balances, its rows are explained each by itself, nothing is left on it."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from lrp_domains import CP_LRP, Ledger, ledger

CLOSE = 1e-9
CLOSE_IN_FLOAT32 = 1e-4


def floating(inputs: Sequence[Tensor]) -> list[Tensor]:
    """The inputs that are explained."""
    return [tensor for tensor in inputs if tensor.is_floating_point()]


def row(inputs: Sequence[Tensor], number: int) -> tuple[Tensor, ...]:
    """One row of a batch, as a batch of its own."""
    return tuple(x[number : number + 1].detach().clone().requires_grad_(x.requires_grad) for x in inputs)


def imbalance(account: Ledger) -> float:
    """The residue as a fraction of the gross amount: products and squares let totals grow and cancel."""
    gross = abs(account.score) + sum(r.abs().sum().item() for r in account.relevance)
    return abs(account.residue) / (gross + sum(map(abs, account.leaves.values())))


def account_of(scores: Tensor, inputs: Sequence[Tensor], model: nn.Module) -> Ledger:
    return ledger(scores.sum(), inputs, rules=CP_LRP, model=model, retain_graph=True)


def difference(found: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    """The largest difference as a fraction of the largest relevance, over all inputs together."""
    largest = max(tensor.abs().max().item() for tensor in expected)
    return max((a - b).abs().max().item() for a, b in zip(found, expected, strict=True)) / largest


def traces(model: nn.Module) -> dict[str, object]:
    """All that an explanation could leave on a model, and the versions of its tensors."""
    tensors = dict(model.named_parameters()) | dict(model.named_buffers())
    return {
        "hooks": {name: (len(m._forward_hooks), len(m._backward_hooks)) for name, m in model.named_modules()},
        "attributes": {name: sorted(vars(module)) for name, module in model.named_modules()},
        "gradients": {name: tensor.grad for name, tensor in tensors.items()},
        "versions": {name: (tensor._version, tensor.requires_grad) for name, tensor in tensors.items()},
        "training": any(module.training for module in model.modules()),
    }


def is_explained(found: Sequence[Tensor], inputs: Sequence[Tensor]) -> bool:
    """Whether relevance has the inputs' shapes and dtypes, is finite and not just zero."""
    return all(
        r.shape == x.shape and r.dtype == x.dtype and bool(r.isfinite().all())
        for r, x in zip(found, inputs, strict=True)
    ) and any(bool((r != 0).any()) for r in found)
