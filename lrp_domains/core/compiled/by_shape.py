"""Recordings of a function by the shapes of its inputs, as many as are kept."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import torch

from ..errors import RelevanceError
from .backends import Backend
from .variants import Function, Tensors, Variants

Tensor = torch.Tensor
# For how many shapes a function is tried that can't be recorded for any.
ATTEMPTS = 2


class ByShape:
    """A function that runs from recordings, one or more per shape of its inputs.

    Parameters
    ----------
    function
        From tensors to tensors by name, and anything else that doesn't depend on values. It may call `relevance`.
    backend
        What runs the recorded graphs.
    shapes
        For how many shapes recordings are kept.
    """

    def __init__(self, function: Function, backend: Backend, shapes: int = 16) -> None:
        if not isinstance(shapes, int) or shapes < 1:
            raise RelevanceError(f"shapes={shapes!r}: expected a number of at least 1")
        self._function, self.backend, self._most = function, backend, shapes
        self._variants: OrderedDict[tuple, Variants] = OrderedDict()
        self._lock = threading.Lock()

    def __call__(self, *tensors: Tensor) -> tuple[Tensors, Any]:
        """Return what the function returns."""
        self.backend.check(tensors)
        tensors = tuple(x.detach().contiguous() for x in tensors)
        return self.at(tensors).results(tensors)

    def at(self, tensors: Sequence[Tensor]) -> Variants:
        """Return the recordings for the shapes of some inputs; drop those that were not used for longest."""
        key = _key(tensors)
        with self._lock:
            if key not in self._variants:
                others = self._variants.values()
                is_hopeless = sum(v.is_given_up for v in others) >= ATTEMPTS and not any(v.is_recorded for v in others)
                self._variants[key] = Variants(self._function, self.backend, is_recordable=not is_hopeless)
            self._variants.move_to_end(key)
            while len(self._variants) > self._most:
                self._variants.popitem(last=False)
            return self._variants[key]

    def is_recorded(self, tensors: Sequence[Tensor]) -> bool:
        """Return whether there is a recording for the shapes of some inputs."""
        variants = self._variants.get(_key(tensors))
        return variants is not None and variants.is_recorded

    def __len__(self) -> int:
        return sum(variants.is_recorded for variants in self._variants.values())


def _key(tensors: Sequence[Tensor]) -> tuple:
    """Return what recordings are kept by: everything but values that decides which operations run."""
    autocast = tuple(
        (name, torch.get_autocast_dtype(name)) for name in ("cpu", "cuda") if torch.is_autocast_enabled(name)
    )
    return tuple((x.shape, x.dtype, x.device) for x in tensors), autocast, torch.get_default_dtype()
