"""What runs a recorded graph: its operations one by one, compiled kernels, or one launch on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch.fx import GraphModule

from ..errors import RelevanceError

Tensor = torch.Tensor


@dataclass(frozen=True)
class Backend:
    """A way to run a graph, by its name."""

    name: str
    compile: Callable[[GraphModule], Callable]

    def check(self, inputs: Sequence[Tensor]) -> None:
        """Raise if the backend can't run where the inputs are."""
        if self.name == "cudagraphs" and any(x.device.type != "cuda" for x in inputs):
            raise RelevanceError(
                f"backend 'cudagraphs' needs all inputs on a GPU, not on {inputs[0].device}: move model and inputs "
                "there, or use 'eager' or 'inductor'"
            )


def _by_torch_compile(backend: str) -> Callable[[GraphModule], Callable]:
    return lambda graph: torch.compile(graph, backend=backend, dynamic=False, fullgraph=True)


_BACKENDS = {
    "eager": lambda graph: graph,
    "inductor": _by_torch_compile("inductor"),
    "cudagraphs": _by_torch_compile("cudagraphs"),
}


def backend_of(name: str) -> Backend:
    """Return a backend by its name."""
    if name not in _BACKENDS:
        raise RelevanceError(f"backend={name!r}: expected one of {', '.join(map(repr, _BACKENDS))}")
    return Backend(name, _BACKENDS[name])
