"""The relevance pass: a backward pass in which some operations have another derivative."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch

from .errors import RelevanceError, freed_graphs_named
from .graph.graph import edge_of
from .planning.hooks import Pass, Watch, hooks, steps_of
from .planning.kept import Steps, planned
from .planning.plan import Plan, Recorded, make_plan
from .rules.rulesets import ATTN_LRP, RuleSet
from .warn import warn

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
    """Return the relevance of each entry of ``inputs`` for ``output``, by layer-wise relevance propagation.

    A drop-in for ``torch.autograd.grad(output, inputs)``. The model isn't touched: only what PyTorch recorded during an
    ordinary forward pass is needed.

    Parameters
    ----------
    output
        The score to explain: a scalar, or any tensor whose entries are summed. As rows don't mix in eval mode,
        ``logits[:, 3]`` explains a whole batch at once; a contrast is ``logits[:, a] - logits[:, b]``.
    inputs
        One tensor, or a sequence of them, that the output was computed from: leaves that require grad, or
        intermediate results (see `capture`), of any shape. Explaining more tensors can change the results of the
        others: each of them carries relevance, so a factor that was a constant gets a share.
    rules
        The rule set, such as `ATTN_LRP` (default), `CP_LRP`, `EPSILON`, `GAMMA`, `GRADIENT`.
    start
        Relevance at the output, of the output's shape and in its units, if it should differ from the output itself:
        ``torch.ones_like(output)`` shares 1 per entry.
    model
        Only used to find parameters by name: for overrides by `RuleSet.where`, and to say where an error arose.
    unknown
        ``"error"``: refuse operations without a rule. ``"gradient"``: use their derivative, with a warning.
    retain_graph
        Whether to keep the graph for another pass.

    Returns
    -------
    Relevance of the same shape and dtype as each input (real for a complex input), in units of the output: a tensor for
    a tensor, a tuple for a sequence. It sums to the output less what biases and (under AttnLRP) the softmax account
    for: see `ledger`.

    Raises
    ------
    UnknownOperation
        An operation between the output and the inputs has no rule.
    RelevanceError
        The output has no graph or isn't finite, an input isn't in the graph, dropout was active, the relevance isn't
        finite, ...

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
    if isinstance(rules, RuleSet) and rules.reads_reference:
        raise RelevanceError(f"rule set {rules.name!r} reads a reference: call relevance_against")
    seed = checked_start(output, tensors, start)
    with freed_graphs_named():
        top = above(output)
        make = partial(make_plan, top, tensors, rules, model, unknown)
        plan = planned(top.grad_fn, tensors, rules, unknown, make)
        results, _ = propagate(top, tensors, plan, seed, retain_graph)
    return results[0] if single else results


def above(output: Tensor) -> Tensor:
    """Return a view of the output: a node that only this pass uses, and that is above the output even if that is an
    input too."""
    with torch.enable_grad():
        return output.view_as(output)


def propagate(
    top: Tensor,
    tensors: tuple[Tensor, ...],
    plan: Plan | Steps,
    seed: Tensor,
    retain_graph: bool,
    watch: Watch | None = None,
    reference: Recorded | None = None,
) -> tuple[tuple[Tensor, ...], tuple[Tensor | None, ...]]:
    """Return the relevance of each tensor under a plan, and its coefficient g.

    The relevance is g times the tensor, or times its difference from a reference. There is no coefficient where a rule
    for first layers returned relevance itself. ``watch`` is called with what arrives at each node whose rule adds
    something.
    """
    roots, ends, seeds = (top,), tensors, (seed,)
    if reference is not None:
        roots, ends, seeds = (top, reference.output), (*tensors, *reference.inputs), (seed, torch.zeros_like(seed))
    steps = plan.steps if isinstance(plan, Steps) else steps_of(plan, watch is not None)
    with hooks(steps, top.grad_fn, watch) as run, _idle(reference):
        grads = torch.autograd.grad(roots, ends, seeds, retain_graph=retain_graph, allow_unused=True)[: len(tensors)]

    delivered = plan.delivered if isinstance(plan, Plan) else {}
    results, coefficients = [], []
    for number, (tensor, g) in enumerate(zip(tensors, grads, strict=True)):
        x = tensor.detach()
        x = x if reference is None else x - reference.inputs[number].detach()
        edge = edge_of(tensor) if run.passed or delivered else None
        if edge in run.passed:
            g = run.passed[edge] if g is None else g + run.passed[edge]
        g = g if g is None else g.conj()
        r = torch.zeros_like(x) if g is None else x * g
        r = r.real if r.is_complex() else r  # the sum over the real and the imaginary part
        if edge in delivered:
            r = r + delivered[edge].view_as(r)
        results.append(r)
        coefficients.append(None if edge in delivered else torch.zeros_like(x) if g is None else g)
    _check_finite(results, run)
    return tuple(results), tuple(coefficients)


@contextmanager
def _idle(reference: Recorded | None) -> Iterator[None]:
    """Temporarily let nothing flow back through the reference's graph.

    It is part of the pass only because autograd computes no derivative for a node outside of it, which rules ask for.
    """
    if reference is None:
        yield
        return
    handle = reference.output.grad_fn.register_hook(lambda gi, go: (None,) * len(gi))
    try:
        yield
    finally:
        handle.remove()


def _check_finite(results: list[Tensor], run: Pass) -> None:
    for number, r in enumerate(results):
        # A sum is finite only if all entries are, and costs a tenth; but it may overflow where they are.
        if bool(r.sum().isfinite()) or bool(r.isfinite().all()):
            continue
        # Hooks run from the output back, so the first node whose coefficients aren't finite is the cause.
        nodes = (node.name() for node, sums in run.sums.items() if not all(s.isfinite() for s in sums))
        first = next(nodes, None)
        cause = f"{first} was the first on the way back to make it so" if first else "no rule made it so: it overflowed"
        raise RelevanceError(
            f"{int((~r.isfinite()).sum())} entries of the relevance of inputs[{number}] are not finite: {cause}. Check "
            "its arguments (a power of 0, an exp that overflows, half precision), or use another rule for it "
            "(rules.for_nodes, rules.where)"
        )


def checked_start(output: Tensor, tensors: tuple[Tensor, ...], start: Tensor | None) -> Tensor:
    """Check the arguments of `relevance`; return the coefficient to start from at the output."""
    if torch.is_inference_mode_enabled():
        raise RelevanceError("no gradient flows inside torch.inference_mode(): leave it before computing relevance")
    if not isinstance(output, Tensor):
        raise RelevanceError(
            f"the output is a {type(output).__name__}, not a tensor: pass the score itself, such as "
            "model(x).logits[:, 0]"
        )
    if not output.requires_grad:
        raise RelevanceError(
            "the output has no grad_fn: run the forward pass outside torch.no_grad() and torch.inference_mode(), with "
            "at least one input that requires grad"
        )

    if not tensors:
        raise RelevanceError("no inputs to explain: pass at least one tensor")
    for number, tensor in enumerate(tensors):
        if not isinstance(tensor, Tensor) or not tensor.requires_grad:
            raise RelevanceError(
                f"inputs[{number}] does not require grad: call .requires_grad_() on it before the forward pass"
            )
        if tensor._backward_hooks:
            warn(
                f"inputs[{number}] has gradient hooks (register_hook), which receive relevance's coefficients instead "
                "of gradients, and change relevance if they change them: remove them first",
            )

    if output.numel() == 0:
        raise RelevanceError("the output is empty: check the forward pass")
    if not bool(torch.isfinite(output.detach()).all()):
        raise RelevanceError(
            f"the output has {int((~torch.isfinite(output)).sum())} entries that are not finite: check the forward "
            "pass (NaN in the inputs, or overflow in half precision)"
        )

    if start is None:
        return torch.ones_like(output)
    start = torch.as_tensor(start, device=output.device)
    if start.shape != output.shape:
        raise RelevanceError(f"start has shape {tuple(start.shape)}, the output {tuple(output.shape)}: they must agree")
    if not bool(torch.isfinite(start).all()):
        raise RelevanceError("start has entries that are not finite: pass a finite relevance for each output entry")
    score = output.detach()
    if bool(((score == 0) & (start != 0)).any()):
        raise RelevanceError("start gives relevance to an output entry that is 0, which has nothing to share")
    return torch.where(score == 0, 0.0, start / score.masked_fill(score == 0, 1.0)).to(output.dtype)
