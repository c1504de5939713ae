"""Gated linear units: an activation of ``a`` times ``b``, in many ways. The first form is the reference."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from .comparison import Function
from .tensors import ROWS, WIDTH

ALL = torch.ones(ROWS, WIDTH, dtype=torch.bool)
BACK = torch.arange(WIDTH).flip(0)


def in_chunks(f: Function, a: Tensor, b: Tensor) -> Tensor:
    return torch.cat([f(p, q) for p, q in zip(a.chunk(2, 1), b.chunk(2, 1), strict=True)], 1)


def of_one_layer(f: Function, a: Tensor, b: Tensor) -> Tensor:
    """Concatenate both tensors, as if one layer had computed them."""
    return f(*torch.cat([a, b], -1).chunk(2, -1))


def products(act: Function, name: str) -> dict[str, Function]:
    """Return forms of the product of an activation and a signal, for any activation."""
    scale, ones = nn.Parameter(torch.ones(WIDTH, dtype=torch.float64)), torch.ones((), dtype=torch.float64)
    return {
        f"{name}(a) * b": lambda a, b: act(a) * b,
        f"b * {name}(a)": lambda a, b: b * act(a),
        f"2 * {name}(a) * b / 2": lambda a, b: 2 * act(a) * b / 2,
        f"{name}(a) * scale * b, a Parameter": lambda a, b: act(a) * scale * b,
        f"{name}(a) * scale * b, a constant": lambda a, b: act(a) * ones * b,
        f"({name}(a) + 0) * b": lambda a, b: (act(a) + 0) * b,
        f"-{name}(a) * -b": lambda a, b: -act(a) * -b,
        "cat of two activated halves": lambda a, b: torch.cat([act(half) for half in a.chunk(2, 1)], 1) * b,
        "in chunks": lambda a, b: in_chunks(lambda p, q: act(p) * q, a, b),
        "chunks of one tensor": lambda a, b: of_one_layer(lambda p, q: act(p) * q, a, b),
        "slices of one tensor": lambda a, b: (lambda h: act(h[:, :WIDTH]) * h[:, WIDTH:])(torch.cat([a, b], -1)),
        "indexed": lambda a, b: act(a)[:, BACK][:, BACK] * b,
        "reversed twice": lambda a, b: act(a.flip(-1)).flip(-1) * b,
        "rolled": lambda a, b: act(a.roll(1, -1)).roll(-1, -1) * b,
        "clamped to ±1e9": lambda a, b: act(a).clamp(-1e9, 1e9) * b,
        "where(True, ..., 0)": lambda a, b: torch.where(ALL, act(a), 0.0) * b,
        "masked_fill of nothing": lambda a, b: act(a).masked_fill(~ALL, 0.0) * b,
        "diag @ b": lambda a, b: (torch.diag_embed(act(a)) @ b[..., None])[..., 0],
        "einsum": lambda a, b: torch.einsum("bd,bd->bd", act(a), b),
        "addcmul": lambda a, b: torch.addcmul(torch.zeros_like(b), act(a), b),
        "stack.prod(0)": lambda a, b: torch.stack([act(a), b]).prod(0),
        "mul_ on a clone": lambda a, b: b.clone().mul_(act(a)),
        "padded and cut": lambda a, b: F.pad(act(a), (0, 2))[:, :-2] * b,
        "dropout, in eval": lambda a, b: F.dropout(act(a), 0.5, training=False) * b,
        "activation @ eye": lambda a, b: (act(a) @ torch.eye(WIDTH)) * b,
        "in a checkpoint": lambda a, b: checkpoint(lambda p, q: act(p) * q, a, b, use_reentrant=False),
        "vmap over rows": lambda a, b: torch.vmap(lambda p, q: act(p) * q)(a, b),
    }


def silu_by_tanh(a: Tensor) -> Tensor:
    return a * (0.5 * (1 + torch.tanh(a / 2)))


SWIGLU = products(F.silu, "silu") | {
    "a * sigmoid(a) * b": lambda a, b: a * torch.sigmoid(a) * b,
    "a * (sigmoid(a) * b)": lambda a, b: a * (torch.sigmoid(a) * b),
    "(a * b) * sigmoid(a)": lambda a, b: a * b * torch.sigmoid(a),
    "a / (1 + exp(-a)) * b": lambda a, b: a / (1 + torch.exp(-a)) * b,
    "a * b / (1 + exp(-a))": lambda a, b: a * b / (1 + torch.exp(-a)),
    "by tanh": lambda a, b: silu_by_tanh(a) * b,
    "by tanh of a clone": lambda a, b: a * (0.5 * (1 + torch.tanh(a.clone() / 2))) * b,
    "glu(cat([a, a])) * b": lambda a, b: F.glu(torch.cat([a, a], -1)) * b,
    "stack([a, sigmoid(a), b]).prod(0)": lambda a, b: torch.stack([a, torch.sigmoid(a), b]).prod(0),
    "einsum of three": lambda a, b: torch.einsum("bd,bd,bd->bd", a, torch.sigmoid(a), b),
    "a * b - a * sigmoid(-a) * b": lambda a, b: a * b - a * torch.sigmoid(-a) * b,
    "silu(a) * 0.3 b + silu(a) * 0.7 b": lambda a, b: F.silu(a) * (0.3 * b) + F.silu(a) * (0.7 * b),
}

GEGLU = dict(list(products(F.gelu, "gelu").items())[::3]) | {
    "0.5 * a * (1 + erf) * b": lambda a, b: 0.5 * a * (1 + torch.erf(a / math.sqrt(2))) * b,
    "a * (0.5 * (1 + erf) * b)": lambda a, b: a * (0.5 * (1 + torch.erf(a / math.sqrt(2))) * b),
    "a * ndtr(a) * b": lambda a, b: a * torch.special.ndtr(a) * b,
    "(0.5 * a + 0.5 * a * erf) * b": lambda a, b: (0.5 * a + 0.5 * a * torch.erf(a / math.sqrt(2))) * b,
}

REGLU = dict(list(products(F.relu, "relu").items())[::3]) | {
    "clamp(min=0)": lambda a, b: a.clamp(min=0) * b,
    "where(a > 0, a, 0)": lambda a, b: torch.where(a > 0, a, 0.0) * b,
    "where(a > 0, a * b, 0)": lambda a, b: torch.where(a > 0, a * b, 0.0),
    "leaky_relu(a, 0)": lambda a, b: F.leaky_relu(a, 0.0) * b,
    "prelu(a, 0)": lambda a, b: F.prelu(a, torch.zeros(1)) * b,
    "threshold(a, 0, 0)": lambda a, b: F.threshold(a, 0, 0) * b,
    "maximum(a, 0)": lambda a, b: torch.maximum(a, torch.tensor(0.0)) * b,
    "fmax(a, 0)": lambda a, b: torch.fmax(a, torch.tensor(0.0)) * b,
    "a * (a > 0) * b": lambda a, b: a * (a > 0) * b,
    "a * b * (a > 0)": lambda a, b: a * b * (a > 0),
    "(a + |a|) / 2 * b": lambda a, b: (a + a.abs()) / 2 * b,
    "masked_fill(a < 0, 0)": lambda a, b: a.masked_fill(a < 0, 0.0) * b,
    "relu_ of a clone": lambda a, b: a.clone().relu_() * b,
}

SQUARED_REGLU = {
    "relu(a) ** 2 * b": lambda a, b: F.relu(a) ** 2 * b,
    "relu(a).square() * b": lambda a, b: F.relu(a).square() * b,
    "relu(a) * relu(a) * b": lambda a, b: F.relu(a) * F.relu(a) * b,
    "a * relu(a) * b": lambda a, b: a * F.relu(a) * b,
    "clamp(min=0) ** 2 * b": lambda a, b: a.clamp(min=0) ** 2 * b,
    "where(a > 0, a * a, 0) * b": lambda a, b: torch.where(a > 0, a * a, 0.0) * b,
}

ELU_UNIT = {
    "elu(a) * b": lambda a, b: F.elu(a) * b,
    "celu(a) * b": lambda a, b: F.celu(a) * b,
    "where(a > 0, a, expm1(a)) * b": lambda a, b: torch.where(a > 0, a, torch.expm1(a)) * b,
    "where(a > 0, a, exp(a) - 1) * b": lambda a, b: torch.where(a > 0, a, torch.exp(a) - 1) * b,
    "(relu(a) + expm1(min(a, 0))) * b": lambda a, b: (F.relu(a) + torch.expm1(a.clamp(max=0))) * b,
}

FAMILIES = {
    "SwiGLU": SWIGLU,
    "GEGLU": GEGLU,
    "ReGLU": REGLU,
    "squared ReGLU": SQUARED_REGLU,
    "ELU times a signal": ELU_UNIT,
}
