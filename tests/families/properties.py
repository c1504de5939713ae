"""Measures of the properties that every model must have: conservation, independent rows, nothing left on it."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from lrp_domains import CP_LRP, Ledger, ledger

CLOSE = 1e-9
CLOSE_IN_FLOAT32 = 1e-4


def floating(inputs: Sequence[Tensor]) -> list[Tensor]:
    """Return the inputs that are explained."""
    return [tensor for tensor in inputs if tensor.is_floating_point()]


def row(inputs: Sequence[Tensor], number: int) -> tuple[Tensor, ...]:
    """Return one row of a batch, as a batch of one."""
    return tuple(x[number : number + 1].detach().clone().requires_grad_(x.requires_grad) for x in inputs)


def imbalance(account: Ledger) -> float:
    """Return the residue as a fraction of the gross amount, as products and squares make totals grow and cancel."""
    gross = abs(account.score) + sum(r.abs().sum().item() for r in account.relevance)
    return abs(account.residue) / (gross + sum(map(abs, account.leaves.values())))


def account_of(scores: Tensor, inputs: Sequence[Tensor], model: nn.Module) -> Ledger:
    return ledger(scores.sum(), inputs, rules=CP_LRP, model=model, retain_graph=True)


def difference(relevances: Sequence[Tensor], expected: Sequence[Tensor]) -> float:
    """Return the largest difference as a fraction of the largest relevance, over all inputs together."""
    largest = max(tensor.abs().max().item() for tensor in expected)
    return max((a - b).abs().max().item() for a, b in zip(relevances, expected, strict=True)) / largest


def traces(model: nn.Module) -> dict[str, object]:
    """Return everything that an explanation could leave on a model, and the versions of its tensors."""
    tensors = dict(model.named_parameters()) | dict(model.named_buffers())
    return {
        "hooks": {name: (len(m._forward_hooks), len(m._backward_hooks)) for name, m in model.named_modules()},
        "attributes": {name: sorted(vars(module)) for name, module in model.named_modules()},
        "gradients": {name: tensor.grad for name, tensor in tensors.items()},
        "versions": {name: (tensor._version, tensor.requires_grad) for name, tensor in tensors.items()},
        "training": any(module.training for module in model.modules()),
    }


def is_explained(relevances: Sequence[Tensor], inputs: Sequence[Tensor]) -> bool:
    """Return whether relevance has the inputs' shapes and dtypes, is finite and not zero everywhere."""
    return all(
        r.shape == x.shape and r.dtype == x.dtype and bool(r.isfinite().all())
        for r, x in zip(relevances, inputs, strict=True)
    ) and any(bool((r != 0).any()) for r in relevances)
