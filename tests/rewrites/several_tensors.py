"""Contexts for functions of two, three or four tensors: of inputs, of layers, of both."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from .comparison import Context
from .tensors import ROWS, WIDTH, draw, parameter

LAYERS = [(parameter(WIDTH, WIDTH, seed=seed), parameter(WIDTH, seed=seed + 1)) for seed in (1, 3, 5, 7)]
FURTHER = parameter(WIDTH, WIDTH, seed=13), parameter(WIDTH, seed=14)
LAST = parameter(WIDTH, WIDTH, seed=11), parameter(WIDTH, seed=12)


def contexts(tensors: int, shape: tuple[int, ...] = (ROWS, WIDTH)) -> dict[str, Context]:
    """Return the contexts for functions of that many tensors of one shape."""

    def layers(x: Tensor) -> list[Tensor]:
        return [F.linear(x, weight, bias) for weight, bias in LAYERS[:tensors]]

    def after_an_activation(x: Tensor) -> list[Tensor]:
        first, *others = layers(x)
        return [F.silu(first), *others]

    def products_and_gates(x: Tensor) -> list[Tensor]:
        first, *others = layers(x)
        others[-1:] = [F.sigmoid(last) for last in others[-1:]]
        return [first * F.linear(x, *FURTHER), *others]

    def times_a_layer(y: Tensor, x: Tensor) -> Tensor:
        return y * F.linear(x, *FURTHER).flatten(0, -2).mean(0)  # its shape broadcasts with all others

    x = (draw(*shape, seed=9),)
    return {
        "of inputs": Context(lambda f: f, tuple(draw(*shape, seed=20 + number) for number in range(tensors))),
        "between layers": Context(lambda f: lambda x: F.linear(f(*layers(x)), *LAST), x),
        "of an input and its layers": Context(lambda f: lambda x: f(x, *layers(x)[1:]), x),
        "of an activation and layers": Context(lambda f: lambda x: F.linear(f(*after_an_activation(x)), *LAST), x),
        "times a further layer": Context(lambda f: lambda x: F.linear(times_a_layer(f(*layers(x)), x), *LAST), x),
        "of a product and a gate, times a layer": Context(
            lambda f: lambda x: F.linear(times_a_layer(f(*products_and_gates(x)), x), *LAST), x
        ),
    }
