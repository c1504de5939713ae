"""Conversions from rows to heads and back, and functions that the forms of attention share."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from .comparison import Function
from .tensors import WIDTH

SEQUENCE = BATCH, TOKENS, _ = 2, 4, WIDTH
HEADS, SIZE = 2, WIDTH // 2
SCALE = SIZE**-0.5
sdpa = F.scaled_dot_product_attention


def split(x: Tensor) -> Tensor:
    """Convert (batch, tokens, width) to (batch, heads, tokens, size)."""
    return x.unflatten(-1, (-1, SIZE)).transpose(1, 2)


def merge(x: Tensor) -> Tensor:
    return x.transpose(1, 2).flatten(2)


def by_heads(f: Function) -> Function:
    """Convert a function of heads to one of whole rows."""
    return lambda q, k, v: merge(f(split(q), split(k), split(v)))


def scores(q: Tensor, k: Tensor) -> Tensor:
    return q @ k.mT * SCALE


def softmax(s: Tensor) -> Tensor:
    return torch.softmax(s, -1)


def over_sum(e: Tensor) -> Tensor:
    return e / e.sum(-1, keepdim=True)


def top(s: Tensor) -> Tensor:
    return s.amax(-1, keepdim=True)


def weighted(weights: Callable[[Tensor], Tensor]) -> Function:
    """Return attention whose weights are this function of the scores."""
    return by_heads(lambda q, k, v: weights(scores(q, k)) @ v)
