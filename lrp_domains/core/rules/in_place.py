"""Writing to a slice in place, ``x[:, 0] = y``: one node of the graph, which hides what was done to the slice.

A copy, a sum (``x[:, 0] += y``) and a scaling are linear, and their derivative shows that they are. Anything else can
be a product of two carriers, which the derivative alone can't be told from: it is refused.
"""

from __future__ import annotations

import torch

from ..errors import RelevanceError
from ..rule import Grads, Node, Rule, Slots


def _slice_backward(node: Node, carries: Slots, gi: Grads, go: Grads) -> Grads:
    g, rest, written = go[0], gi[0], sum(carries[1:])
    if rest is None:
        rest = g
    factors = (rest / g)[(rest != g) & (rest != 0)]  # what the slice's old values were multiplied by
    # One value alone doesn't tell a scaling from the slope of an activation.
    scaled = factors.numel() > 1 and bool(torch.isclose(factors, factors[0], rtol=1e-2).all())
    if written > 1 or (factors.numel() and (written or not scaled)):
        raise RelevanceError(
            "CopySlices: a slice of a tensor was changed in place by something other than a copy, a sum or a scaling, "
            "which autograd hides (of one value alone not even a scaling can be told); write it out of place "
            "(x = torch.cat(...) or torch.where(...))"
        )
    return gi


slice_write = Rule("gradient, if linear", backward=_slice_backward)
"""The derivative, once it shows that the change was linear."""
