"""The identity rule: an activation passes relevance on unchanged (AttnLRP, Achtibat et al. 2024, eq. 9).

For a single operation ``g_x = g_y (f(x) - f(0)) / x``. For a composition F(u) of several operations ``g_u = g_y
(F(u) - F(0)) / u``: each operation gets the secant from x0, the value that its argument has at u = 0,

    g_x = g_y (f(x) - f(x0)) / (x - x0)

and along a chain the secants telescope to the quotient of F. The secant of a sum or a scaling is its derivative.
"""

from __future__ import annotations

from functools import partial

import torch

from ..errors import UnknownOperation
from ..graph.elementwise import applied, argument, degree_of, has_lost, is_lost, is_zero_at_zero, settings_of
from ..graph.functions import secant, wide
from ..graph.graph import Graph
from ..graph.operations import BARE_LOGARITHM, operation_of
from ..graph.saved import keeps, unpacking
from ..roles.forms import CHOICES, Form
from ..roles.packs import pack_of, placed
from ..roles.roles import CLAMPS, Roles
from ..rule import Grads, Node, Rule, Slots, gradient, winner

Tensor = torch.Tensor
_LOGARITHMS = ("Log", "Log2", "Log10")


def _identity_backward(slot: int, x: Tensor | None, node: Node, carries: Slots, gi: Grads, go: Grads) -> Grads:
    op, g = operation_of(node), wide(go[0])
    x = argument(node, slot) if x is None else x
    if op.function.ratio is not None:
        # In place, as the ratio is new: hidden layers are the largest tensors of a transformer.
        of_x = op.function.ratio(x, *settings_of(node, op)).mul_(g)
        return (*gi[:slot], of_x.to(gi[slot].dtype), *gi[slot + 1 :])

    if len(op.tensors) > 1:
        f = applied(node, slot, x)
        rise = f(x) - f(torch.zeros_like(x))
    else:
        rise = op.function.risen(x, *settings_of(node, op))
    rise = _bounded(rise)

    # At x = 0 the limit of the quotient is the slope. Where that is infinite, there is no relevance to pass on.
    is_zero = x == 0
    slope = wide(gi[slot]).masked_fill(~gi[slot].isfinite(), 0.0)
    g = torch.where(is_zero, slope, g * (rise / x.masked_fill(is_zero, 1.0)))
    return (*gi[:slot], g.to(gi[slot].dtype), *gi[slot + 1 :])


def _power_backward(degree: float, node: Node, carries: Slots, gi: Grads, go: Grads) -> Grads:
    result = [g / degree if g is not None and carries[slot] else g for slot, g in enumerate(gi)]
    if 0 < degree < 1:  # at 0 the slope is infinite, but there is no relevance to pass on
        result[0] = result[0].masked_fill(argument(node) == 0, 0.0)
    return tuple(result)


def _secant_backward(slot: int, x: Tensor, x0: Tensor, node: Node, carries: Slots, gi: Grads, go: Grads) -> Grads:
    g = secant(applied(node, slot), x, x0) * go[0]
    return (*gi[:slot], g.sum_to_size(gi[slot].shape).to(gi[slot].dtype), *gi[slot + 1 :])


def _placed(node: Node, graph: Graph, shares: object) -> Rule | None:
    """Return the identity rule as it applies to a node: a power, a part of a composition, or a lone activation."""
    op = graph.operations[node]
    if (pack := pack_of(node, graph)) is not None:
        return placed(node, graph, graph.once(Roles).values.value(pack[0])) or gradient

    slots = [0] if op.base == "PreluKernel" else graph.carried[node]
    if len(slots) > 1:  # of unlike arguments, such as the larger of two
        return winner if op.base in CHOICES or op.base == "Hypot" else None
    slot, degree = slots[0], degree_of(node)

    roles = graph.once(Roles)
    edge = graph.edges[node][slot]
    role = roles.of(edge)
    if op.base in CLAMPS:
        roles.of((node, 0))  # fills roles.hard if the clamp is a hard sigmoid
    is_hard = node in roles.hard or (op.base in _LOGARITHMS and role.is_linear and roles.is_unseen_sum(role.origin))
    if is_hard or (not role.is_pure and role.form != Form.POWER):
        x, x0 = roles.values.reference(edge, frozenset((role.origin,)) if is_hard else frozenset())
        if x is not None and x0 is not None:
            backward = partial(_secant_backward, slot, _bounded(x), _bounded(x0))
            return Rule("identity, of a composition", backward=backward, adds=partial(_at_zero, slot, x))

    if degree is not None:
        return Rule("identity", backward=partial(_power_backward, degree)) if degree not in (0, 1) else winner
    if op.function.homogeneous:
        return winner
    if op.base in _LOGARITHMS:
        raise UnknownOperation(f"{node.name()} cannot be explained: {BARE_LOGARITHM}")

    x = None
    if not keeps(node, op.tensors[slot]):
        in_checkpoint = unpacking(node, "result") is not None
        if is_lost(node, roles.values.kept(node, "result")) if in_checkpoint else has_lost(node):
            x = roles.values.value(edge)
    adds = None if is_zero_at_zero(node, slot) else partial(_at_zero, slot, x)
    is_bounded = op.function.ratio is not None
    return Rule("identity", backward=partial(_identity_backward, slot, x), bounded=is_bounded, adds=adds)


def _at_zero(slot: int, x: Tensor | None, node: Node, gi: Grads, go: Grads) -> tuple[str, Tensor]:
    """Return the relevance of the constant f(0): what the function receives but doesn't hand back."""
    op, x = operation_of(node), argument(node, slot) if x is None else x
    of_y = (wide(go[0]) * applied(node, slot, x)(x)).double().sum()
    return f"{op.base} at 0", of_y - (x * wide(gi[slot])).double().sum()


def _bounded(x: Tensor) -> Tensor:
    """Replace infinities, such as of an exp that overflowed, by the largest number that can be computed with."""
    if x.is_complex():
        return x
    largest = torch.finfo(x.dtype).max / 4
    return x.nan_to_num(torch.nan, largest, -largest)


def _opens(node: Node, carries: Slots, graph: Graph) -> Slots:
    """Close the slope of a PReLU, which is a weight."""
    return (carries[0], False) if graph.operations[node].base == "PreluKernel" else carries


identity = Rule("identity", opens=_opens, place=_placed)
"""``R_x = R_y``: an activation passes relevance on unchanged (Achtibat et al. 2024, eq. 9)."""

derivative = Rule("derivative", opens=_opens)
"""The derivative of an activation, in place of the identity rule (GIM, Edin et al. 2025)."""
