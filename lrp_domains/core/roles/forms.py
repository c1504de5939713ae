"""What a value is as a function of its origin u, its form, and the rank that follows from it."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple


class Rank(IntEnum):
    SCALE = 0  # a root, an inverse: of a norm, a deviation, a distance
    PROBABILITY = 1  # a softmax: outranked like a gate, but only the softmax's own rule makes it constant
    GATE = 2  # nonlinear, and not 0 where its origin is 0: a sigmoid
    ACTIVATED = 3  # nonlinear, and 0 where its origin is: a ReLU
    SIGNAL = 4


class Form(IntEnum):
    """A value as a function of its origin u."""

    POWER = 0  # c u^degree; of degree 1 it is linear
    SHIFTED = 1  # c u and a constant
    ZERO = 2  # any other function that is 0 at u = 0
    NONZERO = 3  # any other that is not
    UNSEEN = 4  # a constant was added that autograd doesn't keep: its value at u = 0 must be computed


class Value(NamedTuple):
    """A value's origin, the origin's rank, and the value as a function of it."""

    origin: object
    rank: Rank = Rank.SIGNAL
    form: Form = Form.POWER
    degree: float = 1.0

    @property
    def is_linear(self) -> bool:
        return self.form == Form.POWER and self.degree == 1

    @property
    def is_affine(self) -> bool:
        return self.is_linear or self.form == Form.SHIFTED

    @property
    def is_pure(self) -> bool:
        """Whether the value is 0 where its origin is."""
        return self.form == Form.ZERO or (self.form == Form.POWER and self.degree > 0)


def rank_of(value: Value) -> Rank:
    """The rank of a value whose form is known."""
    if value.form == Form.POWER:
        if value.degree == 1:
            return value.rank
        by_form = Rank.ACTIVATED if value.degree > 1 else Rank.SCALE
    else:
        by_form = Rank.ACTIVATED if value.form == Form.ZERO else Rank.GATE
    return min(value.rank, by_form)
