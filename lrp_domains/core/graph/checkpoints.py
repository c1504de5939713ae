"""Saved values behind the user's hooks: non-reentrant checkpoints, which recompute them.

A checkpoint returns each value once per backward pass, to autograd's derivative. A rule reads the value
in a separate execution group, for which the checkpoint recomputes its segment once more.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from torch.utils import checkpoint

from .operations import Node
from .saved import saved_names, unpack_hook

# A version of torch without such groups raises its own error when a value is read twice.
GraphExecGroup = getattr(checkpoint, "GraphExecGroup", nullcontext)


class Rereading:
    """The contexts in which the rules of one pass read what nodes saved."""

    def __init__(self) -> None:
        # Per segment, its groups with what was read in them.
        self._groups: dict[object, list[tuple[AbstractContextManager, set]]] = defaultdict(list)

    def of(self, node: Node) -> AbstractContextManager:
        """Return the context for reading anything of one node, once per name."""
        # One hook, and so one group, per checkpointed segment: it is recomputed once for all its rules.
        if (hook := unpack_hook(node)) is None:
            return nullcontext()
        if not self._groups[hook]:
            self._groups[hook].append((GraphExecGroup(), set()))
        return _within(self._groups[hook][0][0])

    def once_more(self, node: Node, *names: str) -> AbstractContextManager:
        """Return the context for reading some names of one node, which may have been read in such a context before.

        The segment is recomputed as often as the value that is read most.
        """
        if (hook := unpack_hook(node)) is None:
            return nullcontext()
        keys = {(node, name) for name in names or saved_names(type(node))}
        groups = self._groups[hook]
        if (unread := next((group for group in groups if not keys & group[1]), None)) is None:
            unread = GraphExecGroup(), set()
            groups.append(unread)
        unread[1].update(keys)
        return _within(unread[0])


@contextmanager
def _within(group: AbstractContextManager) -> Iterator[None]:
    """Temporarily use a group in place of the active one: they can't be nested."""
    active = getattr(GraphExecGroup, "_get_current_group", lambda: None)()
    if active is not None:
        active.__exit__(None, None, None)
    try:
        with group:
            yield
    finally:
        if active is not None:
            active.__enter__()
