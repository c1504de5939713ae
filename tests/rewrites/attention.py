"""Attention of queries, keys and values, written in many ways. The first form of a family is the reference."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint

from .comparison import Function
from .heads import (
    BATCH,
    HEADS,
    SCALE,
    SIZE,
    TOKENS,
    by_heads,
    merge,
    over_sum,
    scores,
    sdpa,
    softmax,
    split,
    top,
    weighted,
)
from .tensors import WIDTH, parameter


def of_each_head(q, k, v):
    heads = zip(q.split(SIZE, -1), k.split(SIZE, -1), v.split(SIZE, -1), strict=True)
    return torch.cat([softmax(scores(a, b)) @ c for a, b, c in heads], -1)


def of_each_query(q, k, v):
    return torch.stack([softmax(scores(row[:, :, None], k)) @ v for row in q.unbind(2)], 2).squeeze(3)


def by_bmm(q, k, v):
    q, k, v = (x.flatten(0, 1) for x in (q, k, v))
    return torch.bmm(softmax(torch.bmm(q, k.mT) * SCALE), v).unflatten(0, (BATCH, HEADS))


def by_baddbmm(q, k, v):
    q, k, v = (x.flatten(0, 1) for x in (q, k, v))
    s = torch.baddbmm(torch.zeros(BATCH * HEADS, TOKENS, TOKENS), q, k.mT, beta=0, alpha=SCALE)
    return torch.bmm(softmax(s), v).unflatten(0, (BATCH, HEADS))


def by_einsum_heads_last(q, k, v):
    q, k, v = (x.unflatten(-1, (HEADS, SIZE)) for x in (q, k, v))
    p = torch.einsum("bqhd,bkhd->bhqk", q, k).mul(SCALE).softmax(-1)
    return torch.einsum("bhqk,bkhd->bqhd", p, v).flatten(2)


def with_unit_weights(q, k, v):
    """Call torch's function with identity matrices as its projections."""
    eye = torch.eye(WIDTH)
    q, k, v = (x.transpose(0, 1) for x in (q, k, v))
    out, _ = F.multi_head_attention_forward(
        q, k, v, WIDTH, HEADS, None, None, None, None, False, 0.0, eye, None, training=False, need_weights=False,
        use_separate_proj_weight=True, q_proj_weight=eye, k_proj_weight=eye, v_proj_weight=eye,
    )  # fmt: skip
    return out.transpose(0, 1)


def with_backend(*backends: SDPBackend) -> Function:
    def run(q, k, v):
        with sdpa_kernel(list(backends)):
            return sdpa(q, k, v)

    return run


def with_a_masked_token(q, k, v):
    mask = torch.ones(TOKENS, TOKENS + 1, dtype=torch.bool)
    mask[:, -1] = False
    return sdpa(q, F.pad(k, (0, 0, 0, 1)), F.pad(v, (0, 0, 0, 1)), attn_mask=mask)


PERMUTATION = torch.tensor([2, 0, 3, 1])

PLAIN = {
    "scaled_dot_product_attention": by_heads(sdpa),
    "softmax(q @ k.T) @ v": weighted(softmax),
    "over √d": by_heads(lambda q, k, v: softmax(q @ k.mT / math.sqrt(SIZE)) @ v),
    "q scaled first": by_heads(lambda q, k, v: softmax((q * SCALE) @ k.mT) @ v),
    "k scaled first": by_heads(lambda q, k, v: softmax(q @ (k * SCALE).mT) @ v),
    "q and k scaled by d ** -1/4": by_heads(lambda q, k, v: softmax((q * SCALE**0.5) @ (k * SCALE**0.5).mT) @ v),
    "einsum": by_heads(lambda q, k, v: torch.einsum("bhqk,bhkd->bhqd", softmax(scores(q, k)), v)),
    "einsum, heads last": by_einsum_heads_last,
    "head by head": of_each_head,
    "query by query": by_heads(of_each_query),
    "queries in chunks": by_heads(lambda q, k, v: torch.cat([softmax(scores(a, k)) @ v for a in q.chunk(2, 2)], 2)),
    "bmm": by_heads(by_bmm),
    "baddbmm with alpha": by_heads(by_baddbmm),
    "vmap over heads": by_heads(torch.vmap(lambda q, k, v: softmax(scores(q, k)) @ v, in_dims=1, out_dims=1)),
    "vmap over rows": torch.vmap(lambda q, k, v: of_each_head(q, k, v)),
    "scores transposed": by_heads(lambda q, k, v: (v.mT @ torch.softmax(k @ q.mT * SCALE, -2)).mT),
    "keys and values permuted": by_heads(
        lambda q, k, v: softmax(scores(q, k[:, :, PERMUTATION])) @ v[:, :, PERMUTATION]
    ),
    "keys and values of two parts": by_heads(
        lambda q, k, v: softmax(scores(q, torch.cat(k.split([1, 3], 2), 2))) @ torch.cat(v.split([1, 3], 2), 2)
    ),
    "weights times values, summed": by_heads(
        lambda q, k, v: (softmax(scores(q, k)).unsqueeze(-1) * v.unsqueeze(2)).sum(3)
    ),
    "sdpa with a scale": by_heads(lambda q, k, v: sdpa(q, k, v, scale=SCALE)),
    "sdpa of scaled queries": by_heads(lambda q, k, v: sdpa(q * SCALE, k, v, scale=1.0)),
    "sdpa with a mask of ones": by_heads(lambda q, k, v: sdpa(q, k, v, torch.ones(TOKENS, TOKENS, dtype=torch.bool))),
    "sdpa with a mask of zeros": by_heads(lambda q, k, v: sdpa(q, k, v, torch.zeros(TOKENS, TOKENS))),
    "sdpa of wider heads": by_heads(lambda q, k, v: sdpa(F.pad(q, (0, 1)), F.pad(k, (0, 1)), v, scale=SCALE)),
    "sdpa by its math backend": by_heads(with_backend(SDPBackend.MATH)),
    "sdpa by its flash backend": by_heads(with_backend(SDPBackend.FLASH_ATTENTION)),
    "sdpa with a masked token": by_heads(with_a_masked_token),
    "multi_head_attention_forward": with_unit_weights,
    "weights by dropout, in eval": weighted(lambda s: F.dropout(softmax(s), 0.5, training=False)),
    "in a checkpoint": by_heads(lambda q, k, v: checkpoint(sdpa, q, k, v, use_reentrant=False)),
    "0.5 * (2 * weights) @ v": by_heads(lambda q, k, v: 0.5 * ((2 * softmax(scores(q, k))) @ v)),
}

# ---- Heads that share keys, rotations, activated values, added queries and keys --------------------------------


def grouped(f: Function) -> Function:
    """Share the first head of keys and values among all heads of the queries."""
    return lambda q, k, v: merge(f(split(q), split(k)[:, :1], split(v)[:, :1]))


GROUPED = {
    "sdpa(enable_gqa)": grouped(lambda q, k, v: sdpa(q, k, v, enable_gqa=True)),
    "repeat_interleave": grouped(lambda q, k, v: sdpa(q, k.repeat_interleave(HEADS, 1), v.repeat_interleave(HEADS, 1))),
    "expand": grouped(lambda q, k, v: sdpa(q, k.expand_as(q), v.expand_as(q))),
    "expand and reshape": grouped(
        lambda q, k, v: sdpa(q, *(x[:, :, None].expand(BATCH, 1, HEADS, TOKENS, SIZE).reshape(q.shape) for x in (k, v)))
    ),
    "broadcast": grouped(lambda q, k, v: softmax(scores(q, k)) @ v),
    "einsum": grouped(
        lambda q, k, v: torch.einsum(
            "bhqk,bkd->bhqd", softmax(torch.einsum("bhqd,bkd->bhqk", q, k[:, 0]) * SCALE), v[:, 0]
        )
    ),
    "head by head": grouped(
        lambda q, k, v: torch.stack([softmax(scores(a, k[:, 0])) @ v[:, 0] for a in q.unbind(1)], 1)
    ),
    "heads as queries": grouped(
        lambda q, k, v: sdpa(q.flatten(1, 2)[:, None], k, v).unflatten(2, (HEADS, TOKENS)).squeeze(1)
    ),
}

ANGLES = torch.arange(TOKENS, dtype=torch.float64)


def rotate_halves(x: Tensor) -> Tensor:
    angles = ANGLES[:, None] * torch.tensor([1.0, 0.3, 0.1]).repeat(2)
    first, second = x.chunk(2, -1)
    return x * angles.cos() + torch.cat([-second, first], -1) * angles.sin()


def rotate_by_parts(x: Tensor) -> Tensor:
    angles = ANGLES[:, None] * torch.tensor([1.0, 0.3, 0.1])
    (first, second), cos, sin = x.chunk(2, -1), angles.cos(), angles.sin()
    return torch.cat([first * cos - second * sin, second * cos + first * sin], -1)


def rotate_as_complex(x: Tensor) -> Tensor:
    angles = ANGLES[:, None] * torch.tensor([1.0, 0.3, 0.1])
    pairs = torch.view_as_complex(torch.stack(x.chunk(2, -1), -1).contiguous())
    turned = torch.view_as_real(pairs * torch.polar(torch.ones_like(angles), angles))
    return torch.cat(turned.unbind(-1), -1)


def rotate_by_matrices(x: Tensor) -> Tensor:
    """Multiply by one matrix per token, whose rows are the rotated unit vectors."""
    matrices = rotate_halves(torch.eye(WIDTH)[:, None].expand(WIDTH, TOKENS, WIDTH))
    return torch.einsum("bti,itj->btj", x, matrices)


def rotated(rotate: Function) -> Function:
    return lambda q, k, v: softmax(rotate(q) @ rotate(k).mT * WIDTH**-0.5) @ v


ROTATED = {
    "x * cos + rotated x * sin": rotated(rotate_halves),
    "of two parts": rotated(rotate_by_parts),
    "as complex numbers": rotated(rotate_as_complex),
    "as matrices": rotated(rotate_by_matrices),
    "sdpa of rotated": lambda q, k, v: sdpa(rotate_halves(q), rotate_halves(k), v),
}

ACTIVATED_VALUES = {
    "softmax @ sigmoid(v)": by_heads(lambda q, k, v: softmax(scores(q, k)) @ torch.sigmoid(v)),
    "sdpa": by_heads(lambda q, k, v: sdpa(q, k, torch.sigmoid(v))),
    "exp / sum": by_heads(lambda q, k, v: over_sum(scores(q, k).exp()) @ torch.sigmoid(v)),
    "exp(s - max) / sum": by_heads(
        lambda q, k, v: over_sum(torch.exp(scores(q, k) - top(scores(q, k)))) @ torch.sigmoid(v)
    ),
    "weights times values, summed": by_heads(
        lambda q, k, v: (softmax(scores(q, k)).unsqueeze(-1) * torch.sigmoid(v).unsqueeze(2)).sum(3)
    ),
}

DIRECTION = parameter(WIDTH, seed=48)


def additive(q, k):
    return torch.tanh(q.unsqueeze(2) + k.unsqueeze(1))


ADDITIVE = {
    "tanh(q + k) @ w": lambda q, k, v: softmax(additive(q, k) @ DIRECTION) @ v,
    "F.linear": lambda q, k, v: softmax(F.linear(additive(q, k), DIRECTION[None])[..., 0]) @ v,
    "times w, summed": lambda q, k, v: softmax((additive(q, k) * DIRECTION).sum(-1)) @ v,
    "einsum": lambda q, k, v: softmax(torch.einsum("bqkd,d->bqk", additive(q, k), DIRECTION)) @ v,
    "exp / sum": lambda q, k, v: over_sum((additive(q, k) @ DIRECTION).exp()) @ v,
    "query by query": lambda q, k, v: torch.cat(
        [softmax(additive(row[:, None], k) @ DIRECTION) @ v for row in q.unbind(1)], 1
    ),
}

FAMILIES = {
    "attention": PLAIN,
    "grouped-query attention": GROUPED,
    "rotary attention": ROTATED,
    "attention to activated values": ACTIVATED_VALUES,
    "additive attention": ADDITIVE,
}
