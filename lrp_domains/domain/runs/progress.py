"""Progress of long iterations, shown by the caller."""

from collections.abc import Callable, Iterable

Progress = Callable[[Iterable, str], Iterable]
"""Wraps an iteration, given a description, such as ``rich.progress.track``."""


def no_progress(items: Iterable, description: str) -> Iterable:
    """Return the items unchanged, without showing progress."""
    return items
