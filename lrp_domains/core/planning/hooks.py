"""Hooks that apply the rules to the nodes of a graph, for the duration of one backward pass."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import torch

from ..graph.checkpoints import Rereading
from ..graph.graph import Edge, Node
from ..rule import Grads, Rule, Slots
from .plan import Plan

Tensor = torch.Tensor


class Step(NamedTuple):
    """A node at which a pass does something else than autograd.

    Attributes
    ----------
    node
        The node.
    rule
        Its rule.
    carries
        For each input of the node, whether relevance flows to it.
    closed
        The slots to which something would flow, but nothing may.
    kept_alive
        The slots on the way to a factor that a rule hands a coefficient to.
    """

    node: Node
    rule: Rule
    carries: Slots
    closed: tuple[int, ...]
    kept_alive: Collection[int] = ()


Watch = Callable[[Node, Rule, Grads, Grads], None]


@dataclass
class Pass:
    """The state that the hooks of one backward pass share.

    Attributes
    ----------
    watch
        A function that is called with what each node receives and passes back if its rule ``adds`` something.
    tasks
        The ids of this explanation's backward passes: another thread may run one over the same graph.
    passed
        Coefficients that rules handed to edges further back, kept until the node there is reached.
    sums
        For each node whose rule may compute coefficients that aren't finite, their sums: finite only if all of them
        are.
    rereading, rewatching
        Recomputed checkpoints, for the rules and for ``watch``.
    """

    watch: Watch | None = None
    tasks: set[int] = field(default_factory=set)
    passed: dict[Edge, Tensor] = field(default_factory=dict)
    sums: dict[Node, list[Tensor]] = field(default_factory=dict)
    rereading: Rereading = field(default_factory=Rereading)
    rewatching: Rereading = field(default_factory=Rereading)

    def start(self, go: Grads) -> None:
        """Record that the backward pass that is running belongs to this explanation."""
        self.tasks.add(torch._C._current_graph_task_id())


@dataclass(slots=True)
class NodeHook:
    """The rule of one node as a hook."""

    run: Pass
    step: Step

    def __call__(self, gi: Grads, go: Grads) -> Grads | None:
        """Return what the node passes back: the rule's coefficients, and None where no relevance may flow."""
        run, (node, rule, carries, closed, kept_alive) = self.run, self.step
        if torch._C._current_graph_task_id() not in run.tasks or _is_nothing(go):
            return None
        result = list(gi)

        for slot, share in rule.shares.items():
            if (g := gi[slot]) is not None:
                result[slot] = g * share if isinstance(share, float) else (g * share).to(g.dtype)

        if rule.backward is not None:
            # Layer rules have read what they need on arrival, other nodes' values included.
            with run.rereading.of(node) if rule.arrives is None else nullcontext():
                result = list(rule.backward(node, carries, gi, go))
            if not rule.bounded:
                open_now = [g for g, is_open in zip(result, carries, strict=True) if is_open and g is not None]
                run.sums[node] = [g.detach().sum() for g in open_now]

        if rule.passes:
            for factor, backward in rule.passes:
                (g,) = backward(node, carries, result, go)
                run.passed[factor.edge] = run.passed[factor.edge] + g if factor.edge in run.passed else g
            result = [None if g is None else torch.zeros_like(g) for g in result]

        if run.watch is not None and rule.adds is not None:
            with run.rewatching.of(node):
                run.watch(node, rule, result, go)

        # On the way to such a factor zeros are handed back instead of None: autograd skips nodes that receive nothing.
        for slot in closed:
            g = result[slot]
            result[slot] = torch.zeros_like(g) if slot in kept_alive and g is not None else None
        return tuple(result)


def _is_nothing(go: Grads) -> bool:
    return go[0] is None and all(g is None for g in go)


def _arriving(run: Pass, node: Node, rule: Rule, go: Grads) -> Grads | None:
    """Return what the rule's ``arrives`` makes of what arrives at a node."""
    if torch._C._current_graph_task_id() not in run.tasks or _is_nothing(go):
        return None
    return rule.arrives(node, go)


def _with_passed(run: Pass, node: Node, go: Grads) -> Grads | None:
    """Return what arrives at a node, plus what was handed to it from further up."""
    if torch._C._current_graph_task_id() not in run.tasks:
        return None
    arriving = [(g, run.passed.get((node, number))) for number, g in enumerate(go)]
    return tuple(g if passed is None else passed if g is None else g + passed for g, passed in arriving)


def steps_of(plan: Plan, for_ledger: bool = False) -> list[Step]:
    """Return the steps of a plan; a ledger explains more than the inputs, and asks for what operations add."""
    passing = [(node, plan.rules[node].passes) for node in plan.carries if plan.rules[node].passes]
    alive: dict[Node, set[int]] = defaultdict(set)
    for node, passes in passing:
        for factor, _ in passes:
            for at, slot in (((node, 0), factor.slot), *factor.way):
                alive[at[0]].add(slot)

    steps, leaves = [], _leaves_explained(plan) if for_ledger else set()
    for node, carries in plan.carries.items():
        rule, closed = plan.rules[node], ()
        if False in carries:
            # Slots that lead to nothing that is explained get no gradient anyway.
            edges = plan.graph.edges[node]
            if for_ledger:
                slots = [s for s, edge in enumerate(edges) if (leaf := plan.graph.leaf(edge)) is None or leaf in leaves]
            else:
                slots = plan.graph.carried[node]
            closed = tuple([slot for slot in slots if not carries[slot] and edges[slot][0] is not None])
        differs = rule.shares or rule.backward is not None or rule.passes or rule.arrives is not None
        if differs or closed or (for_ledger and rule.adds is not None):
            steps.append(Step(node, rule, carries, closed, alive.get(node, ())))
    return steps


def _leaves_explained(plan: Plan) -> set[Node]:
    """Return nodes among which are all leaves that a ledger explains: the inputs, and what relevance flows to."""
    slots = ((node, slot) for node, carries in plan.carries.items() for slot, is_open in enumerate(carries) if is_open)
    return {plan.graph.edges[node][slot][0] for node, slot in slots} | {node for node, _ in plan.graph.sources}


@contextmanager
def hooks(steps: Iterable[Step], top: Node, watch: Watch | None = None) -> Iterator[Pass]:
    """Temporarily register steps as hooks on their nodes, for the backward pass that starts at ``top``."""
    run = Pass(watch)
    handles = [top.register_prehook(run.start)]
    try:
        for receiver in {factor.edge[0] for step in steps for factor, _ in step.rule.passes}:
            handles.append(receiver.register_prehook(partial(_with_passed, run, receiver)))
        for step in steps:
            if step.rule.arrives is not None:  # registered after _with_passed, so that it sees what was passed on
                handles.append(step.node.register_prehook(partial(_arriving, run, step.node, step.rule)))
            handles.append(step.node.register_hook(NodeHook(run, step)))
        yield run
    finally:
        for handle in handles:
            handle.remove()
