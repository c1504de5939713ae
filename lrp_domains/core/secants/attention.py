"""The secant of fused attention, ``O = A V`` with ``A = softmax(Q K^T scale + mask)``.

It is that of the same attention written out: the exact splits of the two products and the softmax's logarithmic mean.
The weights are computed once more, a block of queries at a time, so that memory stays linear in the length.
"""

from __future__ import annotations

import torch

from ..graph.functions import wide
from ..graph.operations import KEY, MASK, QUERY, VALUE
from ..graph.saved import read
from ..rule import Grads, Slots
from .pairs import Both, Pair, put
from .softmaxes import softmax_secant

Tensor = torch.Tensor
Masks = tuple[Tensor | None, Tensor | None]
# The largest number of attention weights that are computed at a time.
_BLOCK = 2**18


def backward(share: float, pair: Pair, carries: Slots, gi: Grads, go: Grads) -> Grads:
    """Return the g of queries and keys, times a share, and of values."""
    q, k, v = (pair.kept(pair.operation.tensors[slot]) for slot in (QUERY, KEY, VALUE))
    groups = q[0].shape[1] // k[0].shape[1]  # queries per key, in grouped-query attention
    k, v = (tuple(t.repeat_interleave(groups, 1) if groups > 1 else t for t in both) for both in (k, v))
    scale, masks = read(pair.node, "scale"), _masks(pair)
    scale = q[0].shape[-1] ** -0.5 if scale is None else scale

    # The g of an added mask is that of the scores, summed to its shape.
    of_mask = torch.zeros_like(wide(masks[0])) if any(carries[MASK:]) else None
    g_q, g_k, g_v = _attention_secant(q, k, v, masks, scale, wide(go[0]), of_mask)
    if groups > 1:
        g_k, g_v = (g.unflatten(1, (-1, groups)).sum(2) for g in (g_k, g_v))
    by_slot = {QUERY: g_q * (scale * share), KEY: g_k * share, VALUE: g_v}
    return put(gi, by_slot if of_mask is None else by_slot | {MASK: of_mask})


def _masks(pair: Pair) -> Masks:
    """Return what is added to the scores for both halves, or which scores count; None if nothing is masked."""
    if not read(pair.node, "is_causal"):
        name = pair.operation.slot_kept(MASK)
        masks = (None, None) if name is None else pair.read(name)
        return tuple(mask if mask is None else mask[(None,) * (4 - mask.ndim)] for mask in masks)

    (q, _), (k, _) = pair.read("query"), pair.read("key")
    if pair.operation.base == "ScaledDotProductFlashAttention" and q.shape[-2] != k.shape[-2]:
        raise pair.refuse(f"it is causal with {q.shape[-2]} queries and {k.shape[-2]} keys: pass the mask as a tensor")
    allowed = torch.ones(q.shape[-2], k.shape[-2], dtype=torch.bool, device=q.device).tril()[None, None]
    return allowed, allowed


def _attention_secant(
    q: Both, k: Both, v: Both, masks: Masks, scale: float, g: Tensor, of_mask: Tensor | None
) -> list[Tensor]:
    """Return the g of scaled queries, of keys and of values, some samples and some queries at a time."""
    n, heads, length, _ = q[0].shape
    weights = heads * k[0].shape[-2]  # per query
    samples = max(1, _BLOCK // (weights * length))
    queries = length if samples > 1 else max(1, _BLOCK // weights)
    results = [torch.zeros_like(x[0]) for x in (q, k, v)]

    for first in range(0, n, samples):
        chosen = slice(first, first + samples)
        q_n, k_n, v_n = (tuple(x[chosen] for x in both) for both in (q, k, v))
        q_n = tuple(x * scale for x in q_n)
        means = [(x[0] + x[1]) / 2 for x in (q_n, k_n, v_n)]
        for start in range(0, length, queries):
            rows = slice(start, start + queries)
            part = [_part(mask, chosen, rows) for mask in masks]
            log_a = tuple(_log_weights(q_n[i][..., rows, :], k_n[i], part[i]) for i in (0, 1))
            g_scores = _add_block([t[chosen] for t in results], rows, log_a, means, g[chosen][..., rows, :])
            if of_mask is not None:
                target = _part(of_mask, chosen, rows)
                target += g_scores.sum_to_size(target.shape)
    return results


def _add_block(results: list[Tensor], rows: slice, log_a: Both, means: list[Tensor], g: Tensor) -> Tensor:
    """Add what some queries contribute; return the g of their scores."""
    (g_q, g_k, g_v), (mean_q, mean_k, mean_v) = results, means
    a = log_a[0].exp().add_(log_a[1].exp())
    g_v += a.transpose(-1, -2) @ (g / 2)
    g_scores = softmax_secant(log_a, g @ mean_v.transpose(-1, -2), -1)
    g_q[..., rows, :] = g_scores @ mean_k
    g_k += g_scores.transpose(-1, -2) @ mean_q[..., rows, :]
    return g_scores


def _part(mask: Tensor | None, chosen: slice, rows: slice) -> Tensor | None:
    """Return a view of the part of a mask for some samples and queries."""
    if mask is None:
        return None
    mask = mask[chosen] if len(mask) > 1 else mask
    return mask[..., rows, :] if mask.shape[-2] > 1 else mask


def _log_weights(q: Tensor, k: Tensor, mask: Tensor | None) -> Tensor:
    """Return the logarithms of the attention weights of some queries; -inf where a key is masked."""
    scores = q @ k.transpose(-1, -2)
    if mask is None:
        return scores.log_softmax(-1)
    scores = scores.masked_fill_(~mask, -torch.inf) if mask.dtype == torch.bool else scores.add_(wide(mask))
    # A query whose keys are all masked has no weights.
    return scores.log_softmax(-1).nan_to_num_(-torch.inf, torch.inf, -torch.inf)
