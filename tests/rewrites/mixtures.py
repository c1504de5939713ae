"""Quotients, extremes and mixtures of several tensors, each written in many ways.

The first form of a family is the reference.
"""

from __future__ import annotations

import functools

import torch
from torch import Tensor
from torch.nn import functional as F

from .tensors import ROWS, WIDTH

EPS = 1e-5


# ---- Two tensors -----------------------------------------------------------------------------------------------

QUOTIENT = {
    "a / b": lambda a, b: a / b,
    "a * (1 / b)": lambda a, b: a * (1 / b),
    "a * reciprocal(b)": lambda a, b: a * b.reciprocal(),
    "a * b ** -1": lambda a, b: a * b**-1,
    "addcdiv": lambda a, b: torch.addcdiv(torch.zeros_like(a), a, b),
    "div_ on a clone": lambda a, b: a.clone().div_(b),
    "(2 * a) / (2 * b)": lambda a, b: (2 * a) / (2 * b),
    "-a / -b": lambda a, b: -a / -b,
    "a * b / b ** 2": lambda a, b: a * b / b**2,
    "a / |b| * sign(b), detached": lambda a, b: a / b.abs() * b.detach().sign(),
}

OVER_ONE_PLUS_SQUARE = {
    "a / (1 + b * b)": lambda a, b: a / (1 + b * b),
    "a * (1 / (1 + b * b))": lambda a, b: a * (1 / (1 + b * b)),
    "a * reciprocal(1 + b ** 2)": lambda a, b: a * torch.reciprocal(1 + b**2),
    "a * (1 + b ** 2) ** -1": lambda a, b: a * (1 + b**2) ** -1,
    "addcdiv": lambda a, b: torch.addcdiv(torch.zeros_like(a), a, 1 + b * b),
    "a * rsqrt ** 2": lambda a, b: a * torch.rsqrt(1 + b * b) ** 2,
    "a * exp(-log(1 + b * b))": lambda a, b: a * torch.exp(-torch.log(1 + b * b)),
    "a * exp(-log1p(b * b))": lambda a, b: a * torch.exp(-torch.log1p(b * b)),
}

LARGER = {
    "maximum(a, b)": torch.maximum,
    "max(a, b)": torch.max,
    "fmax(a, b)": torch.fmax,
    "where(a > b, a, b)": lambda a, b: torch.where(a > b, a, b),
    "a + relu(b - a)": lambda a, b: a + F.relu(b - a),
    "b + relu(a - b)": lambda a, b: b + F.relu(a - b),
    "stack.amax(0)": lambda a, b: torch.stack([a, b]).amax(0),
    "stack.max(0)": lambda a, b: torch.stack([a, b]).max(0)[0],
    "stack.topk(1)": lambda a, b: torch.stack([a, b]).topk(1, 0)[0][0],
    "stack.sort, last": lambda a, b: torch.stack([a, b]).sort(0)[0][1],
    "-minimum(-a, -b)": lambda a, b: -torch.minimum(-a, -b),
    "(a + b + |a - b|) / 2": lambda a, b: (a + b + (a - b).abs()) / 2,
    "masked_scatter": lambda a, b: a.masked_scatter(b > a, b[b > a]),
    "gather at argmax": lambda a, b: torch.stack([a, b]).gather(0, torch.stack([a, b]).argmax(0, keepdim=True))[0],
    "max_pool1d": lambda a, b: F.max_pool1d(torch.stack([a, b], -1), 2)[..., 0],
    "amax of a view of cat": lambda a, b: torch.cat([a, b], 1).view(ROWS, 2, WIDTH).amax(1),
}

SMALLER = {
    "minimum(a, b)": torch.minimum,
    "where(a < b, a, b)": lambda a, b: torch.where(a < b, a, b),
    "a - relu(a - b)": lambda a, b: a - F.relu(a - b),
    "stack.amin(0)": lambda a, b: torch.stack([a, b]).amin(0),
    "-maximum(-a, -b)": lambda a, b: -torch.maximum(-a, -b),
    "(a + b - |a - b|) / 2": lambda a, b: (a + b - (a - b).abs()) / 2,
    "a + b - maximum(a, b)": lambda a, b: a + b - torch.maximum(a, b),
    "stack.sort, first": lambda a, b: torch.stack([a, b]).sort(0)[0][0],
}

WEIGHTED_MEAN = {
    "0.7 * a + 0.3 * b": lambda a, b: 0.7 * a + 0.3 * b,
    "lerp(a, b, 0.3)": lambda a, b: torch.lerp(a, b, 0.3),
    "lerp with a tensor": lambda a, b: torch.lerp(a, b, torch.full_like(a, 0.3)),
    "a + 0.3 * (b - a)": lambda a, b: a + 0.3 * (b - a),
    "add(alpha)": lambda a, b: torch.add(0.7 * a, b, alpha=0.3),
    "sub(alpha)": lambda a, b: torch.sub(a, a - b, alpha=0.3),
    "weights @ stack": lambda a, b: torch.tensordot(torch.tensor([0.7, 0.3]), torch.stack([a, b]), 1),
    "einsum": lambda a, b: torch.einsum("k,kbd->bd", torch.tensor([0.7, 0.3]), torch.stack([a, b])),
    "conv1d over the pair": lambda a, b: F.conv1d(torch.stack([a, b], 1), torch.tensor([[[0.7], [0.3]]]))[:, 0],
    "in place": lambda a, b: a.mul(0.7).add_(b, alpha=0.3),
    "cat @ a constant matrix": lambda a, b: (
        torch.cat([a, b], 1) @ torch.cat([0.7 * torch.eye(WIDTH), 0.3 * torch.eye(WIDTH)])
    ),
}

PAIRS = {
    "quotient": QUOTIENT,
    "over one plus a square": OVER_ONE_PLUS_SQUARE,
    "larger of two": LARGER,
    "smaller of two": SMALLER,
    "weighted mean": WEIGHTED_MEAN,
}

# ---- Three tensors ---------------------------------------------------------------------------------------------


def by_stacks(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    t = torch.sigmoid(c)
    return (torch.stack([1 - t, t]) * torch.stack([a, b])).sum(0)


GATED_MEAN = {
    "(1 - t) * a + t * b": lambda a, b, c: (1 - torch.sigmoid(c)) * a + torch.sigmoid(c) * b,
    "t * b + (1 - t) * a": lambda a, b, c: torch.sigmoid(c) * b + (1 - torch.sigmoid(c)) * a,
    "a + t * (b - a)": lambda a, b, c: a + torch.sigmoid(c) * (b - a),
    "b + (1 - t) * (a - b)": lambda a, b, c: b + (1 - torch.sigmoid(c)) * (a - b),
    "a - t * a + t * b": lambda a, b, c: a - torch.sigmoid(c) * a + torch.sigmoid(c) * b,
    "lerp(a, b, t)": lambda a, b, c: torch.lerp(a, b, torch.sigmoid(c)),
    "lerp(b, a, 1 - t)": lambda a, b, c: torch.lerp(b, a, 1 - torch.sigmoid(c)),
    "addcmul(a, t, b - a)": lambda a, b, c: torch.addcmul(a, torch.sigmoid(c), b - a),
    "addcmul((1 - t) * a, t, b)": lambda a, b, c: torch.addcmul((1 - torch.sigmoid(c)) * a, torch.sigmoid(c), b),
    "sigmoid(-c) * a + sigmoid(c) * b": lambda a, b, c: torch.sigmoid(-c) * a + torch.sigmoid(c) * b,
    "(a + exp(c) * b) / (1 + exp(c))": lambda a, b, c: (a + torch.exp(c) * b) / (1 + torch.exp(c)),
    "by tanh": lambda a, b, c: 0.5 * (1 - torch.tanh(c / 2)) * a + 0.5 * (1 + torch.tanh(c / 2)) * b,
    "(a + b) / 2 + tanh(c / 2) * (b - a) / 2": lambda a, b, c: (a + b) / 2 + torch.tanh(c / 2) * (b - a) / 2,
    "of stacks": by_stacks,
    "stack.sum(0)": lambda a, b, c: torch.stack([(1 - torch.sigmoid(c)) * a, torch.sigmoid(c) * b]).sum(0),
    "(1 - t) * a - (-t * b)": lambda a, b, c: (1 - torch.sigmoid(c)) * a - (-torch.sigmoid(c) * b),
}

MODULATED_NORM = {
    "LN(a) * (1 + b) + c": lambda a, b, c: F.layer_norm(a, (WIDTH,)) * (1 + b) + c,
    "(1 + b) * LN(a) + c": lambda a, b, c: (1 + b) * F.layer_norm(a, (WIDTH,)) + c,
    "c + LN(a) + LN(a) * b": lambda a, b, c: c + F.layer_norm(a, (WIDTH,)) + F.layer_norm(a, (WIDTH,)) * b,
    "addcmul(c, LN(a), 1 + b)": lambda a, b, c: torch.addcmul(c, F.layer_norm(a, (WIDTH,)), 1 + b),
    "torch.add of ones": lambda a, b, c: F.layer_norm(a, (WIDTH,)) * torch.add(torch.ones_like(b), b) + c,
    "with var_mean": lambda a, b, c: normalised(a) * (1 + b) + c,
    "LN(a) * (b - (-1)) - (-c)": lambda a, b, c: F.layer_norm(a, (WIDTH,)) * (b - (-1)) - (-c),
}


def normalised(a: Tensor) -> Tensor:
    return (a - a.mean(-1, keepdim=True)) * torch.rsqrt(a.var(-1, unbiased=False, keepdim=True) + EPS)


TRIPLES = {"gated mean": GATED_MEAN, "modulated norm": MODULATED_NORM}

# ---- Four tensors ----------------------------------------------------------------------------------------------


def probabilities(s: Tensor, t: Tensor) -> Tensor:
    return torch.softmax(torch.stack([s, t]), 0)


def by_exponentials(a: Tensor, b: Tensor, s: Tensor, t: Tensor) -> Tensor:
    p, q = s.exp(), t.exp()
    return (p * a + q * b) / (p + q)


def by_divided_exponentials(a: Tensor, b: Tensor, s: Tensor, t: Tensor) -> Tensor:
    p, q = s.exp(), t.exp()
    return p / (p + q) * a + q / (p + q) * b


def by_shifted_exponentials(a: Tensor, b: Tensor, s: Tensor, t: Tensor) -> Tensor:
    top = torch.maximum(s, t)
    return by_divided_exponentials(a, b, s - top, t - top)


MIX_BY_SOFTMAX = {
    "softmax of a stack": lambda a, b, s, t: probabilities(s, t)[0] * a + probabilities(s, t)[1] * b,
    "stack times stack, summed": lambda a, b, s, t: (probabilities(s, t) * torch.stack([a, b])).sum(0),
    "einsum": lambda a, b, s, t: torch.einsum("kbd,kbd->bd", probabilities(s, t), torch.stack([a, b])),
    "exp(log_softmax)": lambda a, b, s, t: (F.log_softmax(torch.stack([s, t]), 0).exp() * torch.stack([a, b])).sum(0),
    "exponentials over their sum": by_divided_exponentials,
    "sum over the sum of exponentials": by_exponentials,
    "shifted exponentials": by_shifted_exponentials,
    "exp(s - logaddexp(s, t))": lambda a, b, s, t: functools.reduce(
        torch.add, [torch.exp(logit - torch.logaddexp(s, t)) * v for logit, v in ((s, a), (t, b))]
    ),
    "softmax over the last dimension": lambda a, b, s, t: (
        torch.softmax(torch.stack([s, t], -1), -1) * torch.stack([a, b], -1)
    ).sum(-1),
    "sigmoid(s - t)": lambda a, b, s, t: torch.sigmoid(s - t) * a + torch.sigmoid(t - s) * b,
    "lerp(b, a, softmax)": lambda a, b, s, t: torch.lerp(b, a, probabilities(s, t)[0]),
    "b + p * (a - b)": lambda a, b, s, t: b + probabilities(s, t)[0] * (a - b),
}

QUADRUPLES = {"mix by softmax": MIX_BY_SOFTMAX}
