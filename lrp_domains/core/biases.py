"""A layer's bias that is added by a sum of its own: ``nn.Linear`` on an input that is not contiguous, einsum, vmap.

PyTorch then records a matrix product without a bias, views of it, and a sum. A layer rule needs the bias with the
layer, so the two are put together: the product's rule is told the bias, and the sum's rule gives the bias its share.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import partial

import torch

from .graph import VIEWS, Edge, Graph, variable
from .operations import operation
from .rule import Grads, Node, Rule, Slots, gradient

_WITHOUT_BIAS = ("Mm", "Bmm", "Mv")


@dataclass(frozen=True)
class AddedBias:
    """A bias and where it is added: the sum, the bias's slot, and the views between the layer and the sum."""

    bias: torch.Tensor
    sum: Node
    slot: int
    views: tuple[Node, ...]

    def at_layer(self, t: torch.Tensor) -> torch.Tensor:
        """A tensor of the sum's shape, in the shape of the layer's result."""
        for view in reversed(self.views):
            t = view(t)  # a view's backward is the view undone
        return t

    def at_sum(self, t: torch.Tensor) -> torch.Tensor:
        shape = self.sum._input_metadata[0].shape
        places = self.at_layer(torch.arange(t.numel(), dtype=torch.float64, device=t.device).view(shape)).long()
        return torch.empty_like(t).flatten().scatter(0, places.flatten(), t.flatten()).view(shape)


def join_biases(graph: Graph, chosen: dict[Node, Rule | None]) -> None:
    """Let the layer rules among ``chosen`` know of biases that are added later, and the sums of the layer rules."""
    for node, rule in list(chosen.items()):
        if rule is None or rule.shares is None or operation(node.name()).base not in _WITHOUT_BIAS:
            continue
        added = _added_bias(node, graph)
        if added is None or chosen.get(added.sum) is not gradient:
            continue
        bias = added.at_layer(added.bias.detach().expand(added.sum._input_metadata[0].shape))
        chosen[node] = replace(rule, backward=partial(rule.backward, bias=bias))
        of_sum = partial(_sum_backward, added, bias, node, graph.reaching(node), rule)
        chosen[added.sum] = Rule(f"bias of {rule}", backward=of_sum)


def _sum_backward(
    added: AddedBias, bias: torch.Tensor, layer: Node, reaching: Slots, rule: Rule,
    node: Node, carries: Slots, gi: Grads, go: Grads,
) -> Grads:  # fmt: skip
    if not carries[added.slot]:  # only the ledger asks for it
        return gi
    of_bias = rule.shares(layer, reaching, added.at_layer(go[0]), bias)[1]
    share = added.at_sum(of_bias).sum_to_size(added.bias.shape).to(go[0].dtype)
    return tuple(share if slot == added.slot else g for slot, g in enumerate(gi))


def _added_bias(node: Node, graph: Graph) -> AddedBias | None:
    """The bias of a matrix product: a parameter of one dimension, added to it or to views that alone use it."""
    users, views = graph.once(_users), []
    while len(users[node]) == 1:
        user, slot = users[node][0]
        if operation(user.name()).base == "Add" and getattr(user, "_saved_alpha", 1) == 1:
            edge = user.next_functions[1 - slot]
            if edge[0] is not None and edge[0].name() == "MulBackward1" and edge[0]._saved_other == 1:
                edge = edge[0].next_functions[0]  # the beta of an addmm under vmap
            bias = variable(edge)
            is_bias = bias is not None and bias.ndim == 1 and bias.shape[0] == user._input_metadata[0].shape[-1]
            return AddedBias(bias, user, 1 - slot, tuple(views)) if is_bias else None
        if operation(user.name()).base not in VIEWS:
            return None
        views.append(user)
        node = user
    return None


def _users(graph: Graph) -> dict[Node, list[Edge]]:
    users: dict[Node, list[Edge]] = defaultdict(list)
    for node in graph.order:
        for slot, (child, _) in enumerate(node.next_functions):
            users[child].append((node, slot))
    return users
