"""Fused attention, ``O = A V`` with ``A = softmax(Q K^T / sqrt(d))``, as one node of the graph.

AttnLRP (Achtibat et al. 2024, Prop. 3.1 and 3.3) gives half to V and half to A. A's half passes the softmax by its
derivative and is split equally between Q and K. All three are fractions of the derivative that the fused kernel
computes anyway, so the attention matrix is never formed. CP-LRP's AH-rule (Ali et al. 2022) treats A as constant.
"""

from __future__ import annotations

from ..graph.graph import Graph
from ..graph.operations import VALUE
from ..roles.shares import Shares
from ..rule import Node, Rule, Slots, share_rule


def _placed(node: Node, graph: Graph, shares: Shares) -> Rule:
    return share_rule(uniform_attention.name, tuple(shares.of[node].items()))


uniform_attention = Rule("uniform (Q 1/4, K 1/4, V 1/2)", place=_placed)
"""AttnLRP's shares of the derivative. Where Q, K or V carries no relevance, its share goes to its partner; where one of
them is a product of several factors, it gets one share per factor (roles/shares.py)."""


def _value_open(node: Node, carries: Slots, graph: Graph) -> Slots:
    return tuple(slot == VALUE for slot in range(len(node.next_functions)))


value_attention = Rule("weights constant (V 1)", opens=_value_open)
"""CP-LRP's AH-rule: the attention weights are constant, so the values get all."""
