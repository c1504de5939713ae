"""Products of two and three tensors, each written in many ways. The first form is the reference."""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .tensors import ROWS, WIDTH, parameter

EVEN = (torch.arange(WIDTH) % 2 == 0).expand(ROWS, WIDTH)
FORM = parameter(WIDTH, WIDTH, seed=31)


def wide(column: Tensor) -> Tensor:
    return column.expand(ROWS, WIDTH)


def dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(-1, keepdim=True)


def in_a_buffer(f: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """Write the result into a buffer column by column."""

    def written(a: Tensor, b: Tensor) -> Tensor:
        buffer = torch.zeros_like(a)
        for column in range(WIDTH):
            buffer[..., column] = f(a[..., column], b[..., column])
        return buffer

    return written


def of_halves(f: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """Apply a form to the halves of a concatenation."""
    return lambda a, b: f(*torch.cat([a, b], -1).chunk(2, -1))


PRODUCT = {
    "a * b": lambda a, b: a * b,
    "b * a": lambda a, b: b * a,
    "einsum": lambda a, b: torch.einsum("bd,bd->bd", a, b),
    "diag(a) @ b": lambda a, b: (torch.diag_embed(a) @ b[..., None])[..., 0],
    "stack.prod(0)": lambda a, b: torch.stack([a, b]).prod(0),
    "last of stack.cumprod(0)": lambda a, b: torch.stack([a, b]).cumprod(0)[1],
    "addcmul": lambda a, b: torch.addcmul(torch.zeros_like(a), a, b),
    "mul_ on a clone": lambda a, b: a.clone().mul_(b),
    "(2 * a) * (b / 2)": lambda a, b: (2 * a) * (b / 2),
    "in a buffer": in_a_buffer(torch.mul),
    "halves of a concatenation": of_halves(torch.mul),
    "(-a) * (-b)": lambda a, b: (-a) * (-b),
    "outer product's diagonal": lambda a, b: torch.einsum("bi,bj->bij", a, b).diagonal(dim1=1, dim2=2),
    "bmm of numbers": lambda a, b: (a[..., None, None] @ b[..., None, None])[..., 0, 0],
    "vmap over rows": lambda a, b: torch.vmap(torch.mul)(a, b),
    "where(even, a * b, b * a)": lambda a, b: torch.where(EVEN, a * b, b * a),
    "in two halves": lambda a, b: torch.cat([a[:, :2] * b[:, :2], a[:, 2:] * b[:, 2:]], 1),
    "lerp(0, a, b)": lambda a, b: torch.lerp(torch.zeros_like(a), a, b),
    "a / (1 / b)": lambda a, b: a / (1 / b),
    "a / b ** -1": lambda a, b: a / b**-1,
    "((a + b)² - (a - b)²) / 4": lambda a, b: ((a + b) ** 2 - (a - b) ** 2) / 4,
    "0.3 a * b + 0.7 a * b": lambda a, b: (0.3 * a) * b + (0.7 * a) * b,
}

PRODUCT_WITH_A_NUMBER = {
    "3 * a * b": lambda a, b: 3 * a * b,
    "a * b * 3": lambda a, b: a * b * 3,
    "a * (3 * b)": lambda a, b: a * (3 * b),
    "a * b / (1 / 3)": lambda a, b: a * b / (1 / 3),
    "stack([a, b, full(3)]).prod(0)": lambda a, b: torch.stack([a, b, torch.full_like(a, 3.0)]).prod(0),
    "last of stack.cumprod(0)": lambda a, b: torch.stack([torch.full_like(a, 3.0), a, b]).cumprod(0)[2],
    "einsum of three": lambda a, b: torch.einsum("bd,bd,bd->bd", a, b, torch.full_like(a, 3.0)),
    "addcmul(value=3)": lambda a, b: torch.addcmul(torch.zeros_like(a), a, b, value=3),
    "sum of three": lambda a, b: a * b + a * b + a * b,
    "a * b * Parameter(3)": lambda a, b: a * b * nn.Parameter(torch.tensor(3.0)),
}

PRODUCT_OF_THREE = {
    "a * b * c": lambda a, b, c: a * b * c,
    "a * (b * c)": lambda a, b, c: a * (b * c),
    "(a * c) * b": lambda a, b, c: (a * c) * b,
    "stack.prod(0)": lambda a, b, c: torch.stack([a, b, c]).prod(0),
    "stack.prod(-1)": lambda a, b, c: torch.stack([a, b, c], -1).prod(-1),
    "last of stack.cumprod(0)": lambda a, b, c: torch.stack([a, b, c]).cumprod(0)[2],
    "einsum of three": lambda a, b, c: torch.einsum("bd,bd,bd->bd", a, b, c),
    "einsum of two, twice": lambda a, b, c: torch.einsum("bd,bd->bd", a, torch.einsum("bd,bd->bd", b, c)),
    "addcmul(0, a * b, c)": lambda a, b, c: torch.addcmul(torch.zeros_like(a), a * b, c),
    "addcmul(0, a, b * c)": lambda a, b, c: torch.addcmul(torch.zeros_like(a), a, b * c),
    "diag(a) @ diag(b) @ c": lambda a, b, c: (torch.diag_embed(a) @ torch.diag_embed(b) @ c[..., None])[..., 0],
    "diag(a) @ (diag(b) @ c)": lambda a, b, c: (torch.diag_embed(a) @ (torch.diag_embed(b) @ c[..., None]))[..., 0],
    "mul_ twice on a clone": lambda a, b, c: a.clone().mul_(b).mul_(c),
    "functools.reduce": lambda a, b, c: functools.reduce(torch.mul, (c, b, a)),
    "2 * a * b * c / 2": lambda a, b, c: 2 * a * b * c / 2,
    "(-a) * b * (-c)": lambda a, b, c: (-a) * b * (-c),
    "a * view of (b * c)": lambda a, b, c: a * (b.view(-1) * c.view(-1)).view_as(a),
    "a * clone of (b * c)": lambda a, b, c: a * (b * c).clone(),
    "a * cat of halves of b * c": lambda a, b, c: a * torch.cat([b[:, :2] * c[:, :2], b[:, 2:] * c[:, 2:]], 1),
}

PRODUCT_WITH_A_SQUARE = {
    "a * b * b": lambda a, b: a * b * b,
    "a * (b * b)": lambda a, b: a * (b * b),
    "a * b ** 2": lambda a, b: a * b**2,
    "a * square(b)": lambda a, b: a * b.square(),
    "stack([a, b, b]).prod(0)": lambda a, b: torch.stack([a, b, b]).prod(0),
    "einsum of three": lambda a, b: torch.einsum("bd,bd,bd->bd", a, b, b),
    "a * |b| ** 2": lambda a, b: a * b.abs() ** 2,
}

SUM_OF_PRODUCTS = {
    "a * b + a * c": lambda a, b, c: a * b + a * c,
    "a * (b + c)": lambda a, b, c: a * (b + c),
    "addcmul(a * b, a, c)": lambda a, b, c: torch.addcmul(a * b, a, c),
    "stack.sum(0)": lambda a, b, c: torch.stack([a * b, a * c]).sum(0),
    "a times a stack, summed": lambda a, b, c: (a * torch.stack([b, c])).sum(0),
    "einsum": lambda a, b, c: torch.einsum("bd,kbd->bd", a, torch.stack([b, c])),
    "a * b - a * (-c)": lambda a, b, c: a * b - a * (-c),
    "a * (b - (-c))": lambda a, b, c: a * (b - (-c)),
}

DIFFERENCE_OF_SQUARES = {
    "a * a - b * b": lambda a, b: a * a - b * b,
    "(a + b) * (a - b)": lambda a, b: (a + b) * (a - b),
    "a ** 2 - b ** 2": lambda a, b: a**2 - b**2,
    "a * (a - b) + b * (a - b)": lambda a, b: a * (a - b) + b * (a - b),
}

DOT_PRODUCT = {
    "sum of a * b": lambda a, b: wide(dot(a, b)),
    "einsum": lambda a, b: wide(torch.einsum("bd,bd->b", a, b)[:, None]),
    "bmm": lambda a, b: wide((a[:, None] @ b[..., None])[..., 0]),
    "linalg.vecdot": lambda a, b: wide(torch.linalg.vecdot(a, b)[:, None]),
    "diagonal of a @ b.T": lambda a, b: wide((a @ b.T).diagonal()[:, None]),
    "row by row with dot": lambda a, b: wide(torch.stack([p.dot(q) for p, q in zip(a, b, strict=True)])[:, None]),
    "row by row with @": lambda a, b: wide(torch.stack([p @ q for p, q in zip(a, b, strict=True)])[:, None]),
    "baddbmm": lambda a, b: wide(torch.baddbmm(torch.zeros(ROWS, 1, 1), a[:, None], b[..., None])[..., 0]),
    "tensordot": lambda a, b: wide(torch.tensordot(a, b, ([1], [1])).diagonal()[:, None]),
    "(a * b) @ ones": lambda a, b: (a * b) @ torch.ones(WIDTH, WIDTH),
    "n * mean of a * b": lambda a, b: wide(WIDTH * (a * b).mean(-1, keepdim=True)),
    "last of cumsum": lambda a, b: wide((a * b).cumsum(-1)[:, -1:]),
    "(|a + b|² - |a - b|²) / 4": lambda a, b: wide((dot(a + b, a + b) - dot(a - b, a - b)) / 4),
}

BILINEAR_FORM = {
    "F.bilinear": lambda a, b: wide(F.bilinear(a, b, FORM[None])),
    "(a @ W) · b": lambda a, b: wide(dot(a @ FORM, b)),
    "a · (b @ W.T)": lambda a, b: wide(dot(a, b @ FORM.T)),
    "einsum of three": lambda a, b: wide(torch.einsum("bi,ij,bj->b", a, FORM, b)[:, None]),
    "bmm": lambda a, b: wide((a[:, None] @ FORM @ b[..., None])[..., 0]),
    "outer product @ W": lambda a, b: wide((a[..., None] * b[:, None]).flatten(1) @ FORM.flatten()[:, None]),
    "outer product times W, summed": lambda a, b: wide((a[..., None] * b[:, None] * FORM).sum((1, 2))[:, None]),
    "diagonal of a @ W @ b.T": lambda a, b: wide((a @ FORM @ b.T).diagonal()[:, None]),
}

FAMILIES_OF_TWO = {
    "product of two": PRODUCT,
    "product of two and a number": PRODUCT_WITH_A_NUMBER,
    "product with a square": PRODUCT_WITH_A_SQUARE,
    "difference of squares": DIFFERENCE_OF_SQUARES,
    "dot product": DOT_PRODUCT,
    "bilinear form": BILINEAR_FORM,
}
FAMILIES_OF_THREE = {"product of three": PRODUCT_OF_THREE, "sum of products": SUM_OF_PRODUCTS}
