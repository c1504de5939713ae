"""Attention with masks and biases, written in many ways. The first form of a family is the reference."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from .comparison import Function
from .heads import BATCH, HEADS, SCALE, TOKENS, by_heads, over_sum, scores, sdpa, softmax, top, weighted
from .tensors import parameter

PAST = torch.ones(TOKENS, TOKENS, dtype=torch.bool).tril()
NEAR = PAST & ~PAST.tril(-2)
PRESENT = torch.tensor([[True, True, True, False], [True, True, False, False]])  # keys other than padding


def bias_of(mask: Tensor) -> Tensor:
    return torch.zeros(mask.shape, dtype=torch.float64).masked_fill(~mask, -math.inf)


def masked(mask: Tensor) -> dict[str, Function]:
    """Return forms of attention that sees only the keys of a mask."""
    bias, lowest = bias_of(mask), torch.finfo(torch.float64).min
    large = torch.where(mask, 0.0, -1e9).double()
    return {
        "sdpa with a mask": by_heads(lambda q, k, v: sdpa(q, k, v, mask)),
        "sdpa with a bias of -inf": by_heads(lambda q, k, v: sdpa(q, k, v, bias)),
        "scores + bias of -inf": weighted(lambda s: softmax(s + bias)),
        "scores + bias of -1e9": weighted(lambda s: softmax(s + large)),
        "masked_fill(-inf)": weighted(lambda s: softmax(s.masked_fill(~mask, -math.inf))),
        "masked_fill(lowest number)": weighted(lambda s: softmax(s.masked_fill(~mask, lowest))),
        "where(mask, s, -inf)": weighted(lambda s: softmax(torch.where(mask, s, -math.inf))),
        "s * mask + bias": weighted(lambda s: softmax(s * mask + large)),
        "softmax, masked and renormalised": weighted(lambda s: over_sum(softmax(s) * mask)),
        "exp, masked, over sum": weighted(lambda s: over_sum(s.exp() * mask)),
        "where(mask, exp, 0) over sum": weighted(lambda s: over_sum(torch.where(mask, s.exp(), 0.0))),
        "exp(s - max), masked, over sum": weighted(lambda s: over_sum(torch.exp(s - top(s)) * mask)),
    }


def query_after_query(q, k, v):
    """Attend query by query, as when decoding with a cache."""
    steps = [softmax(scores(q[:, :, t : t + 1], k[:, :, : t + 1])) @ v[:, :, : t + 1] for t in range(TOKENS)]
    return torch.cat(steps, 2)


def rows_without_padding(q, k, v):
    """Attend in each row to its number of keys."""
    lengths = PRESENT.sum(-1).tolist()
    rows = [sdpa(a, b[:, :n], c[:, :n]) for a, b, c, n in zip(q, k, v, lengths, strict=True)]
    return torch.stack(rows)


CAUSAL = masked(PAST) | {
    "sdpa(is_causal)": by_heads(lambda q, k, v: sdpa(q, k, v, is_causal=True)),
    "scores + triu of -inf": weighted(lambda s: softmax(s + torch.full((TOKENS, TOKENS), -math.inf).triu(1))),
    "tril of exp over sum": weighted(lambda s: over_sum(s.exp().tril())),
    "query after query": by_heads(query_after_query),
    "baddbmm of the bias": by_heads(
        lambda q, k, v: (
            softmax(
                torch.baddbmm(bias_of(PAST), q.flatten(0, 1), k.flatten(0, 1).mT, alpha=SCALE).view(
                    BATCH, HEADS, TOKENS, -1
                )
            )
            @ v
        )
    ),
}

WINDOWED = dict(list(masked(NEAR).items())[:6])
PADDED = masked(PRESENT[:, None, None, :]) | {"each row with its own length": by_heads(rows_without_padding)}

SLOPES = torch.tensor([0.5, 0.25], dtype=torch.float64)
DISTANCES = -(torch.arange(TOKENS)[:, None] - torch.arange(TOKENS)).abs().double()
ALIBI = SLOPES[:, None, None] * DISTANCES
LEARNED = parameter(HEADS, TOKENS, TOKENS, seed=41)
TABLE, BUCKETS = parameter(2 * TOKENS - 1, HEADS, seed=42), torch.arange(TOKENS)[:, None] - torch.arange(TOKENS) + 3


def with_positions_in_keys(q, k, v):
    """Add ALiBi by further dimensions: of the keys, and one-hot in the queries."""
    positions = torch.eye(TOKENS).expand(BATCH, HEADS, TOKENS, TOKENS)
    keys = torch.cat([k, ALIBI.mT.expand(BATCH, HEADS, TOKENS, TOKENS)], -1)
    return softmax(torch.cat([q * SCALE, positions], -1) @ keys.mT) @ v


def biased(bias: Callable[[], Tensor]) -> dict[str, Function]:
    return {
        "sdpa with a bias": by_heads(lambda q, k, v: sdpa(q, k, v, bias())),
        "scores + bias": weighted(lambda s: softmax(s + bias())),
        "bias + scores": weighted(lambda s: softmax(bias() + s)),
        "scores - (-bias)": weighted(lambda s: softmax(s - (-bias()))),
        "baddbmm of the bias": by_heads(
            lambda q, k, v: (
                softmax(
                    torch.baddbmm(bias().repeat(BATCH, 1, 1), q.flatten(0, 1), k.flatten(0, 1).mT, alpha=SCALE).view(
                        BATCH, HEADS, TOKENS, -1
                    )
                )
                @ v
            )
        ),
        "exp(scores) * exp(bias) over sum": weighted(lambda s: over_sum(s.exp() * bias().exp())),
        "softmax * exp(bias) over sum": weighted(lambda s: over_sum(softmax(s) * bias().exp())),
    }


BIASED_BY_DISTANCE = biased(lambda: ALIBI) | {"as dimensions of the keys": by_heads(with_positions_in_keys)}
BIASED_BY_PARAMETERS = dict(list(biased(lambda: LEARNED).items())[:5])
BIASED_BY_TABLE = dict(list(biased(lambda: TABLE[BUCKETS].permute(2, 0, 1)).items())[:5])

FAMILIES = {
    "causal attention": CAUSAL,
    "attention in a window": WINDOWED,
    "attention with padding": PADDED,
    "attention biased by distance": BIASED_BY_DISTANCE,
    "attention biased by parameters": BIASED_BY_PARAMETERS,
    "attention biased by a table": BIASED_BY_TABLE,
}
