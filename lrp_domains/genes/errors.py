"""The error of this adapter, and the words of its messages."""

from ..domain import DomainError, choices, listed

# One class for all adapters: a cohort, a model or a request that don't fit; the message says what to do.
CohortError = DomainError

__all__ = ["CohortError", "choices", "listed"]
