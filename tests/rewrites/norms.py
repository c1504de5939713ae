"""Norms, lengths and deviations of a row, each written in many ways. The first form is the reference."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .tensors import ROWS, WIDTH

EPS = 1e-5


def wide(column: Tensor) -> Tensor:
    """Repeat one number per row over the row."""
    return column.expand(ROWS, WIDTH)


def mean(x: Tensor) -> Tensor:
    return x.mean(-1, keepdim=True)


def mean_square(x: Tensor) -> Tensor:
    return (x * x).mean(-1, keepdim=True)


def variance(x: Tensor) -> Tensor:
    return x.var(-1, unbiased=False, keepdim=True)


def centred(x: Tensor) -> Tensor:
    return x - mean(x)


def squares_about_mean(x: Tensor) -> Tensor:
    return (centred(x) ** 2).sum(-1, keepdim=True)


def length(x: Tensor) -> Tensor:
    return x.norm(dim=-1, keepdim=True)


def over(x: Tensor, spread) -> Tensor:
    """Divide ``x`` by the root of a function of it."""
    return x / torch.sqrt(spread(x) + EPS)


def layer_norm_by_var_mean(x: Tensor) -> Tensor:
    spread, middle = torch.var_mean(x, -1, unbiased=False, keepdim=True)
    return (x - middle) * torch.rsqrt(spread + EPS)


def layer_norm_distributed(x: Tensor) -> Tensor:
    scale = torch.rsqrt(variance(x) + EPS)
    return x * scale - mean(x) * scale


def layer_norm_by_batch_norm(x: Tensor) -> Tensor:
    """Use the rows of x as channels."""
    columns = x.t()[None].reshape(1, WIDTH, ROWS).transpose(1, 2).reshape(1, ROWS, WIDTH)
    return F.batch_norm(columns, None, None, training=True, eps=EPS)[0]


LAYER_NORM = {
    "F.layer_norm": lambda x: F.layer_norm(x, (WIDTH,)),
    "over sqrt(var)": lambda x: centred(x) / torch.sqrt(variance(x) + EPS),
    "times rsqrt(var)": lambda x: centred(x) * torch.rsqrt(variance(x) + EPS),
    "times var ** -0.5": lambda x: centred(x) * (variance(x) + EPS) ** -0.5,
    "mean of c ** 2": lambda x: over(centred(x), lambda c: (c**2).mean(-1, keepdim=True)),
    "mean of c * c": lambda x: over(centred(x), mean_square),
    "mean of x² less mean²": lambda x: centred(x) / torch.sqrt(mean_square(x) - mean(x) ** 2 + EPS),
    "var_mean": layer_norm_by_var_mean,
    "group_norm": lambda x: F.group_norm(x, 1),
    "instance_norm": lambda x: F.instance_norm(x[:, None])[:, 0],
    "c @ c by bmm": lambda x: over(centred(x), lambda c: (c[:, None] @ c[..., None])[..., 0] / WIDTH),
    "c · c by einsum": lambda x: over(centred(x), lambda c: torch.einsum("bd,bd->b", c, c)[:, None] / WIDTH),
    "exp(-0.5 * log(var))": lambda x: centred(x) * torch.exp(-0.5 * torch.log(variance(x) + EPS)),
    "norm ** 2": lambda x: over(centred(x), lambda c: torch.linalg.vector_norm(c, dim=-1, keepdim=True) ** 2 / WIDTH),
    "rms_norm of c": lambda x: F.rms_norm(centred(x), (WIDTH,), eps=EPS),
    "times (1 / sqrt(var))": lambda x: centred(x) * (1 / torch.sqrt(variance(x) + EPS)),
    "x * s - mean * s": layer_norm_distributed,
    "torch.cov of each row": lambda x: torch.stack(
        [(row - row.mean()) / torch.sqrt(torch.cov(row, correction=0) + EPS) for row in x]
    ),
    "batch_norm in training": layer_norm_by_batch_norm,
}

RMS_NORM = {
    "F.rms_norm": lambda x: F.rms_norm(x, (WIDTH,), eps=EPS),
    "times rsqrt": lambda x: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPS),
    "over sqrt": lambda x: x / torch.sqrt(mean_square(x) + EPS),
    "times pow(-0.5)": lambda x: x * torch.pow(x.square().mean(-1, keepdim=True) + EPS, -0.5),
    "norm ** 2": lambda x: x / torch.sqrt(torch.linalg.norm(x, dim=-1, keepdim=True) ** 2 / WIDTH + EPS),
    "x · x by einsum": lambda x: x / torch.sqrt(torch.einsum("bd,bd->b", x, x)[:, None] / WIDTH + EPS),
    "x @ x by bmm": lambda x: x * ((x[:, None] @ x[..., None])[..., 0] / WIDTH + EPS).rsqrt(),
    "times reciprocal(sqrt)": lambda x: x * torch.reciprocal(torch.sqrt(x.pow(2).mean(-1, keepdim=True) + EPS)),
    "exp(-0.5 * log)": lambda x: x * torch.exp(-0.5 * torch.log(x.pow(2).mean(-1, keepdim=True) + EPS)),
    "eps inside a norm": lambda x: (
        x
        / torch.linalg.vector_norm(
            torch.cat([x / math.sqrt(WIDTH), torch.full((ROWS, 1), math.sqrt(EPS))], -1), dim=-1, keepdim=True
        )
    ),
    "div_ on a clone": lambda x: x.clone().div_(torch.sqrt(mean_square(x) + EPS)),
    "addcdiv": lambda x: torch.addcdiv(torch.zeros_like(x), x, torch.sqrt(mean_square(x) + EPS).expand_as(x)),
    "mean by a matrix of 1 / n": lambda x: x * torch.rsqrt(x.pow(2) @ torch.full((WIDTH, WIDTH), 1 / WIDTH) + EPS),
    "diag(rsqrt) @ x": lambda x: torch.diag(torch.rsqrt((x * x).mean(-1) + EPS)) @ x,
    "mean by F.linear": lambda x: x * torch.rsqrt(F.linear(x * x, torch.full((WIDTH, WIDTH), 1 / WIDTH)) + EPS),
    "mean by avg_pool1d": lambda x: x * torch.rsqrt(F.avg_pool1d((x * x)[:, None], WIDTH)[:, 0] + EPS),
    "mean by F.linear with a Parameter": lambda x: (
        x * torch.rsqrt(F.linear(x * x, nn.Parameter(torch.full((WIDTH, WIDTH), 1 / WIDTH))) + EPS)
    ),
    "mean by conv1d with a Parameter": lambda x: (
        x * torch.rsqrt(F.conv1d((x * x)[:, None], nn.Parameter(torch.full((1, 1, WIDTH), 1 / WIDTH)))[:, 0] + EPS)
    ),
}


def over_length_where_positive(x: Tensor) -> Tensor:
    n = length(x)
    return x / torch.where(n > 0, n, torch.ones_like(n))


UNIT_LENGTH = {
    "F.normalize": lambda x: F.normalize(x, dim=-1),
    "x / norm": lambda x: x / length(x),
    "x / norm.clamp_min(1e-12)": lambda x: x / length(x).clamp_min(1e-12),
    "x * rsqrt(sum of x * x)": lambda x: x * (x * x).sum(-1, keepdim=True).rsqrt(),
    "x / linalg.norm": lambda x: x / torch.linalg.norm(x, dim=-1, keepdim=True),
    "x / maximum(norm, 1e-12)": lambda x: x / torch.maximum(length(x), torch.tensor(1e-12)),
    "row by row": lambda x: torch.stack([row / row.norm() for row in x]),
    "row by row with dot": lambda x: torch.stack([row / torch.sqrt(torch.dot(row, row)) for row in x]),
    "row by row with @": lambda x: torch.stack([row / torch.sqrt(row @ row) for row in x]),
    "x / where(norm > 0, norm, 1)": over_length_where_positive,
    "x / norm.max(1e-12)": lambda x: x / length(x).max(torch.tensor(1e-12)),
}


VARIANCE = {
    "var": lambda x: wide(x.var(-1, keepdim=True)),
    "sum of (x - mean)² / (n - 1)": lambda x: wide(squares_about_mean(x) / (WIDTH - 1)),
    "std ** 2": lambda x: wide(x.std(-1, keepdim=True) ** 2),
    "sum of x² less sum² / n": lambda x: (
        wide((x * x).sum(-1, keepdim=True) - x.sum(-1, keepdim=True) ** 2 / WIDTH) / (WIDTH - 1)
    ),
    "var_mean": lambda x: wide(torch.var_mean(x, -1, keepdim=True)[0]),
    "torch.cov of each row": lambda x: wide(torch.stack([torch.cov(row) for row in x])[:, None]),
}

DEVIATION = {
    "std": lambda x: wide(x.std(-1, keepdim=True)),
    "sqrt(var)": lambda x: wide(x.var(-1, keepdim=True).sqrt()),
    "sqrt of the sum of (x - mean)²": lambda x: wide((squares_about_mean(x) / (WIDTH - 1)).sqrt()),
    "norm / sqrt(n - 1)": lambda x: wide(
        torch.linalg.vector_norm(centred(x), dim=-1, keepdim=True) / math.sqrt(WIDTH - 1)
    ),
}

LENGTH = {
    "norm": lambda x: wide(length(x)),
    "sqrt of the sum of x * x": lambda x: wide((x * x).sum(-1, keepdim=True).sqrt()),
    "(sum of x ** 2) ** 0.5": lambda x: wide((x**2).sum(-1, keepdim=True) ** 0.5),
    "sqrt of an einsum": lambda x: wide(torch.einsum("bd,bd->b", x, x)[:, None].sqrt()),
}

NORMS = {
    "LayerNorm": LAYER_NORM,
    "RMSNorm": RMS_NORM,
    "unit length": UNIT_LENGTH,
    "variance": VARIANCE,
    "deviation": DEVIATION,
    "length": LENGTH,
}
