"""What several examples share: fixed numbers, positive arguments, parameters, masks and indices."""

import math

import torch


def fixed(*shape: int) -> torch.Tensor:
    """Return distinct numbers between -1 and 1, the same in every call."""
    return torch.arange(1.0, 1 + math.prod(shape), dtype=torch.get_default_dtype()).sin().view(shape)


def positive(x: torch.Tensor) -> torch.Tensor:
    """Map x to numbers between 0.1 and 0.9, where logarithms, roots and inverse functions are smooth."""
    return 0.5 + 0.4 * torch.sin(x)


def parameter(t: torch.Tensor) -> torch.Tensor:
    """Return part of an argument in the memory layout of a parameter."""
    return t.contiguous()


def conv(f, x, *parameters, **settings):
    return f(x, *map(parameter, parameters), **settings)


MASK = torch.tensor([[True, False, True, True], [False, False, True, False], [True, True, False, True]])
TURN = torch.tensor([1, 2, 0])
AGAIN = torch.tensor([2, 0, 2])
FIRST = torch.tensor([0])
PLACES = torch.tensor([[1, 2, 0, 0], [2, 1, 1, 2], [0, 0, 2, 1]])  # a permutation in each column but the last
