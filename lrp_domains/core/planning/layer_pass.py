"""Layer rules applied to whole neurons: relevance is split where a neuron's sum ends, and handed down to its layers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace
from functools import partial

import torch

from ..graph.batch_norms import is_fixed
from ..graph.functions import wide
from ..graph.graph import Edge, Graph, dtype_of
from ..graph.weights import adds_bias
from ..layers.biases import Biases
from ..layers.channel_scales import aligned
from ..layers.kept_values import kept_value
from ..layers.linear_maps import Layer, is_kept, layer_at
from ..layers.neurons import Sums, add_up
from ..layers.steps import pull
from ..rule import Grads, Node, Rule, Slots
from ..rules.layers import LayerRule
from ..rules.norms import batch_norm, fixed_batch_norm
from ..rules.rulesets import RuleSet
from .choice import kind_at

Tensor = torch.Tensor
Parts = tuple[Tensor, ...]
Delivered = dict[Edge, Tensor]


def place_layers(
    placed: dict[Node, Rule], flow: dict[Node, Slots], graph: Graph, rules: RuleSet, apart: set[Edge]
) -> tuple[dict[Node, Rule], Delivered]:
    """Return the rules of a plan for layers and for the steps to their neurons.

    Also return a dict that the pass will fill with the relevance that first-layer rules yield, by the input's edge.
    """
    delivered: Delivered = {}
    ruled = {node: rule for node, rule in placed.items() if isinstance(rule, LayerRule)}
    if not ruled:
        return {}, delivered
    plain = {node for node, rule in placed.items() if rule.backward is None and not rule.passes and not rule.shares}
    plain |= {node for node, rule in placed.items() if rule is batch_norm}
    layers = {node for node in plain if kind_at(node, graph) in ("dense", "convolution")} | ruled.keys()

    run = _Pass(add_up(graph, flow, layers, plain, apart, rules.joint), ruled, rules, plain, delivered)
    of_layers = {
        node: replace(run.shown(node) if node in ruled else placed[node], backward=run.hand_down, arrives=run.arrive)
        for node, met in run.met.items()
        if any(rule is not None for rule, _ in met)
    }
    return of_layers, delivered


class _Pass:
    """The state that the layers of one backward pass share.

    At the top of a sum each rule splits ``R = z g`` by the total of its layers there. The results of the split are
    brought back step by step, while autograd itself carries the coefficient of the biases. Under a plain rule, such as
    epsilon, autograd carries all of it: from the top down to the inputs of the layers everything is linear.
    """

    def __init__(
        self, sums: Sums, ruled: dict[Node, LayerRule], rules: RuleSet, plain: set[Node], delivered: Delivered
    ) -> None:
        self.sums, self.graph, self.delivered = sums, sums.graph, delivered
        self.first = rules.first if isinstance(rules.first, LayerRule) else None
        self.rules = {node: (ruled.get(node), _beside_others(node, ruled, rules, self.graph)) for node in sums.layers}
        self.met = self._rules_met()
        self.used = self._rules_used()
        self.biases = Biases(sums, {node for node in self.met if self._is_whole(self._rules_at(node))})
        self.apart = self._with_explained_biases()
        self.linear = self._linear_tops()
        self.values = self._values(plain)
        # What autograd drops before the pass arrives at a layer is computed now.
        without = self._only_under(self.linear & self.values.keys())
        self.layers = {n: self._layer(n) for n in ruled if not is_kept(n, self.graph) and n not in without}
        self.known: dict[tuple[Rule, bool], dict[Edge, Parts]] = defaultdict(dict)
        self.split: dict[Edge, dict[Rule, Parts]] = defaultdict(dict)

    def _rules_met(self) -> dict[Node, set[tuple[Rule | None, Rule | None]]]:
        """Return the rules of the layers that each node's value sums; None for layers with another kind of rule."""
        met: dict[Node, set] = {}
        for node in self.graph.order:
            if node in self.sums.steps or node in self.rules:
                behind = [self.graph.edges[node][slot][0] for slot in self.sums.steps.get(node, ())]
                of_node = {self.rules[node]} if node in self.rules else set()
                met[node] = of_node.union(*(met[child] for child in behind))
        return met

    def _rules_at(self, node: Node) -> set[Rule | None]:
        """Return the rules at a top: the first-layer rule only if all of the neuron's layers read an input."""
        met = self.met[node]
        if self.first is not None and all(rule is self.first for rule, _ in met):
            return {self.first}
        return {beside for _, beside in met}

    def _rules_used(self) -> dict[Node, set[Rule | None]]:
        """Return for each node the rules that apply at the tops of the sums that its value goes into."""
        used: dict[Node, set] = {node: set() for node in self.met}
        for node, _ in self.sums.tops:
            used[node] |= self._rules_at(node)
        for node, slots in self.sums.steps.items():  # outputs first
            for slot in slots:
                used[self.graph.edges[node][slot][0]] |= used[node]
        return used

    def _with_explained_biases(self) -> set[Node]:
        """Return the nodes whose values include explained biases, which are no part of the neurons."""
        including: set[Node] = set()
        for node in self.graph.order:  # inputs first
            if node not in self.met:
                continue
            slots = self.sums.steps.get(node, ())
            slot = adds_bias(node, self.graph.operations[node]) if node in self.sums.layers else None
            is_explained = slot is not None and slot not in slots and self.sums.flow[node][slot]
            if is_explained or any(self.graph.edges[node][slot][0] in including for slot in slots):
                including.add(node)
        return including

    def _rule_of_all(self, top: Edge) -> LayerRule | None:
        """Return the rule of a neuron if it is one rule for all that the neuron's value sums; None otherwise."""
        rules = self._rules_at(top[0])
        return next(iter(rules)) if self._is_whole(rules) and top[0] not in self.apart else None

    def _values(self, plain: set[Node]) -> dict[Edge, Tensor]:
        """Return the values of neurons that later operations kept: during the pass these drop them."""
        values = {}
        for top in self.sums.tops:
            rule = self._rule_of_all(top)
            if rule is None:
                continue
            if top in self.linear if rule.is_plain else not self.biases.leaves_no_trace(top):
                value = kept_value(top, self.sums.users.get(top, []), self.graph, plain)
                values |= {} if value is None else {top: value}
        return values

    def _linear_tops(self) -> set[Edge]:
        """Return the tops of plain rules whose layers belong to no other neurons than those of such tops."""
        half = (torch.half, torch.bfloat16)
        rules = {top: self._rule_of_all(top) for top in self.sums.tops if dtype_of(top) not in half}
        tops = {top for top, rule in rules.items() if rule is not None and rule.is_plain}
        while True:
            under, linear = self._only_under(tops), set()
            for node in self.graph.order:  # inputs first
                behind = [self.graph.edges[node][slot][0] for slot in self.sums.steps.get(node, ())]
                if node in under and all(child in linear for child in behind):
                    linear.add(node)
            if all(node in linear for node, _ in tops):
                return tops
            tops = {top for top in tops if top[0] in linear}

    def _only_under(self, tops: Collection[Edge]) -> set[Node]:
        """Return the nodes whose values go into no other neurons than the given ones."""
        others = {node for node, output in self.sums.tops if (node, output) not in tops}
        for node, slots in self.sums.steps.items():  # outputs first
            if node in others:
                others |= {self.graph.edges[node][slot][0] for slot in slots}
        return self.met.keys() - others

    @staticmethod
    def _is_whole(rules: set[Rule | None]) -> bool:
        """Return whether a single rule applies to a whole neuron, bias included."""
        return len(rules) == 1 and None not in rules

    def shown(self, node: Node) -> Rule:
        """Return the rule of a layer as tables show it."""
        rule, beside = self.rules[node]
        return rule if rule in self.used[node] else beside

    def _layer(self, node: Node) -> Layer:
        layer = layer_at(node, self.graph).scaled(self.sums.inside.get((node, 0), 1.0))
        scale = self.sums.channels.get((node, 0))
        return layer if scale is None else replace(layer, w=layer.w * aligned(scale, node, layer.w, self.graph))

    def _made(self, rule: LayerRule, with_result: bool, node: Node) -> Parts:
        """Return what a rule needs of a layer, with or without its result; nothing if it has another rule."""
        alone, beside = self.rules.get(node, (None, None))
        if rule != (alone if rule is self.first else beside):
            return ()
        if node not in self.layers:
            self.layers[node] = self._layer(node)
        return rule.parts(self.layers[node], with_result=with_result)

    def _split(self, rule: LayerRule, top: Edge, g: Tensor, *, is_whole: bool) -> tuple[Tensor | None, Parts]:
        """Return the bias at a top, if the rule needs it, and the relevance there divided as the rule divides it."""
        value, sums = self.values.pop(top, None), ()
        is_known = value is not None
        if not (is_known and rule.is_plain):
            made = partial(self._made, rule, not is_known)
            sums = self.sums.total(top, self.known[rule, is_known], made, scaled=False)
        if is_known:
            bias = None if rule.is_plain else self.biases.at(top, value)
        else:
            layers, *sums = sums
            bias = self.biases.at(top, layers) if is_whole else torch.zeros_like(layers)
            value = layers + bias
        return bias, rule.split(value * g, value, bias, tuple(sums), *rule.settings)

    def arrive(self, node: Node, go: Grads) -> Grads:
        """Split what arrives at the tops of sums; pass on the coefficient of the biases there."""
        result, rules = list(go), self._rules_at(node)
        for output, g in enumerate(go):
            top = (node, output)
            if g is None or top in self.sums.inside:
                continue
            is_whole = self._is_whole(rules)
            for rule in rules - {None}:
                bias, s = self._split(rule, top, wide(g), is_whole=is_whole)
                if top in self.linear:
                    result[output] = s[0]
                    continue
                self.split[top][rule] = s
                if is_whole and node in self.biases.holding:
                    result[output] = rule.of_bias(bias, s, *rule.settings).expand_as(g).to(g.dtype)
        return tuple(result)

    def hand_down(self, node: Node, carries: Slots, gi: Grads, go: Grads) -> Grads:
        """Bring what was split above a node to the nodes below it, and apply a layer's rules to it."""
        if is_fixed(node, self.graph):  # what its own bias and those before it get
            gi = fixed_batch_norm(gi, go[0], self.sums.factors[node, 0])
        result = list(gi)
        split = [self.split.pop((node, output), {}) for output in range(len(node._input_metadata))]
        for rule in set().union(*split):
            if node in self.sums.steps:
                self._bring_back(rule, node, [of_output.get(rule) for of_output in split])
        for known in self.known.values():
            for output in range(len(split)):
                known.pop((node, output), None)

        layer = self.layers.pop(node, None)
        if layer is not None and split[0]:
            of_layer = [(rule, s) for rule, s in split[0].items() if rule in self.rules[node]]
            coefficients = [g for rule, s in of_layer if (g := self._of_input(rule, s, layer)) is not None]
            result[layer.slot] = sum(coefficients).to(go[0].dtype) if coefficients else None
        return tuple(result)

    def _bring_back(self, rule: LayerRule, node: Node, of_outputs: list[Parts | None]) -> None:
        """Add what was split above a step to what is below it."""
        shapes = {slot: self.sums.shapes[node, slot] for slot in self.sums.steps[node]}
        count = max(len(parts) for parts in of_outputs if parts is not None)
        pulled = [pull(node, shapes, tuple(p and p[part] for p in of_outputs), self.graph) for part in range(count)]
        for slot, parts in zip(shapes, zip(*pulled, strict=True), strict=True):
            below = self.split[self.graph.edges[node][slot]]
            below[rule] = tuple(map(torch.add, below[rule], parts)) if rule in below else parts

    def _of_input(self, rule: LayerRule, s: Parts, layer: Layer) -> Tensor | None:
        """Return the coefficient of a layer's input under a rule; None if relevance goes to the explained inputs."""
        g = rule.back(layer, s, *rule.settings)
        if not rule.absolute:
            return g
        for source, r in layer.way.deliver(g, str(rule)).items():
            self.delivered[source] = self.delivered[source] + r if source in self.delivered else r
        return None


def _beside_others(node: Node, ruled: dict[Node, LayerRule], rules: RuleSet, graph: Graph) -> Rule | None:
    """Return a layer's rule in a neuron some of whose layers don't read an input."""
    rule = ruled.get(node)
    if rule is None or rule is not rules.first:
        return rule
    ordinary = rules.operations[kind_at(node, graph)]
    return ordinary if isinstance(ordinary, LayerRule) else rule
