"""Saved values behind hooks of the user's: non-reentrant checkpoints, which recompute them.

A checkpoint hands out each value once in a backward pass, and autograd's own derivative takes it. A rule that reads it
too runs in an execution group of its own, for which the checkpoint recomputes its segment once more. Plans, which read
before the pass, leave such values alone.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch.utils import checkpoint

from .operations import operation
from .saved import READ

Node = torch.autograd.graph.Node
# A torch that has no such groups says itself that a value was asked for twice.
GraphExecGroup = getattr(checkpoint, "GraphExecGroup", nullcontext)


def unpacking(node: Node, name: str) -> object | None:
    """The hook that a saved value passes on its way back, if it has one."""
    return getattr(getattr(node, f"_raw_saved_{name}", None), "unpack_hook", None)


class Rereading:
    """For one pass: the context in which a rule reads what a node saved."""

    def __init__(self) -> None:
        self._groups: dict[object, AbstractContextManager] = {}

    def of(self, node: Node) -> AbstractContextManager:
        # One hook, and so one group, for each checkpointed segment: it is recomputed once for all its rules.
        for name in READ.get(operation(node.name()).base, ()):
            if (hook := unpacking(node, name)) is not None:
                return self._groups.setdefault(hook, GraphExecGroup())
        return nullcontext()
