"""Random rows of numbers in float64 that require grad."""

import torch


def rows(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)
