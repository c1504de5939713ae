"""What runs a recorded graph: its operations one by one, compiled kernels, or one launch on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.fx import GraphModule
from torch.utils._pytree import tree_map

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
    def compiled(graph: GraphModule) -> Callable:
        run = torch.compile(graph, backend=backend, dynamic=False, fullgraph=True)

        def with_one_error(*inputs: Tensor) -> Any:
            try:
                results = run(*inputs)
            except torch._dynamo.exc.TorchDynamoException as error:  # while it compiles, at the first call
                cause = getattr(error, "inner_exception", error)
                reason = next(iter(str(cause).strip().splitlines()), "")
                raise RelevanceError(
                    f"backend {backend!r} can't compile the explanation here ({type(cause).__name__}: {reason}): use "
                    "backend='eager'"
                ) from error
            # The next launch writes to the same memory.
            return tree_map(torch.clone, results) if backend == "cudagraphs" else results

        return with_one_error

    return compiled


BACKENDS = {
    "eager": lambda graph: graph,
    "inductor": _by_torch_compile("inductor"),
    "cudagraphs": _by_torch_compile("cudagraphs"),
}


def backend_of(name: str) -> Backend:
    """Return a backend by its name."""
    if name not in BACKENDS:
        raise RelevanceError(f"backend={name!r}: expected one of {', '.join(map(repr, BACKENDS))}")
    return Backend(name, BACKENDS[name])
