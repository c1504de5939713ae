"""Hooks that apply the rules to the nodes of a graph, for the duration of one backward pass."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial

import torch

from ..graph.checkpoints import Rereading
from ..graph.graph import Edge, Node
from ..rule import Grads, Rule, Slots
from .plan import Plan

Tensor = torch.Tensor
Watch = Callable[[Node, Rule, Grads, Grads], None]


@dataclass
class Pass:
    """The state that the hooks of one backward pass share.

    Attributes
    ----------
    plan
        The plan that they carry out.
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

    plan: Plan
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
    """The rule of one node as a hook.

    ``closed`` are the slots that nothing may flow to, ``kept_alive`` those on the way to a factor that a rule hands a
    coefficient to.
    """

    run: Pass
    node: Node
    rule: Rule
    carries: Slots
    closed: tuple[int, ...]
    kept_alive: Collection[int]

    def __call__(self, gi: Grads, go: Grads) -> Grads | None:
        """Return what the node passes back: the rule's coefficients, and None where no relevance may flow."""
        run, rule = self.run, self.rule
        if torch._C._current_graph_task_id() not in run.tasks or _is_nothing(go):
            return None
        result = list(gi)

        for slot, share in rule.shares.items():
            if (g := gi[slot]) is not None:
                result[slot] = g * share if isinstance(share, float) else (g * share).to(g.dtype)

        if rule.backward is not None:
            # Layer rules have read what they need on arrival, other nodes' values included.
            with run.rereading.of(self.node) if rule.arrives is None else nullcontext():
                result = list(rule.backward(self.node, self.carries, gi, go))
            if not rule.bounded:
                open_now = [g for g, is_open in zip(result, self.carries, strict=True) if is_open and g is not None]
                run.sums[self.node] = [g.detach().sum() for g in open_now]

        if rule.passes:
            for factor, backward in rule.passes:
                (g,) = backward(self.node, self.carries, result, go)
                run.passed[factor.edge] = run.passed[factor.edge] + g if factor.edge in run.passed else g
            result = [None if g is None else torch.zeros_like(g) for g in result]

        if run.watch is not None and rule.adds is not None:
            with run.rewatching.of(self.node):
                run.watch(self.node, rule, result, go)

        # On the way to such a factor zeros are handed back instead of None: autograd skips nodes that receive nothing.
        for slot in self.closed:
            g = result[slot]
            result[slot] = torch.zeros_like(g) if slot in self.kept_alive and g is not None else None
        return tuple(result)


def _is_nothing(go: Grads) -> bool:
    return go[0] is None and all(g is None for g in go)


def _arriving(run: Pass, node: Node, go: Grads) -> Grads | None:
    """Return what the rule's ``arrives`` makes of what arrives at a node."""
    if torch._C._current_graph_task_id() not in run.tasks or _is_nothing(go):
        return None
    return run.plan.rules[node].arrives(node, go)


def _with_passed(run: Pass, node: Node, go: Grads) -> Grads | None:
    """Return what arrives at a node, plus what was handed to it from further up."""
    if torch._C._current_graph_task_id() not in run.tasks:
        return None
    arriving = [(g, run.passed.get((node, number))) for number, g in enumerate(go)]
    return tuple(g if passed is None else passed if g is None else g + passed for g, passed in arriving)


@contextmanager
def hooks(plan: Plan, top: Node, watch: Watch | None = None) -> Iterator[Pass]:
    """Temporarily register the rules as hooks on their nodes, for the backward pass that starts at ``top``."""
    run, graph = Pass(plan, watch), plan.graph
    handles = [top.register_prehook(run.start)]

    passing = [(node, plan.rules[node].passes) for node in plan.carries if plan.rules[node].passes]
    alive: dict[Node, set[int]] = defaultdict(set)
    for node, passes in passing:
        for factor, _ in passes:
            for at, slot in (((node, 0), factor.slot), *factor.way):
                alive[at[0]].add(slot)

    try:
        for receiver in {factor.edge[0] for _, passes in passing for factor, _ in passes}:
            handles.append(receiver.register_prehook(partial(_with_passed, run, receiver)))
        for node, carries in plan.carries.items():
            rule, closed = plan.rules[node], ()
            if False in carries:
                # Slots that lead to no input get no gradient anyway, unless the ledger explains more than the inputs.
                slots = graph.carried[node] if watch is None else range(len(carries))
                closed = tuple([slot for slot in slots if not carries[slot] and graph.edges[node][slot][0] is not None])
            if rule.arrives is not None:  # registered after _with_passed, so that it sees what was passed on
                handles.append(node.register_prehook(partial(_arriving, run, node)))
            adds = watch is not None and rule.adds is not None
            if closed or adds or rule.shares or rule.backward is not None or rule.passes:
                handles.append(node.register_hook(NodeHook(run, node, rule, carries, closed, alive.get(node, ()))))
        yield run
    finally:
        for handle in handles:
            handle.remove()
