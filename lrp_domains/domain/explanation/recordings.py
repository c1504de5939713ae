"""Explanations of batches that run from recordings, without Python code of the model or of the rules."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from ... import Ledger
from ...core.compiled.backends import BACKENDS, backend_of
from ...core.compiled.by_shape import ByShape
from ..messages import DomainError
from .computed import Computed

Results = tuple[Any, Ledger, Mapping[str, Tensor]]


def check_compile(compile: bool | str) -> None:
    """Raise if a setting is neither whether to compile explanations, nor a backend to compile them by."""
    if not isinstance(compile, bool) and compile not in BACKENDS:
        raise DomainError(f"compile={compile!r}: expected True, False, or a backend: {', '.join(map(repr, BACKENDS))}")


def compiled(function: Callable[..., Computed], compile: bool | str, *, shapes: int = 16) -> Callable[..., Results]:
    """Return a function that explains batches, compiled if requested.

    Parameters
    ----------
    function
        From tensors to the explanation of a batch, in which relevance of units is tensors, also in lists and dicts.
        Everything that differs from batch to batch must be a tensor.
    compile
        False: run the function as it is. True or a backend: run it from recordings, as by `lrp_domains.compile`.
    shapes
        For how many shapes of the tensors recordings are kept.

    Returns
    -------
    A function from tensors to the relevance of units, the ledger (without relevance of sources), and the other tensors.
    """

    def as_it_is(*tensors: Tensor) -> Results:
        computed = function(*tensors)
        return computed.units, computed.sums.ledger(), computed.others

    def in_tensors(*tensors: Tensor) -> tuple[dict[str, Any], Any]:
        computed = function(*tensors)
        results = {"units": computed.units, "numbers": computed.sums.numbers, "others": dict(computed.others)}
        return results, computed.sums.rows

    if compile is False:
        return as_it_is
    recorded = ByShape(in_tensors, backend_of("eager" if compile is True else compile), shapes)

    def from_recordings(*tensors: Tensor) -> Results:
        results, rows = recorded(*tensors)
        return results["units"], rows.ledger(results["numbers"], ()), results["others"]

    return from_recordings
