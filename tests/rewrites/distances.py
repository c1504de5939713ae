"""Similarities and distances of two tensors, each written in many ways. The first form is the reference."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from .tensors import ROWS, WIDTH

E1 = 1e-8  # of F.cosine_similarity


def wide(column: Tensor) -> Tensor:
    return column.expand(ROWS, WIDTH)


def length(x: Tensor) -> Tensor:
    return x.norm(dim=-1, keepdim=True)


def square_sum(x: Tensor) -> Tensor:
    return (x * x).sum(-1, keepdim=True)


def dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(-1, keepdim=True)


COSINE = {
    "F.cosine_similarity": lambda a, b: wide(F.cosine_similarity(a, b, eps=E1)[:, None]),
    "a · b / (|a| |b|)": lambda a, b: wide(dot(a, b) / (length(a) * length(b))),
    "a · b / |a| / |b|": lambda a, b: wide(dot(a, b) / length(a) / length(b)),
    "(a / |a|) · (b / |b|)": lambda a, b: wide(dot(a / length(a), b / length(b))),
    "dot of F.normalize": lambda a, b: wide(dot(F.normalize(a, dim=-1), F.normalize(b, dim=-1))),
    "diagonal of normalised a @ b.T": lambda a, b: wide(
        (F.normalize(a, dim=-1) @ F.normalize(b, dim=-1).T).diag()[:, None]
    ),
    "a · b * rsqrt(|a|² |b|²)": lambda a, b: wide(dot(a, b) * torch.rsqrt(square_sum(a) * square_sum(b))),
    "a · b * rsqrt(|a|²) * rsqrt(|b|²)": lambda a, b: wide(dot(a, b) * square_sum(a).rsqrt() * square_sum(b).rsqrt()),
    "einsum over norms": lambda a, b: wide(torch.einsum("bd,bd->b", a, b)[:, None] / (length(a) * length(b))),
    "bmm of unit vectors": lambda a, b: wide(((a / length(a))[:, None] @ (b / length(b))[..., None])[..., 0]),
}

SQUARED_DISTANCE = {
    "sum of (a - b) ** 2": lambda a, b: wide(((a - b) ** 2).sum(-1, keepdim=True)),
    "sum of (a - b) * (a - b)": lambda a, b: wide(square_sum(a - b)),
    "sum of square()": lambda a, b: wide((a - b).square().sum(-1, keepdim=True)),
    "|a|² + |b|² - 2 a · b": lambda a, b: wide(square_sum(a) + square_sum(b) - 2 * dot(a, b)),
    "norm ** 2": lambda a, b: wide(length(a - b) ** 2),
    "norm * norm": lambda a, b: wide(length(a - b) * length(a - b)),
    "bmm": lambda a, b: wide(((a - b)[:, None] @ (a - b)[..., None])[..., 0]),
    "einsum": lambda a, b: wide(torch.einsum("bd,bd->b", a - b, a - b)[:, None]),
    "mse_loss": lambda a, b: wide(F.mse_loss(a, b, reduction="none").sum(-1, keepdim=True)),
    "n * mean": lambda a, b: wide(WIDTH * ((a - b) ** 2).mean(-1, keepdim=True)),
    "sum of (b - a) ** 2": lambda a, b: wide(((b - a) ** 2).sum(-1, keepdim=True)),
}

DISTANCE = {
    "norm of a - b": lambda a, b: wide(length(a - b)),
    "linalg.vector_norm": lambda a, b: wide(torch.linalg.vector_norm(a - b, dim=-1, keepdim=True)),
    "sqrt of the sum of squares": lambda a, b: wide(((a - b) ** 2).sum(-1, keepdim=True).sqrt()),
    "(sum of squares) ** 0.5": lambda a, b: wide(square_sum(a - b) ** 0.5),
    "pairwise_distance": lambda a, b: wide(F.pairwise_distance(a, b, eps=0.0)[:, None]),
    "cdist of single rows": lambda a, b: wide(torch.cdist(a[:, None], b[:, None])[..., 0]),
    "dist, row by row": lambda a, b: wide(torch.stack([torch.dist(p, q) for p, q in zip(a, b, strict=True)])[:, None]),
}

ABSOLUTE_DISTANCE = {
    "sum of |a - b|": lambda a, b: wide((a - b).abs().sum(-1, keepdim=True)),
    "norm(p=1)": lambda a, b: wide((a - b).norm(p=1, dim=-1, keepdim=True)),
    "l1_loss": lambda a, b: wide(F.l1_loss(a, b, reduction="none").sum(-1, keepdim=True)),
    "relu(a - b) + relu(b - a)": lambda a, b: wide((F.relu(a - b) + F.relu(b - a)).sum(-1, keepdim=True)),
    "maximum - minimum": lambda a, b: wide((torch.maximum(a, b) - torch.minimum(a, b)).sum(-1, keepdim=True)),
    "cdist(p=1)": lambda a, b: wide(torch.cdist(a[:, None], b[:, None], p=1)[..., 0]),
}

OVER_A_LENGTH = {
    "a / norm of b": lambda a, b: a / length(b),
    "a * (1 / norm of b)": lambda a, b: a * (1 / length(b)),
    "a * rsqrt(sum of b * b)": lambda a, b: a * square_sum(b).rsqrt(),
    "a / sqrt(sum of b ** 2)": lambda a, b: a / (b**2).sum(-1, keepdim=True).sqrt(),
    "a * (sum of b ** 2) ** -0.5": lambda a, b: a * (b**2).sum(-1, keepdim=True) ** -0.5,
    "a / linalg.norm": lambda a, b: a / torch.linalg.norm(b, dim=-1, keepdim=True),
    "a * exp(-0.5 * log)": lambda a, b: a * torch.exp(-0.5 * torch.log(square_sum(b))),
    "addcdiv": lambda a, b: torch.addcdiv(torch.zeros_like(a), a, wide(length(b))),
    "diag(1 / norm) @ a": lambda a, b: torch.diag(1 / b.norm(dim=-1)) @ a,
}

TIMES_A_SPREAD = {
    "a * std of b": lambda a, b: a * b.std(-1, keepdim=True),
    "a * sqrt(var)": lambda a, b: a * b.var(-1, keepdim=True).sqrt(),
    "a * var ** 0.5": lambda a, b: a * b.var(-1, keepdim=True) ** 0.5,
    "a * std_mean[0]": lambda a, b: a * torch.std_mean(b, -1, keepdim=True)[0],
    "a * norm of b - mean": lambda a, b: a * length(b - b.mean(-1, keepdim=True)) / math.sqrt(WIDTH - 1),
    "a * sqrt by hand": lambda a, b: a * (square_sum(b - b.mean(-1, keepdim=True)) / (WIDTH - 1)).sqrt(),
}

MAGNITUDE = {
    "sqrt(a² + b²)": lambda a, b: (a * a + b * b).sqrt(),
    "hypot": torch.hypot,
    "abs of a complex number": lambda a, b: torch.complex(a, b).abs(),
    "norm of a stack": lambda a, b: torch.stack([a, b]).norm(dim=0),
    "(a ** 2 + b ** 2) ** 0.5": lambda a, b: (a**2 + b**2) ** 0.5,
    "complex view": lambda a, b: torch.view_as_complex(torch.stack([a, b], -1)).abs(),
}

FAMILIES = {
    "cosine similarity": COSINE,
    "squared distance": SQUARED_DISTANCE,
    "distance": DISTANCE,
    "absolute distance": ABSOLUTE_DISTANCE,
    "over a length": OVER_A_LENGTH,
    "times a deviation": TIMES_A_SPREAD,
    "magnitude": MAGNITUDE,
}
