"""Gates and scales: factors that count as constants, so that the signal they multiply takes all relevance.

For LSTM and GRU this is the rule of Arras et al. 2017 ("signal takes all"), for norms written by hand the LN-rule of
Ali et al. 2022, for selective state spaces MambaLRP (Jafari et al. 2024). The same function can also be an ordinary
activation (a sigmoid between two layers); what it feeds tells which it is, see uses.py.
"""

from __future__ import annotations

import math

from .activations import degree, identity_backward
from .graph import Graph
from .operations import operation
from .rule import Grads, Node, Rule, Slots, factors_closed, none_open
from .saved import dimension
from .uses import only_multiplies

_WITH_MEAN = ("VarMean", "StdMean")


def _closed_in_products(node: Node, carries: Slots, graph: Graph) -> Slots:
    if only_multiplies((node, 0), graph):
        return none_open(node, carries, graph)
    return carries


gate = Rule("gate", opens=_closed_in_products, backward=identity_backward)
"""Constant where it feeds a product, the identity rule elsewhere (Arras et al. 2017)."""


def _statistic_backward(node: Node, carries: Slots, gi: Grads, go: Grads) -> Grads:
    if operation(node.name()).base not in _WITH_MEAN:
        return identity_backward(node, carries, gi, go)
    # Two outputs: the mean is linear and gets its derivative, the spread is a scale.
    x, of_spread, of_mean = node._saved_self, go[0], go[1]
    if of_mean is None:
        return (gi[0] / degree(node),)
    dims = range(x.ndim) if not node._saved_dim else sorted(dimension(d, x.ndim) for d in node._saved_dim)
    if not node._saved_keepdim:
        for d in dims:
            of_mean = of_mean.unsqueeze(d)
    count = math.prod(x.shape[d] for d in dims)
    g = (of_mean / count).expand_as(x)
    return (g if of_spread is None else g + (gi[0] - g) / degree(node),)


def _open_beside_products(node: Node, carries: Slots, graph: Graph) -> Slots:
    if operation(node.name()).base in _WITH_MEAN:
        return carries  # whether its spread is constant, carriers.py asks
    return _closed_in_products(node, carries, graph)


statistic = Rule("scale", opens=_open_beside_products, backward=_statistic_backward)
"""A norm's or a distance's scale: constant where it divides or multiplies, the identity rule elsewhere."""


def _glu_backward(node: Node, carries: Slots, gi: Grads, go: Grads) -> Grads:
    # y = a * sigmoid(b): the derivative for a, nothing for b.
    g = gi[0].clone()
    g.chunk(2, dimension(node._saved_dim, g.ndim))[1].zero_()
    return (g,)


glu = Rule("gate", backward=_glu_backward)
"""A gated linear unit as one node: its gate is constant."""


def _open_to_numerator(node: Node, carries: Slots, graph: Graph) -> Slots:
    """The numerator; where that is a constant, ``c / x`` is a scale like ``1 / x``."""
    if operation(node.name()).base == "Div" and not graph.reaching(node)[0]:
        return _closed_in_products(node, carries, graph)
    return factors_closed(node, carries, graph)


def _quotient_backward(node: Node, carries: Slots, gi: Grads, go: Grads) -> Grads:
    if operation(node.name()).base == "Div" and carries[1]:
        return (gi[0], -gi[1])  # c / x is homogeneous of degree -1, so this is the identity rule
    return gi


numerator = Rule("numerator", opens=_open_to_numerator, backward=_quotient_backward)
"""A quotient: the denominator is constant, so the numerator takes all (LN-rule, Ali et al. 2022)."""
