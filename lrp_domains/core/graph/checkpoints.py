"""Saved values behind hooks of the user's own: non-reentrant checkpoints, which recompute them.

A checkpoint hands out each value once in a backward pass, and autograd's own derivative takes it. Whoever reads it too
does so in an execution group of its own, for which the checkpoint recomputes its segment once more.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from torch.utils import checkpoint

from .operations import Node
from .saved import saved_names, unpacking

# A torch that has no such groups says itself that a value was asked for twice.
GraphExecGroup = getattr(checkpoint, "GraphExecGroup", nullcontext)


class Rereading:
    """For one pass: the context in which a rule reads what a node saved."""

    def __init__(self) -> None:
        self._groups: dict[object, AbstractContextManager] = {}

    def of(self, node: Node) -> AbstractContextManager:
        # One hook, and so one group, for each checkpointed segment: it is recomputed once for all its rules.
        for name in saved_names(type(node)):
            if (hook := unpacking(node, name)) is not None:
                return self._groups.setdefault(hook, GraphExecGroup())
        return nullcontext()
