"""Record a function of tensors, explanation included, as one graph of tensor operations."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

from .backends import Backend
from .guards import GuardedExports, GuardedReads, Guards
from .modules import RecordedModules
from .simplify import simplify

Tensor = torch.Tensor


@dataclass(frozen=True, eq=False)
class Recording:
    """A recorded function.

    Attributes
    ----------
    graph
        The operations: from the inputs to the results, whether all conditions hold, and each condition.
    run
        The graph as the backend runs it.
    places
        Per condition, the line of code that read the value.
    modules
        The modules that it ran, with their state.
    rest
        What the function returned besides tensors.
    """

    graph: GraphModule
    run: Callable[..., tuple[Any, Tensor, Tensor]]
    places: tuple[str, ...]
    modules: RecordedModules
    rest: Any

    @property
    def precision(self) -> float:
        """The epsilon of the coarsest dtype that it computes in."""
        dtypes = {node.meta["tensor_meta"].dtype for node in self.graph.graph.nodes if _is_one_tensor(node)}
        return max(torch.finfo(dtype).eps for dtype in dtypes if dtype.is_floating_point or dtype.is_complex)

    def replay(self, inputs: Sequence[Tensor]) -> tuple[Any, str]:
        """Return the results for inputs of the recorded shapes; if the recording isn't valid for them, None and why."""
        try:
            with _as_recorded():
                results, valid, conditions = self.run(*inputs)
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, IndexError) as error:
            # Where a condition doesn't hold, shapes may not fit further on.
            return None, f"an operation that was recorded raised {type(error).__name__}"
        if bool(valid):
            return results, ""
        first = int(conditions.logical_not().nonzero()[0])
        return None, f"{self.places[first]} reads a value that decides what is computed"


@contextmanager
def _as_recorded() -> Iterator[None]:
    """Temporarily run operations as they are: a recording has no gradient, and autocast's casts are part of it."""
    enabled = [device for device in ("cpu", "cuda") if torch.is_autocast_enabled(device)]
    with torch.no_grad(), ExitStack() as stack:
        for device in enabled:
            stack.enter_context(torch.autocast(device, enabled=False))
        yield


def _is_one_tensor(node: torch.fx.Node) -> bool:
    return hasattr(node.meta.get("tensor_meta"), "dtype")


def record(
    function: Callable[..., tuple[Any, Any]], inputs: Sequence[Tensor], backend: Backend
) -> tuple[Recording, Any, Any]:
    """Record a function that returns tensors, in tuples, lists and dicts, and the rest; it may call `relevance`.

    Its branches are those that it takes for these inputs. Also return the tensors for them: as the backend computes
    them, and as the function did while it was recorded.

    Raises
    ------
    RelevanceError
        The backend can't compile the graph.
    """
    guards, modules, usual = Guards(), RecordedModules(), []

    def guarded(*tensors: Tensor) -> tuple[Any, Tensor, Tensor]:
        with GuardedReads(guards), GuardedExports(guards), modules.recorded():
            results, rest = function(*tensors)
        usual.append((results, rest))
        conditions = guards.all(tensors[0].device)
        return results, conditions.all(), conditions

    graph = make_fx(guarded)(*inputs)
    simplify(graph)
    run = backend.compile(graph)
    with _as_recorded(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of PyTorch about its own code, while it compiles
        results, _, _ = run(*inputs)
    expected, rest = usual[0]
    return Recording(graph, run, tuple(guards.places), modules, rest), results, expected
