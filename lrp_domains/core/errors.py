"""What can go wrong, said in one line each: what happened, where, and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager


class LrpError(ValueError):
    """The base of all errors that tell users what they can mend."""


class RelevanceError(LrpError):
    """An explanation that cannot be given as asked; the message says why and what to do."""


class UnknownOperation(RelevanceError):
    """An autograd node on the way from the output to the inputs that the rule set has no answer for."""


@contextmanager
def freed_graphs_named() -> Iterator[None]:
    """Say what to do where an earlier pass has freed the graph."""
    try:
        yield
    except RuntimeError as error:
        if "second time" not in str(error):
            raise
        raise RelevanceError(
            "an earlier pass over this graph has freed it: give that pass retain_graph=True, or run the forward pass "
            "again"
        ) from error
