"""Means, maxima and softmax over a row, each written in many ways. The first form is the reference."""

from __future__ import annotations

import functools

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .norms import mean, wide
from .tensors import ROWS, WIDTH

SAME_SEGMENT = torch.zeros(ROWS, WIDTH, dtype=torch.long)

MEAN = {
    "mean": lambda x: wide(mean(x)),
    "sum / n": lambda x: wide(x.sum(-1, keepdim=True) / WIDTH),
    "x @ full(1 / n)": lambda x: x @ torch.full((WIDTH, WIDTH), 1 / WIDTH),
    "avg_pool1d": lambda x: wide(F.avg_pool1d(x[:, None], WIDTH)[:, 0]),
    "adaptive_avg_pool1d": lambda x: wide(F.adaptive_avg_pool1d(x[:, None], 1)[:, 0]),
    "last of cumsum": lambda x: wide(x.cumsum(-1)[:, -1:] / WIDTH),
    "einsum": lambda x: wide(torch.einsum("bd->b", x)[:, None]) / WIDTH,
    "var_mean": lambda x: wide(torch.var_mean(x, -1, keepdim=True)[1]),
    "std_mean": lambda x: wide(torch.std_mean(x, -1, keepdim=True)[1]),
    "F.linear": lambda x: F.linear(x, torch.ones(WIDTH, WIDTH) / WIDTH),
    "conv1d": lambda x: wide(F.conv1d(x[:, None], torch.ones(1, 1, WIDTH) / WIDTH)[:, 0]),
    "scatter_add": lambda x: wide(torch.zeros(ROWS, 1).scatter_add(1, SAME_SEGMENT, x)) / WIDTH,
    "masked, over the mask's sum": lambda x: wide(
        (x * torch.ones(ROWS, WIDTH)).sum(-1, keepdim=True) / torch.ones(ROWS, WIDTH).sum(-1, keepdim=True)
    ),
    "nanmean": lambda x: wide(x.nanmean(-1, keepdim=True)),
    "constant attention": lambda x: wide((torch.softmax(torch.zeros(ROWS, 1, WIDTH), -1) @ x[..., None])[..., 0]),
}


def by_infinity_norm(x: Tensor) -> Tensor:
    """Compute the largest entry as an infinity norm, after making all entries positive."""
    lowest = x.amin().detach() - 1
    return torch.linalg.vector_norm(x - lowest, float("inf"), dim=-1, keepdim=True) + lowest


MAXIMUM = {
    "max": lambda x: wide(x.max(-1, keepdim=True)[0]),
    "amax": lambda x: wide(x.amax(-1, keepdim=True)),
    "topk(1)": lambda x: wide(x.topk(1)[0]),
    "first of sort": lambda x: wide(x.sort(-1, descending=True)[0][:, :1]),
    "max_pool1d": lambda x: wide(F.max_pool1d(x[:, None], WIDTH)[:, 0]),
    "adaptive_max_pool1d": lambda x: wide(F.adaptive_max_pool1d(x[:, None], 1)[:, 0]),
    "times one-hot, sum": lambda x: wide((x * F.one_hot(x.argmax(-1), WIDTH)).sum(-1, keepdim=True)),
    "gather at argmax": lambda x: wide(x.gather(1, x.argmax(-1, keepdim=True))),
    "last of cummax": lambda x: wide(x.cummax(-1)[0][:, -1:]),
    "maximum of pairs": lambda x: wide(functools.reduce(torch.maximum, x.unbind(-1))[:, None]),
    "infinity norm": lambda x: wide(by_infinity_norm(x)),
    "scatter_reduce(amax)": lambda x: wide(torch.full((ROWS, 1), -1e9).scatter_reduce(1, SAME_SEGMENT, x, "amax")),
    "a + relu(b - a)": lambda x: wide(functools.reduce(lambda a, b: a + F.relu(b - a), x.unbind(-1))[:, None]),
}


def over_sum(e: Tensor) -> Tensor:
    return e / e.sum(-1, keepdim=True)


SOFTMAX = {
    "torch.softmax": lambda x: torch.softmax(x, -1),
    "exp / sum": lambda x: x.exp() / x.exp().sum(-1, keepdim=True),
    "exp(x - max) / sum": lambda x: over_sum(torch.exp(x - x.amax(-1, keepdim=True))),
    "exp(x - max.detach()) / sum": lambda x: over_sum(torch.exp(x - x.amax(-1, keepdim=True).detach())),
    "exp(x - logsumexp)": lambda x: torch.exp(x - torch.logsumexp(x, -1, keepdim=True)),
    "exp(log_softmax)": lambda x: torch.exp(F.log_softmax(x, -1)),
    "exp * sum.reciprocal()": lambda x: x.exp() * x.exp().sum(-1, keepdim=True).reciprocal(),
    "normalize(exp, p=1)": lambda x: F.normalize(x.exp(), p=1, dim=-1),
    "softmax(x - max)": lambda x: torch.softmax(x - x.amax(-1, keepdim=True), -1),
    "softmax(x - mean)": lambda x: torch.softmax(x - mean(x), -1),
    "softmin(-x)": lambda x: F.softmin(-x, -1),
    "nn.Softmax": nn.Softmax(-1),
    "1 / sum of exp(x_j - x_i)": lambda x: 1 / torch.exp(x[:, None, :] - x[:, :, None]).sum(-1),
    "special.softmax": lambda x: torch.special.softmax(x, -1),
    "softmax(dtype=float64)": lambda x: torch.softmax(x, -1, dtype=torch.float64),
}

ROW_FUNCTIONS = {"mean": MEAN, "maximum": MAXIMUM, "softmax": SOFTMAX}
