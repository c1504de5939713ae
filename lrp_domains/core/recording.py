"""Record what autograd doesn't keep of a forward pass, but secant rules read."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch.overrides import TorchFunctionMode

from .graph.elementwise import is_lost
from .graph.functions import wide
from .graph.graph import Edge, Node, edge_of
from .graph.operations import operation
from .graph.saved import keeps

Tensor = torch.Tensor
_KINDS = ("piecewise", "step")
_BASES = ("Where", "MaskedFill", "Threshold")


class Recorder(TorchFunctionMode):
    """Record the arguments and results of selections, and arguments that can't be recovered from a result.

    The tensors are kept as they are, without a copy; those that are changed in place afterwards are ignored.
    """

    def __init__(self) -> None:
        super().__init__()
        self._tensors: dict[Edge, tuple[Tensor, int]] = {}

    def __torch_function__(self, func: Callable, types: Iterable, args: tuple = (), kwargs: dict | None = None):
        kwargs = kwargs or {}
        arguments = [t for t in (*args, *kwargs.values()) if isinstance(t, Tensor) and t.requires_grad]
        edges = [edge_of(t) for t in arguments] if torch.is_grad_enabled() else []
        is_in_place = kwargs.get("inplace") or (func.__name__.endswith("_") and not func.__name__.endswith("__"))
        values = [
            t.detach().clone() if is_in_place and number == 0 else t.detach() for number, t in enumerate(arguments)
        ]

        result = func(*args, **kwargs)
        for tensor in result if isinstance(result, tuple | list) else (result,):
            node = tensor.grad_fn if isinstance(tensor, Tensor) else None
            if node is not None and _is_needed(node, tensor.detach()):
                behind = set(node.next_functions)
                self._record((edge_of(tensor), tensor.detach()))
                self._record(*((e, v) for e, v in zip(edges, values, strict=False) if e in behind))
        return result

    def _record(self, *values: tuple[Edge, Tensor]) -> None:
        for edge, value in values:
            self._tensors[edge] = value, value._version

    @property
    def values(self) -> dict[Edge, Tensor]:
        """The recorded values by edge."""
        return {edge: tensor for edge, (tensor, version) in self._tensors.items() if tensor._version == version}


def _is_needed(node: Node, result: Tensor) -> bool:
    op = operation(node.name())
    if op.kind in _KINDS or op.base in _BASES:
        return True
    if op.function is None or len(op.tensors) > 1 or keeps(node, op.tensors[0]) or not keeps(node, "result"):
        return False
    return is_lost(node, wide(result))
