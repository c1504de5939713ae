"""The form of a value, which is what it is as a function of its origin u, and the rank that follows from the form."""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

SUMS = frozenset(("Add", "Sub", "Rsub"))
CHOICES = frozenset("Where Maximum Minimum Fmax Fmin Clamp".split())


class Rank(IntEnum):
    """The role of a value in a product, lowest first."""

    SCALE = 0  # a root or an inverse: of a norm, a deviation, a distance
    PROBABILITY = 1  # a softmax: outranked like a gate, but only the rule of the softmax makes it constant
    GATE = 2  # nonlinear, and not 0 where its origin is 0: a sigmoid
    ACTIVATED = 3  # nonlinear, and 0 where its origin is 0: a ReLU
    SIGNAL = 4


class Form(IntEnum):
    """A value as a function of its origin u."""

    POWER = 0  # c u^degree; linear if the degree is 1
    SHIFTED = 1  # c u plus a constant
    ZERO = 2  # any other function that is 0 at u = 0
    NONZERO = 3  # any other function that is not 0 there
    UNSEEN = 4  # autograd doesn't keep a constant that was added: the value at u = 0 must be computed


class Value(NamedTuple):
    """A value's origin, the rank of the origin, and the form of the value."""

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
        """Whether the value is 0 where its origin is 0."""
        return self.form == Form.ZERO or (self.form == Form.POWER and self.degree > 0)


def rank_of(value: Value) -> Rank:
    """Return the rank of a value whose form is known."""
    if value.form == Form.POWER:
        if value.degree == 1:
            return value.rank
        by_form = Rank.ACTIVATED if value.degree > 1 else Rank.SCALE
    else:
        by_form = Rank.ACTIVATED if value.form == Form.ZERO else Rank.GATE
    return min(value.rank, by_form)


def combined(base: str, parts: list[Value]) -> Value:
    """Return the value that an elementwise operation computes from values of one origin."""
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

    elif powers:  # a product or quotient of powers is a power
        degrees = [part.degree for part in parts]
        total = degrees[0] - degrees[1] if base == "Div" else sum(degrees)
        if total:
            return parts[0]._replace(rank=rank, degree=total)
        form = Form.NONZERO

    else:  # a product is 0 where one of its factors is
        pure = parts[0].is_pure if base == "Div" else any(part.is_pure for part in parts)
        unseen = any(part.form == Form.UNSEEN for part in parts)
        form = Form.ZERO if pure else Form.UNSEEN if unseen else Form.NONZERO

    return parts[0]._replace(rank=rank, form=form, degree=1.0)
