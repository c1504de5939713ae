"""Reading ahead: a thread reads the next items while the current one is computed with."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def prefetched(items: Iterable[Item], ahead: int = 1) -> Iterator[Item]:
    """Yield items in order, while a thread already computes the next ones.

    An error is raised where its item is due. When the consumer stops, with an error or without, the item that is being
    computed is finished, and no other is begun.

    Parameters
    ----------
    items
        Computed one after another, by a single thread.
    ahead
        Number of items that may wait.
    """
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1, thread_name_prefix="prefetch") as thread:
        waiting = deque(thread.submit(next, iterator, end) for _ in range(ahead))
        try:
            while (item := waiting.popleft().result()) is not end:
                waiting.append(thread.submit(next, iterator, end))
                yield item
        finally:
            for future in waiting:
                future.cancel()
