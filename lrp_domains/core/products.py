"""Products of two carriers, and the activations that are written as one.

The uniform rule (AttnLRP, Achtibat et al. 2024, Prop. 3.2) gives each of N factors the same share: for two factors
half of the derivative goes to each. Conservative propagation (Ali et al. 2022) lets the signal take all.
"""

from __future__ import annotations

import torch

from .graph import Edge, Graph, through_views
from .operations import ACTIVATION, GATE, operation
from .rule import Grads, Node, Rule, Slots
from .saved import dimension

# How far back an activation written by hand is looked for; the longest in use (mish, tanh-GELU) has about ten nodes.
LONGEST = 40
_ACTIVATION_KINDS = ("activation", "gate", "power", "statistic")
_BETWEEN = ("Add", "Sub", "Rsub", "Neg", "Mul", "Div", "ToCopy", "Clamp", "Relu", "Where")


def signal_slot(node: Node, graph: Graph) -> int | None:
    """Which factor of an elementwise product is the signal of an activation written as ``x * h(x)``.

    Both factors must come elementwise from one tensor, one of them by scaling alone. That one takes all, which is the
    identity rule for the whole of ``x * h(x)``: GPT-2's ``gelu_new``, quick-GELU, swish, mish, softsign.
    """
    if operation(node.name()).base != "Mul" or sum(graph.reaching(node)) < 2:
        return None
    for slot in (0, 1):
        origin = _scaled_from(node.next_functions[slot], graph)
        if _elementwise_from(node.next_functions[1 - slot], origin, graph):
            return slot
    return None


def _scaled_from(edge: Edge, graph: Graph) -> Edge:
    """The tensor that an edge is a multiple of."""
    return edge if edge in graph.sources else graph.once(_origins).get(edge[0], edge)


def _origins(graph: Graph) -> dict[Node, Edge]:
    """For each node that scales, the tensor that its value is a multiple of; in one sweep, as scalings form chains."""
    found: dict[Node, Edge] = {}
    for node in graph.order:
        base, reaching = operation(node.name()).base, graph.reaching(node)
        if base in ("Mul", "Div", "Neg", "ToCopy") and sum(reaching) == 1 and not (base == "Div" and reaching[1]):
            edge = node.next_functions[reaching.index(True)]
            found[node] = edge if edge in graph.sources else found.get(edge[0], edge)
    return found


def _elementwise_from(edge: Edge, origin: Edge, graph: Graph) -> bool:
    """Whether an edge is a nonlinear elementwise function of ``origin`` and of nothing else that reaches an input."""
    pending, seen, nonlinear = [edge], set(), False
    while pending:
        edge = pending.pop()
        if edge in seen or _scaled_from(edge, graph) == origin:
            continue
        seen.add(edge)
        op = operation(edge[0].name())
        if edge in graph.sources or len(seen) > LONGEST or not (op.kind in _ACTIVATION_KINDS or op.base in _BETWEEN):
            return False
        nonlinear |= op.kind in _ACTIVATION_KINDS or op.base in ("Clamp", "Relu")
        pending += [child for child in edge[0].next_functions if graph.leads_to_source(child)]
    return nonlinear


def _open_to_signal(node: Node, carries: Slots, graph: Graph) -> Slots:
    """All slots, but for the ``h(x)`` of an activation ``x * h(x)``."""
    if sum(carries) > 1 and (taker := signal_slot(node, graph)) is not None:
        return tuple(slot == taker for slot in range(len(carries)))
    return carries


def _share_backward(node: Node, carries: Slots, gi: Grads, go: Grads) -> Grads:
    factors = [slot for slot in operation(node.name()).factors if carries[slot]]
    if len(factors) < 2:
        return gi
    share = 1 / len(factors)
    return tuple(g * share if g is not None and slot in factors else g for slot, g in enumerate(gi))


uniform = Rule("uniform", opens=_open_to_signal, backward=_share_backward)
"""Equal shares to the factors that carry relevance (Achtibat et al. 2024, Prop. 3.2)."""


def _open_to_ungated(node: Node, carries: Slots, graph: Graph) -> Slots:
    """As above; and where one factor of two comes straight from an activation, it is a gate and closed."""
    slots = _open_to_signal(node, carries, graph)
    factors = [slot for slot in operation(node.name()).factors if slots[slot]]
    activated = [slot for slot in factors if _is_activated(node.next_functions[slot], graph)]
    if len(factors) == 2 and len(activated) == 1:
        return tuple(is_open and slot not in activated for slot, is_open in enumerate(slots))
    return slots


def _is_activated(edge: Edge, graph: Graph) -> bool:
    node = through_views(edge)
    if node is None or edge in graph.sources:
        return False
    return signal_slot(node, graph) is not None or operation(node.name()).base in ACTIVATION | GATE | {"Relu"}


signal = Rule("signal takes all", opens=_open_to_ungated, backward=_share_backward)
"""As `uniform`, but a factor that comes straight from an activation is a gate: constant (CP-LRP's gated MLP)."""


def _running_backward(node: Node, carries: Slots, gi: Grads, go: Grads) -> Grads:
    x = node._saved_self
    if operation(node.name()).base == "Prod":
        factors = x.shape[dimension(node._saved_dim, x.ndim)] if hasattr(node, "_saved_dim") else x.numel()
        return (gi[0] / factors, *gi[1:])
    # y_k is the product of x_1 .. x_k, so each of them gets 1/k of its relevance: the derivative of g_k / k.
    dim = dimension(node._saved_dim, x.ndim)
    count = torch.arange(1, x.shape[dim] + 1, dtype=x.dtype, device=x.device)
    g = go[0] / count.view([-1 if d == dim else 1 for d in range(x.ndim)])
    return (torch.ops.aten.cumprod_backward(g, x, dim, node._saved_result),)


running = Rule("uniform", backward=_running_backward)
"""`prod` and `cumprod`: equal shares to all factors."""
