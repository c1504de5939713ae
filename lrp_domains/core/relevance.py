"""The pass: one backward in which some operations have another derivative."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch

from .activations import QUOTIENTS
from .errors import RelevanceError
from .graph import Node, edge_of
from .operations import operation
from .rule import Grads, Rule, Slots
from .rulesets import ATTN_LRP, RuleSet
from .trace import Trace, first_source, trace

Tensor = torch.Tensor


def relevance(
    output: Tensor,
    inputs: Tensor | Sequence[Tensor],
    *,
    rules: RuleSet = ATTN_LRP,
    start: Tensor | None = None,
    model: torch.nn.Module | None = None,
    unknown: str = "error",
    retain_graph: bool = False,
) -> Tensor | tuple[Tensor, ...]:
    """Relevance of each entry of ``inputs`` for ``output``: layer-wise relevance propagation in one backward pass.

    A drop-in for ``torch.autograd.grad(output, inputs)``. The model isn't touched: what PyTorch recorded during an
    ordinary forward pass is all that is needed.

    Parameters
    ----------
    output
        The score to explain: a scalar, or any tensor whose entries are summed. As rows don't mix in eval mode,
        ``logits[:, 3]`` explains a whole batch at once; a contrast is ``logits[:, a] - logits[:, b]``.
    inputs
        One tensor, or a sequence of them, that the output was computed from: leaves that require grad, or
        intermediate results (see `capture`), of any shape.
    rules
        The rule set, such as `ATTN_LRP` (default), `CP_LRP`, `EPSILON`, `GAMMA`, `GRADIENT`.
    start
        Relevance at the output, of the output's shape, if it should differ from the output itself (in its units):
        ``torch.ones_like(output)`` shares 1 for each entry.
    model
        Only to find parameters by name: for overrides by `RuleSet.where`, and to say where an error arose.
    unknown
        ``"error"``: refuse operations without a rule. ``"gradient"``: take their derivative, with a warning.
    retain_graph
        Keep the graph for another pass.

    Returns
    -------
    Relevance of the same shape and dtype as each input, in units of the output: a tensor for a tensor, a tuple for a
    sequence. Its sum is the output less what biases and (under AttnLRP) the softmax hold: see `ledger`.

    Raises
    ------
    UnknownOperation
        An operation on the way has no rule.
    RelevanceError
        The output has no graph or isn't finite, an input isn't in the graph, dropout was active, ...

    References
    ----------
    Bach et al. 2015 (PLOS ONE 10:e0130140); Ali et al. 2022 (ICML, arXiv 2202.07304); Achtibat et al. 2024 (ICML,
    arXiv 2402.05602).

    Examples
    --------
    >>> x = torch.randn(8, 20, requires_grad=True)
    >>> relevance(model(x)[:, 3], x).shape
    torch.Size([8, 20])
    """
    single = isinstance(inputs, Tensor)
    tensors = (inputs,) if single else tuple(inputs)
    seed = check(output, tensors, start)
    plan = trace(output, tensors, rules, model, unknown)
    found = propagate(output, tensors, plan, seed, retain_graph)
    return found[0] if single else found


def propagate(
    output: Tensor, tensors: tuple[Tensor, ...], plan: Trace, seed: Tensor, retain_graph: bool, watch: Watch | None = None
) -> tuple[Tensor, ...]:
    """Relevance of each tensor under a plan. ``watch`` sees what arrives at each node."""
    direct: dict = {}
    with hooks(plan, direct, watch):
        grads = torch.autograd.grad(output, tensors, seed, retain_graph=retain_graph, allow_unused=True)
    found = []
    for tensor, g in zip(tensors, grads, strict=True):
        r = torch.zeros_like(tensor) if g is None else tensor.detach() * g
        found.append(r + direct[edge].view_as(r) if (edge := edge_of(tensor)) in direct else r)
    return tuple(found)


def check(output: Tensor, tensors: tuple[Tensor, ...], start: Tensor | None) -> Tensor:
    """Refuse what cannot be explained; return the coefficient to start from at the output."""
    if not isinstance(output, Tensor) or output.grad_fn is None:
        raise RelevanceError(
            "the output has no grad_fn: run the forward pass outside torch.no_grad() and torch.inference_mode(), with at "
            "least one input that requires grad"
        )
    if not tensors:
        raise RelevanceError("no inputs to explain were given")
    for number, tensor in enumerate(tensors):
        if not isinstance(tensor, Tensor) or not tensor.requires_grad:
            raise RelevanceError(
                f"inputs[{number}] does not require grad: call .requires_grad_() on it before the forward pass"
            )
    if output.numel() == 0 or not bool(torch.isfinite(output.detach()).all()):
        what = "is empty" if output.numel() == 0 else f"has {int((~torch.isfinite(output)).sum())} entries that are not finite"
        raise RelevanceError(f"the output {what}: look at the forward pass (inputs with NaN? half precision overflow?)")
    if start is None:
        return torch.ones_like(output)
    if start.shape != output.shape:
        raise RelevanceError(f"start has shape {tuple(start.shape)}, the output {tuple(output.shape)}: they must agree")
    score = output.detach()
    if bool(((score == 0) & (start != 0)).any()):
        raise RelevanceError("start gives relevance to an output entry that is 0, which has nothing to share")
    return torch.where(score == 0, 0.0, start / score.masked_fill(score == 0, 1.0)).to(output.dtype)


Watch = Callable[[Node, Slots, Grads, Grads], None]


@contextmanager
def hooks(plan: Trace, direct: dict, watch: Watch | None = None) -> Iterator[None]:
    """The rules, as hooks on the nodes they meet, for the duration of one backward pass."""
    handles = []
    kept = set(plan.leaves)
    try:
        for node, carries in plan.carries.items():
            rule = plan.rules[node]
            _check_saved(node, rule)
            closed = tuple(
                slot
                for slot, edge in enumerate(node.next_functions)
                if not carries[slot] and edge[0] is not None and (plan.graph.leads_to_source(edge) or kept)
            )
            if rule.backward is not None or closed or watch is not None:
                handles.append(node.register_hook(partial(_apply, node, rule, carries, closed, plan, direct, watch)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _apply(
    node: Node,
    rule: Rule,
    carries: Slots,
    closed: tuple[int, ...],
    plan: Trace,
    direct: dict,
    watch: Watch | None,
    gi: Grads,
    go: Grads,
) -> Grads | None:
    """What a node hands back: the rule's answer, and nothing where relevance may not flow."""
    if all(g is None for g in go):
        return None
    if node.name().endswith("CopySlices"):
        _check_copy(gi, go)
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


def _deliver(r: Tensor, edge, plan: Trace, direct: dict, rule: Rule) -> None:
    """Take relevance itself, not a coefficient, through views to the input it belongs to."""
    source = first_source(edge, plan.graph)
    if source is None:
        raise RelevanceError(f"the {rule} rule is for a layer that reads an explained input directly")
    while edge != source:
        found = edge[0](r)  # a view's backward is the view undone
        r = found[0] if isinstance(found, tuple) else found
        edge = edge[0].next_functions[0]
    direct[source] = direct[source] + r if source in direct else r


def _check_saved(node: Node, rule: Rule) -> None:
    """The rules read private values of PyTorch's nodes: say so where a release has dropped or renamed one."""
    names = rule.reads
    if rule.name in ("identity", "gate"):
        names = QUOTIENTS.get(operation(node.name()).base, ((),))[0]
    for name in names:
        if not hasattr(type(node), f"_saved_{name}"):
            raise RelevanceError(
                f"{node.name()} has no _saved_{name} in torch {torch.__version__}: this version of lrp_domains cannot read "
                "it. Please report it, and use an older torch or give the node another rule (rules.for_nodes)"
            )


def _check_copy(gi: Grads, go: Grads) -> None:
    """In-place change of a slice: autograd hides what was done. A copy, a sum or a scaling is linear; refuse the rest."""
    g, rest = go[0], gi[0]
    if g is None or rest is None:
        return
    factors = (rest / g)[(rest != g) & (rest != 0)]  # what the slice's old values were multiplied by
    if factors.numel() and not bool(torch.isclose(factors, factors[0], rtol=1e-2).all()):
        raise RelevanceError(
            "CopySlices: a slice of a tensor was changed in place by something other than a copy, a sum or a scaling, which "
            "autograd hides; write it out of place (x = torch.cat(...) or torch.where(...))"
        )
