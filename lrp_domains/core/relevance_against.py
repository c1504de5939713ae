"""Relevance against a reference: what the difference between an input and a reference changes in the score."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace

import torch

from .checks import coarsest
from .errors import RelevanceError
from .graph.graph import edge_of
from .held import Selections
from .ledger import Ledger
from .planning.plan import Recorded, make_plan
from .recording import Recorder
from .relevance import above, checked_start, propagate
from .rules.layers import LayerRule
from .rules.rulesets import RuleSet
from .secants.pairs import INEXACT
from .secants.rulesets import SECANT

Tensor = torch.Tensor
Tensors = Sequence[Tensor]
Explained = Tensor | tuple[Tensor, ...] | dict[str, Tensor]


def relevance_against(
    function: Callable[..., Tensor | tuple[Tensor, Tensors | Mapping[str, Tensor]]],
    inputs: Tensor | Tensors,
    references: Tensor | Tensors,
    *,
    rules: RuleSet = SECANT,
    start: Tensor | None = None,
    selections: str = "own",
    model: torch.nn.Module | None = None,
    unknown: str = "error",
) -> Explained:
    """Return the relevance of what differs between ``inputs`` and ``references`` for the difference of their scores.

    Under `SECANT` relevance is complete: for each sample it sums to ``f(input) - f(reference)``, for transformers too.
    The function runs once for the inputs and once per reference; one backward pass through the inputs' graph reads what
    both passes kept.

    Parameters
    ----------
    function
        The forward pass. ``function(*inputs)`` returns scores whose first dimension is the sample's, such as
        ``lambda e: model(inputs_embeds=e, attention_mask=mask).logits[:, 1]``; all entries are summed. It may also
        return a pair of scores and tensors that they were computed from, such as those that `capture` keeps: then these
        are explained instead of the inputs.
    inputs
        A tensor or a sequence of them, samples first. They aren't changed. Those that are explained are floating-point;
        token ids may be passed if the function returns the tensors to explain, such as embeddings.
    references
        For each input a tensor of its shape and dtype, or several of them stacked along a new first dimension: the
        relevance is then the mean over the references.
    rules
        `SECANT` (default), `SECANT_HALF`, or any rule set without layer rules: then g is computed at the input and
        multiplied by the difference, without completeness.
    start
        Relevance at the scores, of their shape, if it should differ from their difference.
    selections
        ``"own"``: sorts, top-k and argmax select from the reference what they select. ``"held"``: they select the
        entries that they selected from the input, as a mixture of experts requires, whose experts depend on the input.
        The score of the reference is then that of the same experts.
    model, unknown
        As in `relevance`.

    Returns
    -------
    Relevance of the shape of each input: a tensor for a tensor, a tuple for a sequence; for tensors that the function
    returned, in the structure in which it returned them.

    Raises
    ------
    RelevanceError
        A reference has another shape or dtype than its input, the function mixes samples or draws at random, it runs
        other operations for the references than for the inputs, ... Also the errors of `relevance`.

    References
    ----------
    Shrikumar et al. 2017 (DeepLIFT, arXiv 1704.02685), extended to products, norms and softmax: docs/method.md.

    Examples
    --------
    >>> relevance_against(lambda x: model(x)[:, 3], x, x.mean(0).expand_as(x)).shape
    torch.Size([8, 20])
    """
    request = _Request(function, rules, start, selections, model, unknown)
    runs = list(_explained(request, inputs, references))
    return runs[0].structured(_means([run.relevance for run in runs]))


def ledger_against(
    function: Callable[..., Tensor | tuple[Tensor, Tensors | Mapping[str, Tensor]]],
    inputs: Tensor | Tensors,
    references: Tensor | Tensors,
    *,
    rules: RuleSet = SECANT,
    start: Tensor | None = None,
    selections: str = "own",
    model: torch.nn.Module | None = None,
    unknown: str = "error",
) -> Ledger:
    """Account for a difference of scores: ``f(input) - f(reference) = sum of relevance + residue``.

    The arguments are those of `relevance_against`, and so is the cost. What the model adds is the same in both passes,
    so that no leaves are left to account for: under `SECANT` the residue is 0 to rounding. Of several references, the
    ledger holds the mean.
    """
    runs = list(_explained(_Request(function, rules, start, selections, model, unknown), inputs, references))
    relevance = _means([run.relevance for run in runs])
    score = sum(run.score for run in runs) / len(runs)
    totals = tuple(r.double().sum().item() for r in relevance)
    account = Ledger(score, totals, {}, score - sum(totals), relevance, rules.name)
    return account if account.balanced() else replace(account, notes=_notes(rules))


def draw_references(data: Tensor, inputs: Tensor, k: int, *, generator: torch.Generator | None = None) -> Tensor:
    """Return k references per input that are rows of a data set, drawn with replacement: ``(k, *inputs.shape)``.

    Relevance against them is what sets an input apart from the data set's average score.
    """
    if data.shape[1:] != inputs.shape[1:] or not len(data) or k < 1:
        raise RelevanceError(
            f"expected k >= 1 references out of rows of shape {tuple(inputs.shape[1:])}, got k={k} and "
            f"{len(data)} rows of shape {tuple(data.shape[1:])}"
        )
    rows = torch.randint(len(data), (k, len(inputs)), generator=generator)
    return data[rows.to(data.device)].to(inputs)


# ---- One reference at a time


@dataclass(frozen=True)
class _Request:
    """The arguments that don't depend on the reference."""

    function: Callable
    rules: RuleSet
    start: Tensor | None
    selections: str
    model: torch.nn.Module | None
    unknown: str


@dataclass(frozen=True)
class _Run:
    """A forward pass: its inputs, its scores, what is to be explained, and what autograd didn't keep."""

    inputs: tuple[Tensor, ...]
    scores: Tensor
    explained: Tensor | Tensors | Mapping[str, Tensor]
    values: dict

    @property
    def of_inputs(self) -> bool:
        """Whether the inputs are explained."""
        return self.explained is self.inputs or self.explained is self.inputs[0]

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        if isinstance(self.explained, Tensor):
            return (self.explained,)
        return tuple(self.explained.values() if isinstance(self.explained, Mapping) else self.explained)


@dataclass(frozen=True)
class _Explained:
    """An explanation against one reference: the difference of the scores, and the relevance of each tensor."""

    score: float
    relevance: tuple[Tensor, ...]
    run: _Run

    def structured(self, tensors: tuple[Tensor, ...]) -> Explained:
        """Return tensors in the structure of those that were explained."""
        if isinstance(self.run.explained, Mapping):
            return dict(zip(self.run.explained, tensors, strict=True))
        return tensors[0] if isinstance(self.run.explained, Tensor) else tensors


def _means(relevances: list[tuple[Tensor, ...]]) -> tuple[Tensor, ...]:
    return tuple(sum(tensors) / len(relevances) for tensors in zip(*relevances, strict=True))


def _explained(request: _Request, inputs: Tensor | Tensors, references: Tensor | Tensors) -> Iterator[_Explained]:
    """Yield the explanation against each reference."""
    is_single = isinstance(inputs, Tensor)
    tensors = (inputs,) if is_single else tuple(inputs)
    groups = _checked(tensors, (references,) if isinstance(references, Tensor) else tuple(references))
    _check_request(request)

    selections = Selections()
    held = request.selections == "held"
    with selections.recorded() if held else nullcontext():
        run = _run(request.function, tensors, is_single)
    for group in groups:
        with selections.repeated() if held else nullcontext():
            reference = _run(request.function, group, is_single)
        if reference.scores.shape != run.scores.shape or len(reference.tensors) != len(run.tensors):
            raise RelevanceError(
                f"the function returns scores of shape {tuple(run.scores.shape)} for the inputs, but of shape "
                f"{tuple(reference.scores.shape)} for the references"
            )
        yield _explain(request, run, reference)


def _run(function: Callable, inputs: Tensors, is_single: bool) -> _Run:
    """Run the function on copies of the inputs."""
    leaves = tuple(x.detach().clone().requires_grad_(_is_explained(x)) for x in inputs)
    with torch.enable_grad(), Recorder() as recorder:
        result = function(*leaves)
    is_pair = isinstance(result, tuple) and len(result) == 2
    scores, explained = result if is_pair else (result, leaves[0] if is_single else leaves)

    if explained is leaves or explained is leaves[0]:
        for number, x in enumerate(inputs):
            if not _is_explained(x):
                raise RelevanceError(
                    f"inputs[{number}] is {x.dtype}, which has no relevance: pass embeddings instead of token ids, or "
                    "let the function return the tensors to explain beside the scores (see capture)"
                )
    n = len(inputs[0])
    if not isinstance(scores, Tensor) or scores.ndim == 0 or len(scores) != n:
        got = f"a tensor of shape {tuple(scores.shape)}" if isinstance(scores, Tensor) else type(scores).__name__
        raise RelevanceError(
            f"the function must return one row of scores per sample, so {n} rows, not {got}: return "
            "model(x)[:, 3], not its sum"
        )
    return _Run(leaves, scores, explained, recorder.values)


def _explain(request: _Request, run: _Run, reference: _Run) -> _Explained:
    top, other_top = above(run.scores), above(reference.scores)
    checked_start(run.scores, run.tensors, None)
    checked_start(reference.scores, reference.tensors, None)
    rise = run.scores.detach() - reference.scores.detach()
    seed = _seed(rise, request.start)

    values = reference.values | {edge_of(other_top): other_top.detach()}
    recorded = Recorded(other_top, reference.tensors, values)
    plan = make_plan(top, run.tensors, request.rules, request.model, request.unknown, run.values, recorded)
    if any(isinstance(rule, LayerRule) for rule in plan.rules.values()):
        raise RelevanceError(
            f"rule set {request.rules.name} has layer rules, which share the values of a layer's inputs, not "
            "differences: use SECANT, or a rule set without layer rules"
        )
    if inexact := sorted({node.name() for node, rule in plan.rules.items() if rule.name == INEXACT}):
        warnings.warn(
            f"{', '.join(inexact)} has no exact secant: the mean of the derivatives at input and reference was used, "
            "so relevance is not complete",
            stacklevel=5,
        )
    relevance = propagate(top, run.tensors, plan, seed, retain_graph=True, reference=recorded)
    if request.rules is SECANT and request.start is None and run.of_inputs and request.selections == "own":
        _check_complete(request.function, run, reference, rise, relevance)
    return _Explained((rise * seed).double().sum().item(), relevance, run)


def _seed(rise: Tensor, start: Tensor | None) -> Tensor:
    """Return the coefficient to start from at the scores."""
    if start is None:
        return torch.ones_like(rise)
    start = torch.as_tensor(start, device=rise.device)
    if start.shape != rise.shape or not bool(start.isfinite().all()):
        raise RelevanceError(f"start must be finite and of the scores' shape {tuple(rise.shape)}")
    if bool(((rise == 0) & (start != 0)).any()):
        raise RelevanceError("start gives relevance to a score that is the same for input and reference")
    return torch.where(rise == 0, 0.0, start / rise.masked_fill(rise == 0, 1.0)).to(rise.dtype)


# ---- Checks


def _checked(inputs: tuple[Tensor, ...], references: tuple[Tensor, ...]) -> list[tuple[Tensor, ...]]:
    """Check inputs and references; return the references one by one."""
    if torch.is_inference_mode_enabled():
        raise RelevanceError("no gradient flows inside torch.inference_mode(): leave it before computing relevance")
    if not inputs or len(references) != len(inputs):
        raise RelevanceError(f"expected one reference tensor per input, got {len(references)} for {len(inputs)} inputs")
    for number, (x, b) in enumerate(zip(inputs, references, strict=True)):
        for name, tensor in ((f"inputs[{number}]", x), (f"references[{number}]", b)):
            if not isinstance(tensor, Tensor):
                raise RelevanceError(f"{name} is a {type(tensor).__name__}, not a tensor")
        if not x.ndim or not x.numel() or len(x) != len(inputs[0]):
            raise RelevanceError(
                f"inputs[{number}] has shape {tuple(x.shape)}: the first dimension must be the samples"
            )
        if b.dtype != x.dtype or b.device != x.device:
            raise RelevanceError(
                f"references[{number}] is {b.dtype} on {b.device}, its input {x.dtype} on {x.device}: they must agree"
            )
        if not bool(x.isfinite().all()) or not bool(b.isfinite().all()):
            name = "inputs" if not bool(x.isfinite().all()) else "references"
            raise RelevanceError(f"{name}[{number}] has entries that are not finite")
        if b.shape != x.shape and (b.shape[1:] != x.shape or not len(b)):
            raise RelevanceError(
                f"references[{number}] has shape {tuple(b.shape)}, its input {tuple(x.shape)}: pass one reference per "
                "sample (reference.expand_as(x)), or several stacked along a new first dimension"
            )

    counts = {len(b) if b.ndim > x.ndim else None for x, b in zip(inputs, references, strict=True)}
    if len(counts) > 1:
        raise RelevanceError("all inputs must have the same number of references")
    return [references] if counts == {None} else list(zip(*references, strict=True))


def _is_explained(x: Tensor) -> bool:
    return x.is_floating_point() or x.is_complex()


def _check_request(request: _Request) -> None:
    if not callable(request.function):
        raise RelevanceError(f"the function is a {type(request.function).__name__}, which can't be called")
    if not isinstance(request.rules, RuleSet):
        raise RelevanceError(f"rules={request.rules!r} is not a rule set; pass one such as lrp_domains.SECANT")
    if request.selections not in ("own", "held"):
        raise RelevanceError(f'selections={request.selections!r}: expected "own" or "held"')


def _check_complete(
    function: Callable, run: _Run, reference: _Run, rise: Tensor, relevance: tuple[Tensor, ...]
) -> None:
    """Check completeness sample by sample, and find out why if it doesn't hold."""
    n = len(rise)
    rows = [r.double().reshape(n, -1) for r in relevance]
    totals, rises = sum(r.sum(1) for r in rows), rise.double().reshape(n, -1).sum(1)
    scores = (run.scores.detach().double().abs() + reference.scores.detach().double().abs()).reshape(n, -1).sum(1)
    half_of_digits = coarsest(run.scores) ** 0.5
    if bool(((totals - rises).abs() <= half_of_digits * (scores + sum(r.abs().sum(1) for r in rows))).all()):
        return

    # Every second sample of the inputs, the others of the references: each must keep its score.
    of_inputs = torch.arange(n, device=rise.device) % 2 == 0
    mixed = [
        torch.where(of_inputs.view(-1, *[1] * (x.ndim - 1)), x.detach(), b.detach())
        for x, b in zip(run.inputs, reference.inputs, strict=True)
    ]
    for inputs, expected, why in (
        ([x.detach() for x in run.inputs], run.scores, "draws at random: two calls on the same inputs differ"),
        (
            mixed,
            torch.where(of_inputs.view(-1, *[1] * (rise.ndim - 1)), run.scores, reference.scores),
            "mixes samples: the score of a sample depends on the others of its batch",
        ),
    ):
        with torch.no_grad():
            result = function(*inputs)
        scores = result[0] if isinstance(result, tuple) else result
        if not torch.allclose(scores, expected.detach(), rtol=half_of_digits, atol=half_of_digits):
            raise RelevanceError(f"the function {why}. Call model.eval() first, or explain the samples one by one")
    missing = ((totals - rises).abs().sum() / rises.abs().sum().clamp_min(1e-30)).item()
    warnings.warn(
        f"{missing:.1%} of the difference of the scores is not accounted for: {_notes(SECANT)[0]}", stacklevel=5
    )


def _notes(rules: RuleSet) -> tuple[str, ...]:
    """Return what the residue may contain."""
    if rules.name != SECANT.name:
        return (f"only SECANT is complete; {rules.name} isn't",)
    return (
        "something outside of the graph differs between input and reference (a detached tensor, a mask, a step), or an "
        "operation has no exact secant (sampling positions, solvers)",
    )
