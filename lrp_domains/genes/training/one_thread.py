"""One thread for a while: on networks of this size more of them only wait for one another."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Let PyTorch use one CPU thread, then as many as before.

    Two threads made training on 700 cells twenty times slower; and other libraries set the number for the whole
    process, as numba does in scanpy's Wilcoxon test.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
