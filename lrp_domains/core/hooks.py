"""The rules as hooks on the nodes of one graph, for the duration of one backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import torch

from .checkpoints import Rereading
from .choice import first_source
from .errors import RelevanceError
from .graph import Edge, Node
from .operations import operation
from .rule import Grads, Rule, Slots
from .trace import Trace

Tensor = torch.Tensor
Watch = Callable[[Node, Slots, Grads, Grads], None]


@contextmanager
def hooks(plan: Trace, top: Node, direct: dict[Edge, Tensor], watch: Watch | None = None) -> Iterator[None]:
    """The rules, as hooks on the nodes they meet, for the duration of the backward pass that comes by ``top``."""
    ours: set[int] = set()
    handles = [top.register_prehook(lambda go: ours.add(torch._C._current_graph_task_id()))]
    rereading, rewatching = Rereading(), Rereading()
    try:
        for node, carries in plan.carries.items():
            rule = plan.rules[node]
            closed = tuple(
                slot
                for slot, edge in enumerate(node.next_functions)
                if not carries[slot] and edge[0] is not None and (plan.leaves or plan.graph.leads_to_source(edge))
            )
            if rule.backward is not None or closed or watch is not None:
                if rule.backward is not None:
                    rule = replace(rule, backward=partial(_in_context, rereading, rule.backward))
                seen = watch and partial(_in_context, rewatching, watch)
                act = partial(_apply, node, rule, carries, closed, plan, direct, seen)
                handles.append(node.register_hook(partial(_in_our_pass, ours, act)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _in_our_pass(ours: set[int], act: Callable, gi: Grads, go: Grads) -> Grads | None:
    """Another thread may run a pass of its own over the same graph: leave it alone."""
    return act(gi, go) if torch._C._current_graph_task_id() in ours else None


def _in_context(rereading: Rereading, function: Callable, node: Node, carries: Slots, gi: Grads, go: Grads):
    with rereading.of(node):
        return function(node, carries, gi, go)


def _apply(
    node: Node,
    rule: Rule,
    carries: Slots,
    closed: tuple[int, ...],
    plan: Trace,
    direct: dict[Edge, Tensor],
    watch: Watch | None,
    gi: Grads,
    go: Grads,
) -> Grads | None:
    """What a node hands back: the rule's answer, and nothing where relevance may not flow."""
    if all(g is None for g in go):
        return None
    if rule.backward is not None:
        gi = rule.backward(node, carries, gi, go)
    if rule.absolute:
        taken = {slot for slot in operation(node.name()).factors if carries[slot]}
        for slot in taken:
            _deliver(gi[slot], node.next_functions[slot], plan, direct, rule)
        gi = tuple(None if slot in taken else g for slot, g in enumerate(gi))
    if watch is not None:
        watch(node, carries, gi, go)
    return tuple(None if i in closed else g for i, g in enumerate(gi))


def _deliver(r: Tensor, edge: Edge, plan: Trace, direct: dict[Edge, Tensor], rule: Rule) -> None:
    """Take relevance itself, not a coefficient, through views to the input it belongs to."""
    source = first_source(edge, plan.graph)
    if source is None:
        raise RelevanceError(f"the {rule} rule is for a layer that reads an explained input directly")
    if source[0] in plan.graph.reaches:
        raise RelevanceError(
            f"the {rule} rule is for a first layer, but this one reads an explained tensor that was computed from "
            "another: explain them in two passes"
        )
    while edge != source:
        view, number = edge
        grads: list[Tensor | None] = [None] * len(view._input_metadata)
        grads[number] = r
        undone = view(*grads)  # a view's backward is the view undone
        r = undone[0] if isinstance(undone, tuple) else undone
        edge = edge[0].next_functions[0]
    direct[source] = direct[source] + r if source in direct else r
