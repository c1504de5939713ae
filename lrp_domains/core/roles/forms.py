"""What a value is as a function of its origin u, its form, and the rank that follows from it."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

SUMS = frozenset(("Add", "Sub", "Rsub"))
CHOICES = frozenset("Where Maximum Minimum Fmax Fmin Clamp".split())


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


def combined(base: str, parts: list[Value]) -> Value:
    """Return what an operation makes of values of one origin, elementwise."""
    rank = max(part.rank for part in parts)
    powers = all(part.form == Form.POWER for part in parts)
    if base == "Lerp1":
        form = Form.ZERO if all(part.is_pure for part in parts[:-1]) else Form.UNSEEN
    elif base in SUMS | CHOICES:
        if powers and base in SUMS and len({part.degree for part in parts}) == 1:
            return parts[0]._replace(rank=rank)
        if base in SUMS and all(part.is_linear or part.form == Form.SHIFTED for part in parts):
            return parts[0]._replace(rank=rank, form=Form.SHIFTED, degree=1.0)
        form = Form.ZERO if all(part.is_pure for part in parts) else Form.UNSEEN
    elif base == "Addcmul" and len(parts) == 3:
        form = Form.ZERO if parts[0].is_pure and any(part.is_pure for part in parts[1:]) else Form.UNSEEN
    elif powers:
        degrees = [part.degree for part in parts]
        total = degrees[0] - degrees[1] if base == "Div" else sum(degrees)
        if total:
            return parts[0]._replace(rank=rank, degree=total)
        form = Form.NONZERO
    else:
        pure = parts[0].is_pure if base == "Div" else any(part.is_pure for part in parts)
        unseen = any(part.form == Form.UNSEEN for part in parts)
        form = Form.ZERO if pure else Form.UNSEEN if unseen else Form.NONZERO
    return parts[0]._replace(rank=rank, form=form, degree=1.0)
