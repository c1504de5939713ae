"""Writes to a slice in place, ``x[:, 0] = y``: one node of the graph, which hides what was done to the slice.

A copy, a sum (``x[:, 0] += y``) and a scaling are linear, and their derivative shows it. Anything else may be a product
of two carriers, which can't be recognised by its derivative, and is refused.
"""

from __future__ import annotations

import torch

from ..errors import RelevanceError
from ..rule import Grads, Node, Rule, Slots


def _slice_backward(node: Node, carries: Slots, gi: Grads, go: Grads) -> Grads:
    g, of_old = go[0], gi[0]
    if of_old is None:
        of_old = g
    factors = (of_old / g)[(of_old != g) & (of_old != 0)]  # what the slice's old values were multiplied by

    # A single value could be a scaling as well as the slope of an activation.
    is_scaled = factors.numel() > 1 and bool(torch.isclose(factors, factors[0], rtol=1e-2).all())
    n_written = sum(carries[1:])
    if n_written > 1 or (factors.numel() and (n_written or not is_scaled)):
        raise RelevanceError(
            "CopySlices: a slice of a tensor was changed in place by something other than a copy, a sum or a scaling, "
            "which autograd hides (for a single value even a scaling); write it out of place "
            "(x = torch.cat(...) or torch.where(...))"
        )
    return gi


slice_write = Rule("gradient, if linear", backward=_slice_backward)
"""The derivative, if it shows that the change was linear."""
