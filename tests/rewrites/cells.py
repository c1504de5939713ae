"""Recurrent layers: torch's with shared parameters, and steps run through time."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lrp_domains import unfused

from .comparison import Function
from .tensors import WIDTH, draw, parameter

Step = Callable[..., Tensor]


def weights(gates: int, seed: int) -> tuple[nn.Parameter, ...]:
    """Return W and U, then b and c, for that many gates."""
    shapes = [(gates * WIDTH, WIDTH)] * 2 + [(gates * WIDTH,)] * 2
    return tuple(nn.Parameter(0.5 * draw(*shape, seed=seed + offset)) for offset, shape in enumerate(shapes))


FIRST = parameter(1, WIDTH, seed=51)  # a learned first state
FIRST_CELL = parameter(1, WIDTH, seed=52)


def module(kind: type[nn.RNNBase], parameters: tuple[nn.Parameter, ...]) -> nn.RNNBase:
    """Return torch's layer with these parameters."""
    layer = kind(WIDTH, WIDTH, batch_first=True, device="meta")  # draws no random numbers
    for name, value in zip(("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"), parameters, strict=True):
        setattr(layer, name, value)
    return layer


def zero_state(x: Tensor) -> Tensor:
    return x.new_zeros(len(x), WIDTH)


def learned_state(x: Tensor) -> Tensor:
    return FIRST.expand(len(x), WIDTH)


def learned_cell(x: Tensor) -> Tensor:
    return FIRST_CELL.expand(len(x), WIDTH)


def of_torch(layer: nn.RNNBase, *states: Callable[[Tensor], Tensor]) -> Function:
    def run(x: Tensor) -> Tensor:
        first = tuple(state(x)[None] for state in states)
        with unfused():
            return layer(x, first if len(first) > 1 else first[0])[0]

    return run


def through_time(step: Step, *states: Callable[[Tensor], Tensor]) -> Function:
    """Run a step over the sequence. A step with a cell returns the state and the cell."""

    def run(x: Tensor) -> Tensor:
        state, outputs = tuple(state(x) for state in states), []
        for x_t in x.unbind(1):
            state = step(x_t, *state)
            state = state if isinstance(state, tuple) else (state,)
            outputs.append(state[0])
        return torch.stack(outputs, 1)

    return run
