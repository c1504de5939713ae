"""Kept plans: a graph of the same form as an earlier one, in which planning would find the same, isn't planned again.

A plan follows from the classes of the nodes, their edges, the inputs, the rule set, and what planning asks of single
nodes (graph/questions.py). All of these are compared, so a kept plan is the plan that would be made. A plan isn't kept
if planning read the values of tensors, or if a rule of it belongs to one graph.

What is kept are numbers, names, classes and rules: no tensor, no node, no graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from threading import Lock
from types import FunctionType
from typing import NamedTuple

import torch

from ..graph.graph import edge_of
from ..graph.operations import has_many_names
from ..graph.questions import Record, is_plain, is_same, recorded
from ..rule import Node, Rule, Slots
from ..rules.rulesets import ATTN_LRP, CP_LRP, RuleSet
from .hooks import Step, steps_of
from .plan import Plan

# How many plans are kept; the one that wasn't used for longest goes.
MOST = 32
# The rule sets whose plans are kept: what their rules ask is recorded.
RULE_SETS = (ATTN_LRP, CP_LRP)
Form = tuple[tuple[type, tuple[tuple[int, int], ...]], ...]


@dataclass(frozen=True)
class KeptPlan:
    """A plan for all graphs of one form in which the same answers are given.

    Attributes
    ----------
    rules
        The rule set.
    form
        The nodes' classes, breadth first from the output, each with its edges: numbers of nodes (0: none) and outputs.
    inputs
        For each input, the edge it is at, its shape and its dtype.
    answers
        Questions, each with the index of a node, further arguments, and the answer.
    steps
        What a pass does where: the index of a node, its rule, the slots that carry, those that are closed. None if
        plans for this form can't be kept.
    """

    rules: RuleSet
    form: Form
    inputs: tuple[tuple[int, int, torch.Size, torch.dtype], ...]
    answers: tuple[tuple[Callable, int, tuple, object], ...]
    steps: tuple[tuple[int, Rule, Slots, tuple[int, ...]], ...] | None


class Steps(NamedTuple):
    """What a pass needs of a plan, from a kept plan."""

    steps: list[Step]


_kept: list[KeptPlan] = []  # the last used first
_lock = Lock()


def planned(
    root: Node, inputs: Sequence[torch.Tensor], rules: RuleSet, unknown: str, make: Callable[[], Plan]
) -> Plan | Steps:
    """Return the steps of a kept plan for the graph behind a node; if there is none, make a plan and keep it."""
    if unknown != "error" or not any(rules is kept for kept in RULE_SETS):
        return make()
    matches: dict[int, list[Node | None] | None] = {}
    for kept in tuple(_kept):
        if kept.rules is not rules:
            continue
        if id(kept.form) not in matches:  # plans for other lengths of one model share their form
            matches[id(kept.form)] = _nodes_of(kept.form, root)
        if (nodes := matches[id(kept.form)]) is None:
            continue
        if kept.steps is None:  # such a plan can't be kept, so what planning asks needn't be recorded
            _use(kept)
            return make()
        if _agrees(kept, nodes, inputs):
            _use(kept)
            return Steps([Step(nodes[index], *rest) for index, *rest in kept.steps])

    with recorded() as record:
        plan = make()
    _use(_kept_plan(plan, root, inputs, rules, record))
    return plan


def _nodes_of(form: Form, root: Node) -> list[Node] | None:
    """Return None and the nodes of a graph in the order of a form; None alone if it has another form."""
    nodes, count = [None, root], 2
    for node, (node_class, behind) in zip(islice(nodes, 1, None), form, strict=False):  # the list grows
        if type(node) is not node_class or len(edges := node.next_functions) != len(behind):
            return None
        for (child, output), (index, expected) in zip(edges, behind, strict=True):
            if index == count:
                nodes.append(child)
                count += 1
            elif nodes[index] is not child:
                return None
            if output != expected:
                return None
    return nodes if len(set(nodes)) == count == len(form) + 1 else None


def _agrees(kept: KeptPlan, nodes: list[Node], inputs: Sequence[torch.Tensor]) -> bool:
    """Return whether inputs and answers are those that a plan was made for."""
    if len(inputs) != len(kept.inputs):
        return False
    for tensor, (index, output, shape, dtype) in zip(inputs, kept.inputs, strict=True):
        node, number = edge_of(tensor)
        if node is not nodes[index] or number != output or tensor.shape != shape or tensor.dtype != dtype:
            return False
    return all(is_same(ask(nodes[index], *args), answer) for ask, index, args, answer in kept.answers)


def _kept_plan(plan: Plan, root: Node, inputs: Sequence[torch.Tensor], rules: RuleSet, record: Record) -> KeptPlan:
    """Return a plan as it is kept; ``record`` is what planning asked."""
    numbers, nodes, form = {None: 0, root: 1}, [root], []
    for node in nodes:  # the list grows
        behind = []
        for child, output in plan.graph.edges[node]:
            if child not in numbers:
                numbers[child] = len(numbers)
                nodes.append(child)
            behind.append((numbers[child], output))
        form.append((type(node), tuple(behind)))

    steps, form = steps_of(plan), tuple(form)
    form = next((kept.form for kept in tuple(_kept) if kept.form == form), form)
    is_general = all(_is_of_any_graph(step.rule) for step in steps)
    if record.of_values or not is_general or any(has_many_names(type(node)) for node in nodes):
        return KeptPlan(rules, form, (), (), None)
    of_inputs = tuple((numbers[edge_of(x)[0]], edge_of(x)[1], x.shape, x.dtype) for x in inputs)
    answers = {(ask, numbers[node], args): answer for ask, node, args, answer in record.answers}
    asked = tuple((*question, answer) for question, answer in answers.items())
    numbered = tuple((numbers[node], rule, carries, closed) for node, rule, carries, closed, _ in steps)
    return KeptPlan(rules, form, of_inputs, asked, numbered)


def _is_of_any_graph(rule: Rule) -> bool:
    """Return whether a rule holds nothing of one graph: no tensor, no node, no factor behind another node."""
    parts = (rule.backward, rule.arrives, *rule.shares.values())
    return not rule.passes and all(map(_is_portable, parts))


def _is_portable(part: object) -> bool:
    if isinstance(part, partial):
        return isinstance(part.func, FunctionType) and is_plain(part.args) and not part.keywords
    return is_plain(part) or (isinstance(part, FunctionType) and part.__closure__ is None)


def forget() -> None:
    """Drop all kept plans."""
    with _lock:
        _kept.clear()


def _use(kept: KeptPlan) -> None:
    """Move a plan to the front, where the most recently used ones are."""
    with _lock:
        _kept[:] = [kept, *(other for other in _kept if other is not kept)][:MOST]
