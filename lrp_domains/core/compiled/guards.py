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
from torch.utils._pytree import tree_leaves

Tensor = torch.Tensor
aten = torch.ops.aten
# What reads all of a tensor's values past the dispatcher: methods that hand them to Python or to other libraries,
_EXPORTING = frozenset("tolist numpy __array__ __dlpack__ __repr__ __format__".split())
# functions that copy tensors out of lists,
_FROM_LISTS = frozenset("tensor as_tensor asarray new_tensor".split())
# and functions that read lengths and indices.
_OF_LENGTHS = frozenset("tensor_split _pack_padded_sequence _pad_packed_sequence rnn_tanh rnn_relu lstm gru".split())
# Operations whose result has as many entries as their values determine, although they have no tag that says so.
_COUNTING = frozenset("aten::_to_sparse aten::_to_sparse_csr aten::_to_sparse_csc aten::_coalesce".split())
_OF_NUMBERS = {bool: torch.bool, int: torch.int64, float: torch.float64, complex: torch.complex128}
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
        args, kwargs = _with_tensors(func, args), kwargs or {}
        if torch.Tag.data_dependent_output in func.tags:
            with disable_proxy_modes_tracing():
                value = func(*args, **kwargs)
            self._guard_value(func, args, kwargs, value)
            return value
        result = func(*args, **kwargs)
        if torch.Tag.dynamic_output_shape in func.tags or func.name().partition(".")[0] in _COUNTING:
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


def _with_tensors(func: Callable, args: tuple) -> tuple:
    """Return the arguments with a tensor in place of a number that autograd saved, which dispatch modes get as such."""
    is_number = bool(args) and type(args[0]) in _OF_NUMBERS
    expected = [str(argument.type) for argument in func._schema.arguments] if is_number else []
    if expected[:1] != ["Tensor"] or expected.count("Tensor") > 1:
        return args
    with disable_proxy_modes_tracing():
        return torch.tensor(args[0], dtype=_OF_NUMBERS[type(args[0])]), *args[1:]


class GuardedExports(TorchFunctionMode):
    """Guard all values of tensors that are read past the dispatcher, such as by ``tolist``."""

    def __init__(self, guards: Guards) -> None:
        super().__init__()
        self._guards = guards

    def __torch_function__(self, func: Callable, types: Iterable, args: tuple = (), kwargs: dict | None = None):
        for tensor in _read_by(getattr(func, "__name__", ""), args):
            guard_all(self._guards, tensor.detach())
        return func(*args, **(kwargs or {}))


def _read_by(name: str, args: tuple) -> list[Tensor]:
    """Return the tensors whose values a function of torch reads past the dispatcher."""
    if name in _EXPORTING:
        return [args[0]]
    if name in _OF_LENGTHS:
        return [x for x in args if isinstance(x, Tensor) and not x.is_floating_point()]
    if name in _FROM_LISTS:
        return [
            x
            for argument in args
            if isinstance(argument, list | tuple)
            for x in tree_leaves(argument)
            if isinstance(x, Tensor)
        ]
    return []


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
