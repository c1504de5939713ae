"""The recordings for one shape of the inputs, which differ in the branches that were taken."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from typing import Any

import torch

from ..errors import LrpError, RelevanceError
from ..explained import Explained, is_explainable, tensors_of
from .backends import Backend
from .recording import Recording, record

Tensor = torch.Tensor
Tensors = dict[str, Explained]
# What is recorded: from tensors to tensors by name, and anything else that doesn't depend on values.
Function = Callable[..., tuple[Tensors, Any]]
# A function with more branches, such as a mixture of experts with a loop over them, is explained as usual.
MOST = 4


class Variants:
    """Recordings for inputs of the same shapes, the latest first; none if the function can't be recorded."""

    def __init__(self, function: Function, backend: Backend) -> None:
        self._function, self._backend = function, backend
        self._recordings: list[Recording] = []
        # What each was recorded with, until it was compared for other inputs.
        self._examples: dict[int, tuple[Tensor, ...]] = {}
        self._is_recordable = True
        self._lock = threading.Lock()

    @property
    def is_recorded(self) -> bool:
        """Whether there is a recording."""
        return bool(self._recordings)

    def recording(self, tensors: tuple[Tensor, ...]) -> Recording:
        """Return a recording that is valid for inputs; raise if there can't be one."""
        self.results(tensors)
        for recording in self._recordings:
            if recording.replay(tensors)[0] is not None:
                return recording
        raise RelevanceError("the function can't be recorded for these inputs: see the warning of its first call")

    def results(self, tensors: tuple[Tensor, ...]) -> tuple[Tensors, Any]:
        """Return the results for inputs, from a recording if one is valid for them."""
        reason = ""
        for recording in tuple(self._recordings):
            if not recording.modules.unchanged():
                self._drop(recording)
                continue
            results, reason = recording.replay(tensors)
            if results is not None:
                return self._compared(recording, tensors, results), recording.rest
        return self.record(tensors, reason)

    def record(self, tensors: tuple[Tensor, ...], reason: str = "") -> tuple[Tensors, Any]:
        """Return the results for inputs, and keep a recording that is valid for them; ``reason`` is why none is."""
        if not self._is_recordable:
            return self._function(*tensors)
        if len(self._recordings) == MOST:
            return self._unrecorded(tensors, reason)
        with self._lock:
            try:
                recording, results = record(self._function, tensors, self._backend)
            except (LrpError, torch.OutOfMemoryError):
                raise
            except Exception as error:  # what PyTorch can't record raises many kinds
                return self._unrecorded(tensors, f"{type(error).__name__}: {error}")
            self._recordings.insert(0, recording)
            self._examples[id(recording)] = tensors
        return results, recording.rest

    def _compared(self, recording: Recording, tensors: tuple[Tensor, ...], results: Tensors) -> Tensors:
        """Return results; those for the first inputs other than the examples only if the usual ones agree."""
        examples = self._examples.get(id(recording))
        if examples is None or all(map(torch.equal, examples, tensors)):
            return results
        expected, _ = self._function(*tensors)
        distance, tolerance = _distance(results, expected), recording.precision**0.5
        if distance > tolerance:
            self._give_up(f"what was recorded differs by {distance:.1e} for other inputs")
            return expected
        self._examples.pop(id(recording))
        return results

    def _unrecorded(self, tensors: tuple[Tensor, ...], reason: str) -> tuple[Tensors, Any]:
        """Return the results of the usual pass, now and from now on."""
        results = self._function(*tensors)  # raises what is wrong with the function itself
        self._give_up(reason)
        return results

    def _give_up(self, reason: str) -> None:
        self._recordings.clear()
        self._examples.clear()
        self._is_recordable = False
        warnings.warn(
            f"the explanation can't be compiled for these shapes and is computed as usual: {reason}", stacklevel=5
        )

    def _drop(self, recording: Recording) -> None:
        self._recordings.remove(recording)
        self._examples.pop(id(recording), None)


def _distance(results: Tensors, expected: Tensors) -> float:
    """Return the largest difference between results, relative to the largest entry of each tensor."""
    distances = []
    for name, tensors in results.items():
        for a, b in zip(tensors_of(tensors), tensors_of(expected[name]), strict=True):
            if not is_explainable(a):  # classes, choices
                distances.append(0.0 if torch.equal(a, b) else torch.inf)
            elif a.numel():
                largest = b.abs().max()
                distances.append(float((a - b).abs().max() / torch.where(largest > 0, largest, 1.0)))
    return max(distances, default=0.0)
