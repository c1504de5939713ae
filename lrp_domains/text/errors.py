"""The error of this adapter, and the words of its messages."""

from ..domain import DomainError, choices, listed

# One class for all adapters: a text, a model or a request that don't fit; the message says what to do.
TextError = DomainError

__all__ = ["TextError", "choices", "excerpt", "listed"]


def excerpt(text: str, length: int = 40) -> str:
    """Return the beginning of a text on one line, quoted, for a message."""
    return repr(text if len(text) <= length else text[:length] + "…")
