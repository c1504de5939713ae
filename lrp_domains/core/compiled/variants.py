"""The recordings for one shape of the inputs, which differ in the branches that were taken."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from ..errors import LrpError, RelevanceError
from ..explained import is_explainable
from ..warn import warn
from .backends import Backend
from .recording import Recording, record

Tensor = torch.Tensor
Tensors = dict[str, Any]
# What is recorded: from tensors to tensors (in lists, tuples and dicts) by name, and anything else that doesn't depend
# on values.
Function = Callable[..., tuple[Tensors, Any]]
# A function with more branches, such as a mixture of experts with a loop over them, is explained as usual.
MOST = 4
# PyTorch's tracer patches modules in the whole process, so one function is recorded at a time.
_RECORDING = threading.RLock()


class Variants:
    """Recordings for inputs of the same shapes, the latest first; none if the function can't be recorded."""

    def __init__(self, function: Function, backend: Backend, *, is_recordable: bool = True) -> None:
        self._function, self._backend = function, backend
        self._recordings: list[Recording] = []
        # What each was recorded with, until it was compared for other inputs.
        self._examples: dict[int, tuple[Tensor, ...]] = {}
        self._is_recordable = is_recordable

    @property
    def is_given_up(self) -> bool:
        """Whether the function is explained as usual."""
        return not self._is_recordable

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
        """Return the results for inputs, from a recording, which is made if none is valid for them."""
        with torch.inference_mode(False):
            results, _ = self._replayed(tensors)
            if results is None and self._is_recordable:
                with _RECORDING:
                    results, reason = self._replayed(tensors)  # another thread may have recorded it
                    if results is None and self._is_recordable:
                        results = self._recorded(tensors, reason)
            return self._function(*tensors) if results is None else results

    def _replayed(self, tensors: tuple[Tensor, ...]) -> tuple[tuple[Tensors, Any] | None, str]:
        """Return the results from a recording that is valid for inputs; if none is, None and why."""
        reason = ""
        for recording in tuple(self._recordings):
            if not recording.modules.unchanged():
                self._drop(recording)
                continue
            results, reason = recording.replay(tensors)
            if results is not None:
                return (self._compared(recording, tensors, results), recording.rest), ""
        return None, reason

    def _recorded(self, tensors: tuple[Tensor, ...], reason: str) -> tuple[Tensors, Any]:
        """Return the results for inputs, and keep a recording that is valid for them; ``reason`` is why none is."""
        if len(self._recordings) == MOST:
            return self._unrecorded(tensors, reason)
        try:
            recording, results, expected = record(self._function, tensors, self._backend)
        except (LrpError, torch.OutOfMemoryError):
            raise
        except Exception as error:  # what PyTorch can't record raises many kinds
            return self._unrecorded(tensors, f"{type(error).__name__}: {str(error).partition(chr(10))[0]}")
        if not self._agree(recording, results, expected):
            return expected, recording.rest
        self._examples[id(recording)] = tensors
        self._recordings.insert(0, recording)
        return results, recording.rest

    def _compared(self, recording: Recording, tensors: tuple[Tensor, ...], results: Tensors) -> Tensors:
        """Return results; those for the first inputs other than the examples only if the usual ones agree."""
        examples = self._examples.get(id(recording))
        if examples is None or all(map(torch.equal, examples, tensors)):
            return results
        expected, _ = self._function(*tensors)
        if not self._agree(recording, results, expected):
            return expected
        self._examples.pop(id(recording), None)
        return results

    def _agree(self, recording: Recording, results: Tensors, expected: Tensors) -> bool:
        """Return whether a recording computes what the function does, to rounding; give up if it doesn't."""
        distance = _distance(results, expected)
        if distance <= recording.precision**0.5:
            return True
        self._give_up(f"what was recorded differs by {distance:.1e} from the usual pass")
        return False

    def _unrecorded(self, tensors: tuple[Tensor, ...], reason: str) -> tuple[Tensors, Any]:
        """Return the results of the usual pass, now and from now on."""
        results = self._function(*tensors)  # raises what is wrong with the function itself
        self._give_up(reason)
        return results

    def _give_up(self, reason: str) -> None:
        self._recordings.clear()
        self._examples.clear()
        self._is_recordable = False
        warn(
            f"the explanation can't be compiled for these shapes and is computed as usual: {reason}",
        )

    def _drop(self, recording: Recording) -> None:
        self._recordings = [other for other in self._recordings if other is not recording]
        self._examples.pop(id(recording), None)


def _distance(results: Tensors, expected: Tensors) -> float:
    """Return the largest difference between results, relative to the largest entry of each tensor."""
    distances = []
    of_results, of_expected = tree_leaves(results), tree_leaves(expected)
    if [x.shape for x in of_results] != [x.shape for x in of_expected]:
        return torch.inf
    for a, b in zip(of_results, of_expected, strict=True):
        if not is_explainable(a):  # classes, choices
            distances.append(0.0 if torch.equal(a, b) else torch.inf)
        elif a.numel():
            largest = b.abs().max()
            distances.append(float((a - b).abs().max() / torch.where(largest > 0, largest, 1.0)))
    return max(distances, default=0.0)
