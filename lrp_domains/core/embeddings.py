"""Embedding lookups: linear in the table, which makes a position embedding an additive leaf like a bias."""

from __future__ import annotations

import torch

from .rule import Grads, Node, Rule, Slots


def _lookup_backward(node: Node, carries: Slots, gi: Grads, go: Grads) -> Grads:
    """The derivative, and that of the padding row, which autograd leaves out though the forward pass adds it."""
    row, indices, g = node._saved_padding_idx, node._saved_indices, go[0]
    padding = indices == row
    if gi[0] is None or row < 0 or gi[0].is_sparse or not bool(padding.any()):
        return gi
    table = gi[0].clone()
    table[row] = (
        g[padding].reshape(-1, g.shape[-1]).sum(0, dtype=torch.promote_types(g.dtype, torch.float32)).to(g.dtype)
    )
    return (table,)


lookup = Rule("lookup", backward=_lookup_backward)
"""The derivative of a lookup, padding row included."""
