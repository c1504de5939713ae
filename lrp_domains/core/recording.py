"""Record what autograd doesn't keep of a forward pass, but secant rules read."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch.overrides import TorchFunctionMode

from .graph.elementwise import is_lost
from .graph.functions import wide
from .graph.graph import Edge, Node, edge_of
from .graph.operations import operation_of
from .graph.saved import keeps

Tensor = torch.Tensor
_KINDS = ("piecewise", "step")
_OTHERS = ("Where", "MaskedFill", "Threshold")  # autograd keeps none of the numbers that they write


class Recorder(TorchFunctionMode):
    """Record the arguments and results of selections, and arguments that can't be recovered from a result.

    The tensors are kept as they are, without a copy; those that are changed in place afterwards are ignored.
    """

    def __init__(self) -> None:
        super().__init__()
        self._tensors: dict[Edge, tuple[Tensor, int]] = {}

    def __torch_function__(self, func: Callable, types: Iterable, args: tuple = (), kwargs: dict | None = None):
        kwargs = kwargs or {}
        overwritten = _overwritten(func, args, kwargs)
        before = [(edge_of(tensor), tensor.detach().clone()) for tensor in overwritten]

        result = func(*args, **kwargs)
        for tensor in result if isinstance(result, tuple | list) else (result,):
            node = tensor.grad_fn if isinstance(tensor, Tensor) else None
            if node is None or not _is_needed(node, tensor.detach()):
                continue
            others = (t for t in (*args, *kwargs.values()) if isinstance(t, Tensor) and t.requires_grad)
            after = [(edge_of(t), t.detach()) for t in others if not any(t is old for old in overwritten)]
            behind = set(node.next_functions)
            self._record((edge_of(tensor), tensor.detach()), *(pair for pair in before + after if pair[0] in behind))
        return result

    def _record(self, *values: tuple[Edge, Tensor]) -> None:
        for edge, value in values:
            self._tensors[edge] = value, value._version

    @property
    def values(self) -> dict[Edge, Tensor]:
        """The recorded values by edge."""
        return {edge: tensor for edge, (tensor, version) in self._tensors.items() if tensor._version == version}


def _overwritten(func: Callable, args: tuple, kwargs: dict) -> list[Tensor]:
    """Return the tensor that a function overwrites by its result, if it has a gradient."""
    name = func.__name__
    if not kwargs.get("inplace") and (not name.endswith("_") or name.endswith("__")):
        return []
    tensors = [t for t in (*args[:1], kwargs.get("input")) if isinstance(t, Tensor) and t.grad_fn is not None]
    return tensors if torch.is_grad_enabled() else []


def _is_needed(node: Node, result: Tensor) -> bool:
    op = operation_of(node)
    if op.kind in _KINDS or op.base in _OTHERS:
        return True
    if op.function is None or len(op.tensors) > 1 or keeps(node, op.tensors[0]) or not keeps(node, "result"):
        return False
    return is_lost(node, wide(result))
