"""The tensors that all forms of a function share, drawn from seeds, in float64."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

ROWS, WIDTH = 3, 6


def draw(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed * 1000 + sum(shape) * 7 + len(shape))
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def parameter(*shape: int, seed: int) -> nn.Parameter:
    return nn.Parameter(draw(*shape, seed=seed))


@contextmanager
def float64() -> Iterator[None]:
    """Temporarily make float64 the default, so that forms that call ``torch.zeros(1)`` agree to the last digits."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
