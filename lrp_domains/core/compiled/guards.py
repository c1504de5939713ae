"""What a recording depends on besides shapes: each value that Python read while it was recorded.

The branches that planning and the model took are part of a recording. Every value that decided one becomes a condition
in the recorded graph: whether it is still what it was. A recording whose conditions don't hold is not used.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import FrameType

import torch
from torch.fx.experimental.proxy_tensor import disable_proxy_modes_tracing
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

Tensor = torch.Tensor
aten = torch.ops.aten
# Methods that hand all of a tensor's values to Python past the dispatcher.
_EXPORTING = (torch.Tensor.tolist, torch.Tensor.numpy, torch.Tensor.__array__, torch.Tensor.__dlpack__)
_TORCH = str(Path(torch.__file__).parent)


class Guards:
    """The conditions under which a recording is valid, scalars of the graph, and the lines that read the values."""

    def __init__(self) -> None:
        self.conditions: list[Tensor] = []
        self.places: list[str] = []

    def add(self, condition: Tensor) -> None:
        """Add a condition, true while it is recorded."""
        self.conditions.append(condition.reshape(()))
        self.places.append(_place(sys._getframe(1)))

    def all(self, device: torch.device) -> Tensor:
        """Return the conditions as one tensor."""
        conditions = [condition.to(device) for condition in self.conditions]
        return torch.stack(conditions) if conditions else torch.ones(1, dtype=torch.bool, device=device)


class GuardedReads(TorchDispatchMode):
    """Allow Python to read values while a graph is recorded, each under a guard."""

    def __init__(self, guards: Guards) -> None:
        super().__init__()
        self._guards = guards

    def __torch_dispatch__(self, func: Callable, types: Iterable, args: tuple = (), kwargs: dict | None = None):
        kwargs = kwargs or {}
        if torch.Tag.data_dependent_output in func.tags:
            with disable_proxy_modes_tracing():
                value = func(*args, **kwargs)
            self._guard_value(func, args, kwargs, value)
            return value
        result = func(*args, **kwargs)
        if torch.Tag.dynamic_output_shape in func.tags:
            self._guard_shape(func, args, kwargs, result)
        return result

    def _guard_value(self, func: Callable, args: tuple, kwargs: dict, value: bool | float | complex) -> None:
        if func is not aten._local_scalar_dense.default:
            self._guard_arguments(args, kwargs)
        elif isinstance(value, bool):
            self._guards.add(args[0].clone() if value else args[0].logical_not())
        else:
            self._guards.add(args[0].eq(value) if value == value else args[0].isnan())

    def _guard_shape(self, func: Callable, args: tuple, kwargs: dict, result: Tensor | tuple[Tensor, ...]) -> None:
        """Guard the shape of a result that depends on values: by a count where there is one."""
        if func is aten.nonzero.default:
            self._guards.add(args[0].count_nonzero().eq(len(result)))
        elif func is aten.index.Tensor:
            for index in args[1]:
                if index is not None and index.dtype in (torch.bool, torch.uint8):
                    with disable_proxy_modes_tracing():
                        count = int(index.count_nonzero())
                    self._guards.add(index.count_nonzero().eq(count))
        elif func is aten.masked_select.default:
            mask = args[1].expand(torch.broadcast_shapes(args[0].shape, args[1].shape))
            self._guards.add(mask.count_nonzero().eq(len(result)))
        else:
            self._guard_arguments(args, kwargs)

    def _guard_arguments(self, args: tuple, kwargs: dict) -> None:
        """Guard all values of a function's tensors, whatever it computes from them."""
        for tensor in (*args, *kwargs.values()):
            if isinstance(tensor, Tensor):
                guard_all(self._guards, tensor)


class GuardedExports(TorchFunctionMode):
    """Guard all values of tensors that are handed to Python as a whole, such as by ``tolist``."""

    def __init__(self, guards: Guards) -> None:
        super().__init__()
        self._guards = guards

    def __torch_function__(self, func: Callable, types: Iterable, args: tuple = (), kwargs: dict | None = None):
        if func in _EXPORTING:
            guard_all(self._guards, args[0].detach())
        return func(*args, **(kwargs or {}))


def guard_all(guards: Guards, tensor: Tensor) -> None:
    """Add the condition that all values of a tensor are what they are now."""
    with disable_proxy_modes_tracing():
        now = tensor.detach().clone()
    guards.add((tensor.eq(now) | (tensor.ne(tensor) & now.ne(now))).all())


def _place(frame: FrameType | None) -> str:
    """Return the innermost line outside of PyTorch and this file."""
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith(_TORCH) and file != __file__ and not file.startswith("<"):
            return f"{file}:{frame.f_lineno}"
        frame = frame.f_back
    return "an unknown line"
