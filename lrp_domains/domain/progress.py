"""Progress of long iterations, shown by whoever calls."""

from collections.abc import Callable, Iterable

# Wraps an iteration, given what is done in it, such as ``rich.progress.track``.
Progress = Callable[[Iterable, str], Iterable]


def no_progress(items: Iterable, description: str) -> Iterable:
    """Return the items unchanged: no progress is shown."""
    return items
