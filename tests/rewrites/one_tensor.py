"""Functions of one tensor in eight contexts: activations, powers, and functions of a row."""

from __future__ import annotations

from torch.nn import functional as F

from .activations import ACTIVATIONS
from .comparison import Context, Function
from .elementwise import ELEMENTWISE
from .norms import NORMS
from .row_functions import ROW_FUNCTIONS
from .tensors import ROWS, WIDTH, draw, parameter

FAMILIES = ACTIVATIONS | ELEMENTWISE | NORMS | ROW_FUNCTIONS

W1, W2, W3 = (parameter(WIDTH, WIDTH, seed=seed) for seed in (1, 3, 5))
B1, B2, B3 = (parameter(WIDTH, seed=seed) for seed in (2, 4, 6))


def times_its_argument(f: Function) -> Function:
    def product(x):
        h = F.linear(x, W1, B1)
        return h * f(h)

    return product


def of_a_product(f: Function) -> Function:
    def product(x):
        return F.linear(f(F.linear(x, W1, B1) * F.linear(x, W2, B2)) * F.linear(x, W3, B3), W2, B2)

    return product


INPUTS = (draw(ROWS, WIDTH, seed=9),)
CONTEXTS = {
    name: Context(put, INPUTS)
    for name, put in {
        "between layers": lambda f: lambda x: F.linear(f(F.linear(x, W1, B1)), W2, B2),
        "on the input": lambda f: f,
        "beside a skip": lambda f: lambda x: x + f(F.linear(x, W1, B1)),
        "times a signal": lambda f: lambda x: F.linear(f(F.linear(x, W1, B1)) * F.linear(x, W3, B3), W2, B2),
        "a signal times it": lambda f: lambda x: F.linear(x, W3, B3) * f(F.linear(x, W1, B1)),
        "times its own argument": times_its_argument,
        "of a product, times a signal": of_a_product,
        "after a norm": lambda f: lambda x: F.linear(f(F.layer_norm(x, (WIDTH,))), W2, B2),
    }.items()
}
