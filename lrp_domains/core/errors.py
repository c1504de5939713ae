"""The errors. Each message says what happened, where, and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager


class LrpError(ValueError):
    """The base of all errors that users can correct."""


class RelevanceError(LrpError):
    """An explanation that can't be computed as requested; the message says why and what to do."""


class UnknownOperation(RelevanceError):
    """An autograd node between the output and the inputs that the rule set has no rule for."""


@contextmanager
def freed_graphs_named() -> Iterator[None]:
    """Raise an error with a remedy if an earlier pass has freed the graph."""
    try:
        yield
    except RuntimeError as error:
        if "second time" not in str(error):
            raise
        raise RelevanceError(
            "an earlier pass over this graph has freed it: pass retain_graph=True there, or run the forward pass again"
        ) from error
