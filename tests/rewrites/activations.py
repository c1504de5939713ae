"""Activations of one tensor, each written in many ways. The first form of a family is the reference."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Normal
from torch.nn import functional as F

ROOT_HALF = math.sqrt(0.5)
SLOPE, CUBIC = math.sqrt(2 / math.pi), 0.044715  # of the tanh in GELU


def zeros_written_where_negative(x: Tensor) -> Tensor:
    y = x.clone()
    y[x < 0] = 0.0
    return y


def half_by_tanh(x: Tensor) -> Tensor:
    return 0.5 * (1 + torch.tanh(x / 2))


def bent(x: Tensor) -> Tensor:
    """Return the argument of the tanh in GELU."""
    return SLOPE * (x + CUBIC * x**3)


RELU = {
    "F.relu": F.relu,
    "clamp(min=0)": lambda x: x.clamp(min=0),
    "clamp_min(0)": lambda x: x.clamp_min(0),
    "maximum(x, zeros)": lambda x: torch.maximum(x, torch.zeros_like(x)),
    "max(x, 0)": lambda x: torch.max(x, torch.tensor(0.0)),
    "fmax(x, 0)": lambda x: torch.fmax(x, torch.tensor(0.0)),
    "where(x > 0, x, 0)": lambda x: torch.where(x > 0, x, 0.0),
    "x * (x > 0)": lambda x: x * (x > 0),
    "F.threshold(x, 0, 0)": lambda x: F.threshold(x, 0, 0),
    "(x + |x|) / 2": lambda x: (x + x.abs()) / 2,
    "hardtanh(x, 0, 1e9)": lambda x: F.hardtanh(x, 0.0, 1e9),
    "masked_fill(x < 0, 0)": lambda x: x.masked_fill(x < 0, 0.0),
    "leaky_relu(x, 0)": lambda x: F.leaky_relu(x, 0.0),
    "x - clamp(max=0)": lambda x: x - x.clamp(max=0),
    "stack([x, 0]).max(0)": lambda x: torch.stack([x, torch.zeros_like(x)]).max(0)[0],
    "stack([x, 0]).amax(0)": lambda x: torch.stack([x, torch.zeros_like(x)]).amax(0),
    "-minimum(-x, 0)": lambda x: -torch.minimum(-x, torch.tensor(0.0)),
    "prelu(x, 0)": lambda x: F.prelu(x, torch.zeros(1)),
    "elu(x, alpha=0)": lambda x: F.elu(x, 0.0),
    "relu_ of a clone": lambda x: x.clone().relu_(),
    "x * heaviside(x)": lambda x: x * torch.heaviside(x, torch.tensor(0.0)),
    "x * ((sign(x) + 1) / 2)": lambda x: x * ((torch.sign(x) + 1) / 2),
    "0.5 * x * (sign(x) + 1)": lambda x: 0.5 * x * (torch.sign(x) + 1),
    "(x + sqrt(x * x)) / 2": lambda x: (x + torch.sqrt(x * x)) / 2,
    "nan_to_num(relu(x))": lambda x: torch.nan_to_num(F.relu(x)),
    "where(x > 0, 1, 0) * x": lambda x: torch.where(x > 0, 1.0, 0.0) * x,
    "x * ((x > 0) * 2) / 2": lambda x: x * ((x > 0).double() * 2) / 2,
    "y[x < 0] = 0": zeros_written_where_negative,
}

LEAKY_RELU = {
    "F.leaky_relu": lambda x: F.leaky_relu(x, 0.1),
    "where(x > 0, x, 0.1 * x)": lambda x: torch.where(x > 0, x, 0.1 * x),
    "maximum(x, 0.1 * x)": lambda x: torch.maximum(x, 0.1 * x),
    "relu(x) - 0.1 * relu(-x)": lambda x: F.relu(x) - 0.1 * F.relu(-x),
    "x * where(x > 0, 1, 0.1)": lambda x: x * torch.where(x > 0, 1.0, 0.1),
    "prelu(x, 0.1)": lambda x: F.prelu(x, torch.full((1,), 0.1)),
    "clamp(min=0) + 0.1 * clamp(max=0)": lambda x: x.clamp(min=0) + 0.1 * x.clamp(max=0),
}

SIGMOID = {
    "torch.sigmoid": torch.sigmoid,
    "1 / (1 + exp(-x))": lambda x: 1 / (1 + torch.exp(-x)),
    "reciprocal(1 + exp(-x))": lambda x: torch.reciprocal(1 + torch.exp(-x)),
    "(1 + exp(-x)) ** -1": lambda x: (1 + torch.exp(-x)) ** -1,
    "exp(x) / (1 + exp(x))": lambda x: x.exp() / (1 + x.exp()),
    "0.5 * (1 + tanh(x / 2))": lambda x: 0.5 * (1 + torch.tanh(x / 2)),
    "0.5 * tanh(x / 2) + 0.5": lambda x: 0.5 * torch.tanh(x / 2) + 0.5,
    "exp(logsigmoid(x))": lambda x: torch.exp(F.logsigmoid(x)),
    "exp(-softplus(-x))": lambda x: torch.exp(-F.softplus(-x)),
    "softmax([x, 0])[0]": lambda x: torch.softmax(torch.stack([x, torch.zeros_like(x)]), 0)[0],
    "1 - sigmoid(-x)": lambda x: 1 - torch.sigmoid(-x),
    "special.expit": torch.special.expit,
    "sigmoid_ of a clone": lambda x: x.clone().sigmoid_(),
    "torch.sigmoid again": torch.sigmoid,
}

TANH = {
    "torch.tanh": torch.tanh,
    "2 * sigmoid(2 * x) - 1": lambda x: 2 * torch.sigmoid(2 * x) - 1,
    "(exp(x) - exp(-x)) / (exp(x) + exp(-x))": lambda x: (x.exp() - (-x).exp()) / (x.exp() + (-x).exp()),
    "(1 - exp(-2x)) / (1 + exp(-2x))": lambda x: (1 - torch.exp(-2 * x)) / (1 + torch.exp(-2 * x)),
    "1 - 2 / (1 + exp(2x))": lambda x: 1 - 2 / (1 + torch.exp(2 * x)),
    "sinh(x) / cosh(x)": lambda x: torch.sinh(x) / torch.cosh(x),
    "torch.tanh again": torch.tanh,
    "expm1(2x) / (expm1(2x) + 2)": lambda x: torch.expm1(2 * x) / (torch.expm1(2 * x) + 2),
}

SILU = {
    "F.silu": F.silu,
    "x * sigmoid(x)": lambda x: x * torch.sigmoid(x),
    "sigmoid(x) * x": lambda x: torch.sigmoid(x) * x,
    "x / (1 + exp(-x))": lambda x: x / (1 + torch.exp(-x)),
    "x * (1 / (1 + exp(-x)))": lambda x: x * (1 / (1 + torch.exp(-x))),
    "x * (0.5 * (1 + tanh(x / 2)))": lambda x: x * (0.5 * (1 + torch.tanh(x / 2))),
    "0.5 * x * (1 + tanh(x / 2))": lambda x: 0.5 * x * (1 + torch.tanh(x / 2)),
    "x * sigmoid(clone)": lambda x: x * torch.sigmoid(x.clone()),
    "x * sigmoid by tanh of a clone": lambda x: x * half_by_tanh(x.clone()),
    "x * sigmoid by tanh of a view": lambda x: x * half_by_tanh(x.view(-1)).view_as(x),
    "by tanh, in slices": lambda x: torch.cat(
        [x[:, :3] * half_by_tanh(x[:, :3]), x[:, 3:] * half_by_tanh(x[:, 3:])], 1
    ),
    "0.5 * x + 0.5 * x * tanh(x / 2)": lambda x: 0.5 * x + 0.5 * x * torch.tanh(x / 2),
    "addcmul": lambda x: torch.addcmul(torch.zeros_like(x), x, torch.sigmoid(x)),
    "einsum": lambda x: torch.einsum("bd,bd->bd", x, torch.sigmoid(x)),
    "mul_ on a clone": lambda x: x.clone().mul_(torch.sigmoid(x)),
    "x * exp(x) / (1 + exp(x))": lambda x: x * x.exp() / (1 + x.exp()),
    "stack([x, sigmoid(x)]).prod(0)": lambda x: torch.stack([x, torch.sigmoid(x)]).prod(0),
    "x - x * sigmoid(-x)": lambda x: x - x * torch.sigmoid(-x),
    "glu(cat([x, x]))": lambda x: F.glu(torch.cat([x, x], -1)),
    "diag(x) @ sigmoid(x)": lambda x: (torch.diag_embed(x) @ torch.sigmoid(x)[..., None])[..., 0],
    "x * softmax([x, 0])[0]": lambda x: x * torch.softmax(torch.stack([x, torch.zeros_like(x)]), 0)[0],
    "silu in place": lambda x: F.silu(x.clone(), inplace=True),
    "lerp(0, x, sigmoid(x))": lambda x: torch.lerp(torch.zeros_like(x), x, torch.sigmoid(x)),
}

GELU = {
    "F.gelu": F.gelu,
    "0.5 * x * (1 + erf)": lambda x: 0.5 * x * (1 + torch.erf(x * ROOT_HALF)),
    "x * 0.5 * (1 + erf)": lambda x: x * 0.5 * (1 + torch.erf(x / math.sqrt(2))),
    "x * special.ndtr(x)": lambda x: x * torch.special.ndtr(x),
    "x * 0.5 * erfc(-x)": lambda x: x * 0.5 * torch.erfc(-x * ROOT_HALF),
    "0.5 * x + 0.5 * x * erf": lambda x: 0.5 * x + 0.5 * x * torch.erf(x * ROOT_HALF),
    "(x + x * erf) / 2": lambda x: (x + x * torch.erf(x * ROOT_HALF)) / 2,
    "x * Normal(0, 1).cdf(x)": lambda x: x * Normal(0.0, 1.0).cdf(x),
}

TANH_GELU = {
    "F.gelu(tanh)": lambda x: F.gelu(x, approximate="tanh"),
    "gelu_new, with pow": lambda x: 0.5 * x * (1 + torch.tanh(SLOPE * (x + CUBIC * torch.pow(x, 3)))),
    "x * x * x": lambda x: 0.5 * x * (1 + torch.tanh(SLOPE * (x + CUBIC * x * x * x))),
    "gelu_fast, x factored out": lambda x: 0.5 * x * (1 + torch.tanh(x * SLOPE * (1 + CUBIC * x * x))),
    "x * sigmoid(2 * ...)": lambda x: x * torch.sigmoid(2 * SLOPE * (x + CUBIC * x**3)),
    "of whole slices": lambda x: 0.5 * x[:, :] * (1 + torch.tanh(SLOPE * (x[:, :] + CUBIC * x[:, :] ** 3))),
    "0.5 * x + 0.5 * x * tanh": lambda x: 0.5 * x + 0.5 * x * torch.tanh(bent(x)),
    "addcmul": lambda x: torch.addcmul(0.5 * x, 0.5 * x, torch.tanh(bent(x))),
    "tanh of a reshaped x": lambda x: 0.5 * x * (1 + torch.tanh(bent(x.reshape(-1)))).view_as(x),
    "square()": lambda x: 0.5 * x * (1 + torch.tanh(SLOPE * x * (1 + CUBIC * x.square()))),
    "x / (1 + exp(-2 * ...))": lambda x: x / (1 + torch.exp(-2 * SLOPE * (x + CUBIC * x**3))),
}

MISH = {
    "F.mish": F.mish,
    "x * tanh(softplus(x))": lambda x: x * torch.tanh(F.softplus(x)),
    "x * tanh(log1p(exp(x)))": lambda x: x * torch.tanh(torch.log1p(torch.exp(x))),
    "a quotient of exp(x)": lambda x: x * ((1 + x.exp()) ** 2 - 1) / ((1 + x.exp()) ** 2 + 1),
    "x * tanh(log(1 + exp(x)))": lambda x: x * torch.tanh(torch.log(1 + torch.exp(x))),
}

HARD_SWISH = {
    "F.hardswish": F.hardswish,
    "x * relu6(x + 3) / 6": lambda x: x * F.relu6(x + 3) / 6,
    "x * clamp(x + 3, 0, 6) / 6": lambda x: x * (x + 3).clamp(0, 6) / 6,
    "clamp_min, clamp_max": lambda x: x * (x + 3).clamp_min(0).clamp_max(6) / 6,
    "x * hardsigmoid(x)": lambda x: x * F.hardsigmoid(x),
    "minimum of maximum": lambda x: x * torch.minimum(torch.maximum(x + 3, torch.tensor(0.0)), torch.tensor(6.0)) / 6,
    "where in where": lambda x: torch.where(x < -3, 0.0, torch.where(x > 3, x, x * (x + 3) / 6)),
}

SOFTPLUS = {
    "F.softplus": F.softplus,
    "log1p(exp(x))": lambda x: torch.log1p(x.exp()),
    "logaddexp(x, 0)": lambda x: torch.logaddexp(x, torch.zeros_like(x)),
    "-logsigmoid(-x)": lambda x: -F.logsigmoid(-x),
    "relu(x) + log1p(exp(-|x|))": lambda x: F.relu(x) + torch.log1p(torch.exp(-x.abs())),
    "log(1 + exp(x))": lambda x: torch.log(1 + x.exp()),
    "softplus(2x, beta=0.5) / 2": lambda x: F.softplus(x * 2, beta=0.5) * 0.5,
    "logsumexp([x, 0])": lambda x: torch.logsumexp(torch.stack([x, torch.zeros_like(x)]), 0),
    "x + softplus(-x)": lambda x: x + F.softplus(-x),
}

ELU = {
    "F.elu": F.elu,
    "where(x > 0, x, expm1(x))": lambda x: torch.where(x > 0, x, torch.expm1(x)),
    "where(x > 0, x, exp(x) - 1)": lambda x: torch.where(x > 0, x, torch.exp(x) - 1),
    "relu(x) + expm1(clamp(max=0))": lambda x: F.relu(x) + torch.expm1(x.clamp(max=0)),
    "relu(x) + exp(minimum(x, 0)) - 1": lambda x: F.relu(x) + torch.exp(torch.minimum(x, torch.tensor(0.0))) - 1,
    "F.celu": F.celu,
    "relu(x) - relu(1 - exp(x))": lambda x: F.relu(x) - F.relu(1 - x.exp()),
    "elu in place": lambda x: F.elu(x.clone(), inplace=True),
}

SOFTSIGN = {
    "F.softsign": F.softsign,
    "x / (1 + |x|)": lambda x: x / (1 + x.abs()),
    "x * (1 / (1 + |x|))": lambda x: x * (1 / (1 + x.abs())),
    "x / (1 + sqrt(x * x))": lambda x: x / (1 + torch.sqrt(x * x)),
}

TANHSHRINK = {"F.tanhshrink": F.tanhshrink, "x - tanh(x)": lambda x: x - torch.tanh(x)}

RELU6 = {
    "F.relu6": F.relu6,
    "clamp(0, 6)": lambda x: x.clamp(0, 6),
    "minimum(relu(x), 6)": lambda x: torch.minimum(F.relu(x), torch.tensor(6.0)),
    "hardtanh(x, 0, 6)": lambda x: F.hardtanh(x, 0.0, 6.0),
    "relu(x) - relu(x - 6)": lambda x: F.relu(x) - F.relu(x - 6),
}

HARD_SIGMOID = {
    "F.hardsigmoid": F.hardsigmoid,
    "relu6(x + 3) / 6": lambda x: F.relu6(x + 3) / 6,
    "clamp(x / 6 + 0.5, 0, 1)": lambda x: (x / 6 + 0.5).clamp(0, 1),
}

ACTIVATIONS = {
    "ReLU": RELU,
    "leaky ReLU": LEAKY_RELU,
    "sigmoid": SIGMOID,
    "tanh": TANH,
    "SiLU": SILU,
    "GELU": GELU,
    "tanh-GELU": TANH_GELU,
    "Mish": MISH,
    "hard swish": HARD_SWISH,
    "softplus": SOFTPLUS,
    "ELU": ELU,
    "softsign": SOFTSIGN,
    "tanhshrink": TANHSHRINK,
    "ReLU6": RELU6,
    "hard sigmoid": HARD_SIGMOID,
}
