"""Hold what a forward pass selects: let one run choose experts or entries, and make another take the same ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch.overrides import TorchFunctionMode

from .errors import RelevanceError

Tensor = torch.Tensor
# The functions that choose entries by their values. Each returns indices, the first two also the entries.
_WITH_VALUES = ("topk", "sort")
_SELECTING = (*_WITH_VALUES, "argsort", "argmax", "argmin")


class Selections:
    """The selections of one forward pass, in order."""

    def __init__(self) -> None:
        self._indices: list[tuple[str, Tensor]] = []

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Record which entries are selected."""
        with _Selecting(self._record):
            yield

    @contextmanager
    def repeated(self) -> Iterator[None]:
        """Select the recorded entries again, whatever their values are."""
        pending = iter(self._indices)
        with _Selecting(lambda func, args, kwargs: _repeat(next(pending, None), func, args, kwargs)):
            yield

    def _record(self, func: Callable, args: tuple, kwargs: dict) -> object:
        result = func(*args, **kwargs)
        indices = (result[1] if func.__name__ in _WITH_VALUES else result).detach()
        self._indices.append((func.__name__, indices))
        return _selected(indices, func.__name__, args, kwargs)


def _repeat(recorded: tuple[str, Tensor] | None, func: Callable, args: tuple, kwargs: dict) -> object:
    name = func.__name__
    if recorded is None or recorded[0] != name:
        raise RelevanceError(f"the function calls {name} for the references where it didn't for the inputs")
    return _selected(recorded[1], name, args, kwargs)


def _selected(indices: Tensor, name: str, args: tuple, kwargs: dict) -> object:
    """Return what a function selects: both passes gather it, so that their graphs are alike."""
    if name not in _WITH_VALUES:
        return indices
    x = args[0] if args else kwargs["input"]
    position = 2 if name == "topk" else 1
    dim = kwargs.get("dim", args[position] if len(args) > position else -1)
    if indices.ndim != x.ndim or any(i > n for i, n in zip(indices.shape, x.shape, strict=True)):
        raise RelevanceError(f"{name} selects from a tensor of another shape for the references than for the inputs")
    return getattr(torch.return_types, name)((x.gather(dim, indices), indices))


class _Selecting(TorchFunctionMode):
    """Hand calls of selecting functions to another function."""

    def __init__(self, handle: Callable[[Callable, tuple, dict], object]) -> None:
        super().__init__()
        self._handle = handle

    def __torch_function__(self, func: Callable, types: Iterable, args: tuple = (), kwargs: dict | None = None):
        if getattr(func, "__name__", "") in _SELECTING:
            return self._handle(func, args, kwargs or {})
        return func(*args, **(kwargs or {}))
