"""The error of this adapter, and parts of its messages."""

from collections.abc import Iterator
from contextlib import contextmanager

from ..domain import DomainError, choices, listed

# One class for all adapters: an invalid text, model or request; the message says what to do.
TextError = DomainError

__all__ = ["TextError", "about", "choices", "excerpt", "listed"]


@contextmanager
def about(subject: str) -> Iterator[None]:
    """Use around work on one subject, such as ``"text 3"``: errors that the block raises begin with it."""
    try:
        yield
    except TextError as error:
        raise TextError(f"{subject}: {error}") from error


def excerpt(text: str, length: int = 40) -> str:
    """Return the beginning of a text on one line, quoted, for a message."""
    return repr(text if len(text) <= length else text[:length] + "…")
