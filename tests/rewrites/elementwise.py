"""Powers, exponentials, scalings and the identity, each written in many ways. The first form is the reference."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .tensors import ROWS, WIDTH

SQUARE = {
    "x ** 2": lambda x: x**2,
    "x * x": lambda x: x * x,
    "torch.square": torch.square,
    "pow(tensor(2))": lambda x: x.pow(torch.tensor(2.0)),
    "einsum": lambda x: torch.einsum("bd,bd->bd", x, x),
    "|x| ** 2": lambda x: x.abs() ** 2,
    "x * clone": lambda x: x * x.clone(),
    "bmm of numbers": lambda x: (x[..., None, None] @ x[..., None, None])[..., 0, 0],
    "|x| * |x|": lambda x: x.abs() * x.abs(),
    "stack([x, x]).prod(0)": lambda x: torch.stack([x, x]).prod(0),
    "addcmul": lambda x: torch.addcmul(torch.zeros_like(x), x, x),
    "mse_loss(x, 0)": lambda x: F.mse_loss(x, torch.zeros_like(x), reduction="none"),
    "diagonal of the outer product": lambda x: torch.einsum("bi,bj->bij", x, x).diagonal(dim1=1, dim2=2),
    "(-x) * (-x)": lambda x: (-x) * (-x),
    "(2 * x) * (0.5 * x)": lambda x: (2 * x) * (0.5 * x),
    "mul_ on a clone": lambda x: x.clone().mul_(x),
}

CUBE = {
    "x ** 3": lambda x: x**3,
    "x * x * x": lambda x: x * x * x,
    "x ** 2 * x": lambda x: x**2 * x,
    "x * (x * x)": lambda x: x * (x * x),
    "stack([x, x, x]).prod(0)": lambda x: torch.stack([x, x, x]).prod(0),
    "pow(x, 3.0)": lambda x: torch.pow(x, 3.0),
    "relu(x) ** 3 - relu(-x) ** 3": lambda x: F.relu(x) ** 3 - F.relu(-x) ** 3,
    "x * square(x)": lambda x: x * x.square(),
}

SQUARED_RELU = {
    "relu(x) ** 2": lambda x: F.relu(x) ** 2,
    "relu(x) * relu(x)": lambda x: F.relu(x) * F.relu(x),
    "x * relu(x)": lambda x: x * F.relu(x),
    "clamp(min=0).square()": lambda x: x.clamp(min=0).square(),
    "x * x * (x > 0)": lambda x: x * x * (x > 0),
    "where(x > 0, x * x, 0)": lambda x: torch.where(x > 0, x * x, 0.0),
}

ABSOLUTE = {
    "torch.abs": torch.abs,
    "x * sign(x)": lambda x: x * torch.sign(x),
    "where(x > 0, x, -x)": lambda x: torch.where(x > 0, x, -x),
    "relu(x) + relu(-x)": lambda x: F.relu(x) + F.relu(-x),
    "sqrt(x ** 2)": lambda x: torch.sqrt(x**2),
    "maximum(x, -x)": lambda x: torch.maximum(x, -x),
    "(x * x) ** 0.5": lambda x: (x * x) ** 0.5,
    "vector_norm of one entry": lambda x: torch.linalg.vector_norm(x[..., None], dim=-1),
    "norm(p=1) of one entry": lambda x: x[..., None].norm(p=1, dim=-1),
    "norm of one entry": lambda x: x[..., None].norm(dim=-1),
}

DOUBLE = {
    "2 * x": lambda x: 2 * x,
    "x + x": lambda x: x + x,
    "x * tensor(2)": lambda x: x * torch.tensor(2.0),
    "x / 0.5": lambda x: x / 0.5,
    "cat, then sum": lambda x: torch.cat([x[None], x[None]]).sum(0),
    "x * Parameter(2)": lambda x: x * nn.Parameter(torch.tensor(2.0)),
    "x * Parameter of a row": lambda x: x * nn.Parameter(torch.full((WIDTH,), 2.0)),
    "x @ (2 * eye)": lambda x: x @ (2 * torch.eye(WIDTH)),
    "x.add(x, alpha=1)": lambda x: x.add(x, alpha=1),
    "x * full(2)": lambda x: x * torch.full((ROWS, WIDTH), 2.0),
    "repeat, then sum": lambda x: x.repeat(2, 1, 1).sum(0),
    "stack([x, x]).cumsum(0)[1]": lambda x: torch.stack([x, x]).cumsum(0)[1],
    "x - (-x)": lambda x: x - (-x),
    "rsub(-x, x)": lambda x: torch.rsub(-x, x),
    "lerp(x, 3 * x, 0.5)": lambda x: torch.lerp(x, 3 * x, 0.5),
    "x * exp(log(2))": lambda x: x * torch.exp(torch.tensor(math.log(2.0))),
}


def sorted_and_back(x: Tensor) -> Tensor:
    values, order = x.sort(1)
    return values.gather(1, order.argsort(1))


IDENTITY = {
    "x * 1": lambda x: x * 1,
    "x + 0": lambda x: x + 0,
    "x + 0 * a roll": lambda x: x + 0 * x.roll(1, 1),
    "where(True, x, 0)": lambda x: torch.where(torch.ones_like(x, dtype=torch.bool), x, 0.0),
    "transposed twice": lambda x: x.t().t(),
    "x[arange]": lambda x: x[torch.arange(ROWS)],
    "cat of chunks": lambda x: torch.cat(x.chunk(2, 1), 1),
    "0.5 * x + 0.5 * x": lambda x: 0.5 * x + 0.5 * x,
    "neg twice": lambda x: x.neg().neg(),
    "x + y - y": lambda x: x + x.roll(1, 1) - x.roll(1, 1),
    "relu(x) - relu(-x)": lambda x: F.relu(x) - F.relu(-x),
    "irfft(rfft(x))": lambda x: torch.fft.irfft(torch.fft.rfft(x), n=WIDTH),
    "sorted and back": sorted_and_back,
    "diff of cumsum": lambda x: torch.diff(x.cumsum(1), dim=1, prepend=torch.zeros(ROWS, 1)),
    "scatter into zeros": lambda x: torch.zeros_like(x).scatter(1, torch.arange(WIDTH).expand(ROWS, WIDTH), x),
    "x @ eye": lambda x: x @ torch.eye(WIDTH),
    "real part of a complex": lambda x: torch.view_as_real(torch.complex(x, torch.zeros_like(x)))[..., 0],
    "x * y / y": lambda x: x * (1 + x.roll(1, 1) ** 2) / (1 + x.roll(1, 1) ** 2),
    "sign(x) * |x|": lambda x: x.sign() * x.abs(),
    "clone": lambda x: x.clone(),
    "masked_scatter into zeros": lambda x: torch.zeros_like(x).masked_scatter(torch.ones_like(x, dtype=torch.bool), x),
}

EXPONENTIAL = {
    "torch.exp": torch.exp,
    "expm1(x) + 1": lambda x: torch.expm1(x) + 1,
    "exp2(x / log(2))": lambda x: torch.exp2(x / math.log(2)),
    "e ** x": lambda x: math.e**x,
    "pow(tensor(e), x)": lambda x: torch.pow(torch.tensor(math.e), x),
    "1 / exp(-x)": lambda x: 1 / torch.exp(-x),
    "exp(x / 2) ** 2": lambda x: torch.exp(x / 2) ** 2,
    "exp(x / 2) * exp(x / 2)": lambda x: torch.exp(x / 2) * torch.exp(x / 2),
}

ROOT_OF_SQUARE_AND_ONE = {
    "sqrt(x * x + 1)": lambda x: torch.sqrt(x * x + 1),
    "(x * x + 1) ** 0.5": lambda x: (x * x + 1) ** 0.5,
    "1 / rsqrt": lambda x: 1 / torch.rsqrt(x * x + 1),
    "(x * x + 1) * rsqrt": lambda x: (x * x + 1) * torch.rsqrt(x * x + 1),
    "vector_norm of stack([x, 1])": lambda x: torch.linalg.vector_norm(torch.stack([x, torch.ones_like(x)]), dim=0),
    "hypot(x, 1)": lambda x: torch.hypot(x, torch.ones_like(x)),
    "abs of a complex": lambda x: torch.complex(x, torch.ones_like(x)).abs(),
}

ELEMENTWISE = {
    "square": SQUARE,
    "cube": CUBE,
    "squared ReLU": SQUARED_RELU,
    "absolute value": ABSOLUTE,
    "double": DOUBLE,
    "identity": IDENTITY,
    "exponential": EXPONENTIAL,
    "root of x² + 1": ROOT_OF_SQUARE_AND_ONE,
}
