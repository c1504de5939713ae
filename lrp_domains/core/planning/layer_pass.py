"""The layer rules at their places: every layer knows the neuron that it is a part of (neurons.py)."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from functools import partial

import torch

from ..graph.functions import wide
from ..graph.graph import Edge, Graph
from ..graph.saved import read
from ..layers.neurons import Neuron, neurons
from ..roles.values import pulled
from ..rule import Grads, Node, Rule, Slots
from ..rules.layers import LayerRule

Tensor = torch.Tensor


def place_layers(placed: dict[Node, Rule], flow: dict[Node, Slots], graph: Graph) -> dict[Node, Rule]:
    """Return the layer rules among the rules of a plan with their neurons, and the rules of biases added apart."""
    layers: dict[LayerRule, set[Node]] = defaultdict(set)
    for node, rule in placed.items():
        if isinstance(rule, LayerRule) and sum(graph.reaching[node]):
            layers[rule].add(node)
    found: dict[Node, Rule] = {}
    for rule, nodes in layers.items():
        for node, neuron in neurons(graph, nodes).items():
            found[node] = replace(rule, backward=partial(_backward, rule, neuron))
            for added, _ in neuron.constants:
                if added not in neuron.layers and added in flow:
                    found[added] = Rule(
                        f"bias of {rule}", backward=partial(_bias_backward, rule, neuron, placed[added])
                    )
    return found


def _split(
    rule: LayerRule, neuron: Neuron, way: tuple[Edge, ...], g: Tensor
) -> tuple[tuple[Tensor, ...], Tensor, float]:
    """The neuron's relevance, divided as the rule says, in the coordinates where g arrives; with the bias there."""
    scale = neuron.scale(way)
    z, bias = neuron.at(neuron.z, way), neuron.at(neuron.bias, way)
    sums = tuple(neuron.at(part, way) for part in neuron.total(rule))
    return rule.split(z * wide(g) / scale, z, bias, sums, *rule.settings), bias, scale


def _backward(rule: LayerRule, neuron: Neuron, node: Node, carries: Slots, gi: Grads, go: Grads) -> Grads:
    layer = neuron.layer(node)
    s, bias, scale = _split(rule, neuron, neuron.layers[node], go[0])
    result = list(gi)
    result[layer.slot] = rule.back(layer, s, *rule.settings).to(go[0].dtype)
    for own in (slot for at, slot in neuron.constants if at is node):
        if carries[own]:  # only the ledger asks for it
            of_bias = rule.of_bias(bias, s, *rule.settings) * scale
            result[own] = _to_bias(node, of_bias, gi[own])
    return tuple(result)


def _to_bias(node: Node, of_bias: Tensor, like: Tensor) -> Tensor:
    """Sum a coefficient for each neuron over those that share a bias."""
    if node.name().startswith("Convolution"):
        return of_bias.sum([d for d in range(of_bias.ndim) if d != 1]).view_as(like).to(like.dtype)
    return (of_bias * read(node, "beta", 1)).sum_to_size(like.shape).to(like.dtype)


def _bias_backward(
    rule: LayerRule, neuron: Neuron, before: Rule, node: Node, carries: Slots, gi: Grads, go: Grads
) -> Grads:
    if before.backward is not None:
        gi = before.backward(node, carries, gi, go)
    result = list(gi)
    for (added, slot), way in neuron.constants.items():
        if added is node and slot < len(carries) and carries[slot]:  # only the ledger asks for it
            s, bias, scale = _split(rule, neuron, way, go[0])
            of_bias = rule.of_bias(bias, s, *rule.settings) * scale
            result[slot] = pulled((node, 0), slot, of_bias, neuron.graph).to(go[0].dtype)
    return tuple(result)
