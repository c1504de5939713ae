"""The error class of the gene adapter, and the helpers that its messages use."""

from ..domain import DomainError, choices, listed

# The same class in all adapters: a cohort, a model or a request that doesn't fit; the message says what to do.
CohortError = DomainError

__all__ = ["CohortError", "choices", "listed"]
