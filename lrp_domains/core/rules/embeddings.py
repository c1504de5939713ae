"""Embedding lookups: linear in the table, which makes a position embedding an additive leaf like a bias."""

from __future__ import annotations

import torch

from ..graph.saved import read
from ..rule import Grads, Node, Rule, Slots


def _lookup_backward(node: Node, carries: Slots, gi: Grads, go: Grads) -> Grads:
    """Return the plain derivative of a lookup.

    Autograd's leaves out the padding row, which the forward pass adds like any other, and under `scale_grad_by_freq`
    it is divided by how often a row occurs.
    """
    indices, g = read(node, "indices").flatten(), go[0]
    has_padding = read(node, "padding_idx") >= 0 and bool((indices == read(node, "padding_idx")).any())
    if gi[0] is None or gi[0].is_sparse or not (has_padding or read(node, "scale_grad_by_freq")):
        return gi
    wide = torch.promote_types(g.dtype, torch.float32)
    table = torch.zeros_like(gi[0], dtype=wide).index_add_(0, indices, g.reshape(-1, g.shape[-1]).to(wide))
    return (table.to(g.dtype),)


lookup = Rule("lookup", backward=_lookup_backward)
"""The derivative of a lookup, padding row included."""
