"""The number of threads that PyTorch computes with."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Temporarily use one CPU thread in PyTorch.

    Two threads made training on 700 cells twenty times slower, because they wait for one another; and other libraries
    set the number for the whole process, such as numba in scanpy's Wilcoxon test. Where PyTorch isn't
    imported, nothing is done.
    """
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
