"""Mixtures from rows, the indices of their chosen experts and the experts' weights, written in many ways."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .tensors import WIDTH, draw

EXPERTS, CHOSEN = WIDTH, 2
WEIGHTS = nn.Parameter(0.5 * draw(EXPERTS, WIDTH, WIDTH, seed=55))


def expert(x: Tensor, number: int) -> Tensor:
    return F.gelu(x @ WEIGHTS[number])


def of_all(x: Tensor) -> Tensor:
    """Return the outputs of all experts, of shape (row, expert, width)."""
    return F.gelu(torch.einsum("bd,edf->bef", x, WEIGHTS))


def gathered(x: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
    outputs = of_all(x).gather(1, chosen.unsqueeze(-1).expand(*chosen.shape, WIDTH))
    return (weights.unsqueeze(-1) * outputs).sum(1)


def indexed(x: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
    return (weights.unsqueeze(-1) * of_all(x)[torch.arange(len(x))[:, None], chosen]).sum(1)


def of_indexed_weights(x: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
    """Multiply each row by the matrices of its experts."""
    outputs = F.gelu(torch.einsum("bd,bkdf->bkf", x, WEIGHTS[chosen]))
    return torch.einsum("bk,bkf->bf", weights, outputs)


def looped_over_experts(x: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
    out = torch.zeros_like(x)
    for number in range(EXPERTS):
        row, place = torch.where(chosen == number)
        if len(row):
            out = out.index_add(0, row, expert(x[row], number) * weights[row, place].unsqueeze(-1))
    return out


def looped_in_place(x: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
    out = torch.zeros_like(x)
    for number in range(EXPERTS):
        row, place = torch.where(chosen == number)
        if len(row):
            out.index_add_(0, row, weights[row, place, None] * expert(x[row], number))
    return out


def looped_over_rows(x: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
    rows = []
    for row, numbers, shares in zip(x, chosen.tolist(), weights, strict=True):
        rows.append(sum(share * expert(row, number) for number, share in zip(numbers, shares, strict=True)))
    return torch.stack(rows)


def one_hot(x: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
    share = (F.one_hot(chosen, EXPERTS) * weights.unsqueeze(-1)).sum(1)
    return (share.unsqueeze(-1) * of_all(x)).sum(1)


def scattered(x: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
    share = torch.zeros(len(x), EXPERTS).scatter(1, chosen, weights)
    return torch.einsum("be,bef->bf", share, of_all(x))


def by_matrix_product(x: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
    share = torch.zeros(len(x), EXPERTS).scatter(1, chosen, weights)
    return (share.unsqueeze(1) @ of_all(x)).squeeze(1)


def sorted_by_expert(x: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
    """Sort the rows by expert and back, as grouped kernels do."""
    order = chosen.flatten().argsort(stable=True)
    rows, numbers = order // CHOSEN, chosen.flatten()[order]
    outputs = F.gelu(torch.einsum("rd,rdf->rf", x[rows], WEIGHTS[numbers]))
    weighted = outputs * weights.flatten()[order].unsqueeze(-1)
    return weighted[order.argsort()].view(*chosen.shape, WIDTH).sum(1)


DISPATCHES = {
    "gather": gathered,
    "index": indexed,
    "matrices by index": of_indexed_weights,
    "loop over experts": looped_over_experts,
    "loop over experts, in place": looped_in_place,
    "loop over rows": looped_over_rows,
    "one-hot": one_hot,
    "scatter and einsum": scattered,
    "scatter and matmul": by_matrix_product,
    "sorted by expert": sorted_by_expert,
}
