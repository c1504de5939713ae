"""Saved values behind the user's hooks: non-reentrant checkpoints, which recompute them.

A checkpoint returns each value once per backward pass, to autograd's derivative. A rule reads the value
in a separate execution group, for which the checkpoint recomputes its segment once more.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

from torch.utils import checkpoint

from .operations import Node
from .saved import saved_names, unpacking

# A version of torch without such groups raises its own error when a value is read twice.
GraphExecGroup = getattr(checkpoint, "GraphExecGroup", nullcontext)


class Rereading:
    """The contexts in which the rules of one pass read what nodes saved."""

    def __init__(self) -> None:
        self._groups: dict[object, AbstractContextManager] = {}

    def of(self, node: Node) -> AbstractContextManager:
        """Return the context for one node."""
        # One hook, and so one group, per checkpointed segment: it is recomputed once for all its rules.
        for name in saved_names(type(node)):
            if (hook := unpacking(node, name)) is not None:
                return self._groups.setdefault(hook, GraphExecGroup())
        return nullcontext()
