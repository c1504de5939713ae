"""The secant of fused attention, ``O = A V`` with ``A = softmax(Q K^T scale + mask)``.

It is that of the same attention written out: the exact splits of the two products and the softmax's logarithmic mean.
The weights are computed once more, a block of queries at a time, so that memory stays linear in the length.
"""

from __future__ import annotations

import math

import torch

from ..graph.functions import wide
from ..graph.operations import KEY, MASK, QUERY, VALUE
from ..graph.saved import has, read
from ..rule import Grads, Slots
from .pairs import Both, Pair, put
from .softmaxes import softmax_secant

Tensor = torch.Tensor
Masks = tuple[Tensor | None, Tensor | None]
# The largest number of attention weights that are computed at a time.
_BLOCK = 2**18


def backward(share: float, pair: Pair, carries: Slots, gi: Grads, go: Grads) -> Grads:
    q, k, v = (pair.kept(name) for name in pair.operation.tensors[:MASK])
    groups = q[0].shape[1] // k[0].shape[1]  # queries per key, in grouped-query attention
    k, v = (tuple(t.repeat_interleave(groups, 1) if groups > 1 else t for t in both) for both in (k, v))

    g_q, g_k, g_v = _attention_secant(q, k, v, _masks(pair), _scale(pair), wide(go[0]))
    if groups > 1:
        g_k, g_v = (g.unflatten(1, (-1, groups)).sum(2) for g in (g_k, g_v))
    return put(gi, {QUERY: g_q * share, KEY: g_k * share, VALUE: g_v})


def _scale(pair: Pair) -> float:
    return read(pair.node, "scale") or 1 / math.sqrt(pair.read("query")[0].shape[-1])


def _masks(pair: Pair) -> Masks:
    """Return what is added to the scores, for each half; None if nothing is."""
    name = "attn_mask" if has(pair.node, "attn_mask") else "attn_bias"
    masks = tuple(mask if mask is None else mask[(None,) * (4 - mask.ndim)] for mask in pair.read(name, None))
    if read(pair.node, "is_causal"):
        queries, keys = pair.read("query")[0], pair.read("key")[0]
        allowed = torch.ones(queries.shape[-2], keys.shape[-2], dtype=torch.bool, device=queries.device).tril()
        return allowed[None, None], allowed[None, None]
    return masks


def _attention_secant(q: Both, k: Both, v: Both, masks: Masks, scale: float, g: Tensor) -> list[Tensor]:
    """Return the g of queries, keys and values, some samples and some queries at a time."""
    n, heads, length, _ = q[0].shape
    weights = heads * k[0].shape[-2]  # per query
    samples = max(1, _BLOCK // (weights * length))
    queries = length if samples > 1 else max(1, _BLOCK // weights)
    results = [torch.zeros_like(x[0]) for x in (q, k, v)]

    for first in range(0, n, samples):
        chosen = slice(first, first + samples)
        q_n, k_n, v_n = (tuple(x[chosen] for x in both) for both in (q, k, v))
        means = [(x[0] + x[1]) / 2 for x in (q_n, k_n, v_n)]
        masks_n = tuple(None if mask is None else mask[chosen] if len(mask) > 1 else mask for mask in masks)
        for start in range(0, length, queries):
            rows = slice(start, start + queries)
            log_a = tuple(_log_weights(q_n[i][..., rows, :], k_n[i], masks_n[i], rows, scale) for i in (0, 1))
            _add_block(results, chosen, rows, log_a, means, g[chosen][..., rows, :], scale)
    return results


def _add_block(
    results: list[Tensor], chosen: slice, rows: slice, log_a: Both, means: list[Tensor], g: Tensor, scale: float
) -> None:
    """Add what some queries contribute."""
    (g_q, g_k, g_v), (mean_q, mean_k, mean_v) = (result[chosen] for result in results), means
    a = (log_a[0].exp() + log_a[1].exp()) / 2
    g_v += a.transpose(-1, -2) @ g
    g_scores = softmax_secant(log_a, g @ mean_v.transpose(-1, -2), -1).mul_(scale)
    g_q[..., rows, :] = g_scores @ mean_k
    g_k += g_scores.transpose(-1, -2) @ mean_q[..., rows, :]


def _log_weights(q: Tensor, k: Tensor, mask: Tensor | None, block: slice, scale: float) -> Tensor:
    """Return the logarithms of the attention weights of some queries; -inf where a key is masked."""
    scores = q @ k.transpose(-1, -2) * scale
    if mask is not None:
        mask = mask[..., block, :] if mask.shape[-2] > 1 else mask
        scores = scores.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else scores + wide(mask)
    # A query whose keys are all masked has no weights.
    return scores.log_softmax(-1).nan_to_num(-torch.inf, torch.inf, -torch.inf)
