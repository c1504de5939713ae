"""Fused attention, ``O = A V`` with ``A = softmax(Q K^T / sqrt(d))``, as one node of the graph.

AttnLRP (Achtibat et al. 2024, Prop. 3.1 and 3.3) gives half to A and half to V, A's half passes the softmax by its
derivative, and half of that goes to Q and half to K. All three are fractions of the derivative that the fused kernel
computes anyway, so the attention matrix is never formed. CP-LRP's AH-rule (Ali et al. 2022) takes A as constant.
"""

from __future__ import annotations

from ..graph.graph import Graph
from ..rule import Grads, Node, Rule, Slots

QUERY, KEY, VALUE, BIAS = range(4)


def _uniform_backward(node: Node, carries: Slots, gi: Grads, go: Grads) -> Grads:
    weights = 0.5 if carries[VALUE] else 1.0
    scores = weights * (0.5 if carries[QUERY] and carries[KEY] else 1.0)
    # A bias is added to the scores Q K^T: it takes part in A's relevance, not in the product.
    shares = {
        QUERY: scores,
        KEY: scores,
        VALUE: 0.5 if any(carries[:VALUE]) or any(carries[BIAS:]) else 1.0,
        BIAS: weights,
    }
    return tuple(g * shares[slot] if g is not None and carries[slot] else g for slot, g in enumerate(gi))


uniform_attention = Rule("uniform (Q 1/4, K 1/4, V 1/2)", backward=_uniform_backward)
"""AttnLRP's shares of the derivative; where Q, K or V carries no relevance, its share goes to its partner."""


def _value_open(node: Node, carries: Slots, graph: Graph) -> Slots:
    return tuple(slot == VALUE for slot in range(len(node.next_functions)))


value_attention = Rule("weights constant (V 1)", opens=_value_open)
"""CP-LRP's AH-rule: the attention weights are constant, the values take all."""
