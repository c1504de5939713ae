"""The difference between one input and one reference: two forward passes, one backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass

import torch

from .completeness import check_complete
from .errors import RelevanceError
from .explained import Explained, Tensors, check_explainable, is_explainable, structured, tensors_of
from .graph.graph import edge_of
from .held import Selections
from .planning.plan import Recorded, make_plan
from .recording import Recorder
from .relevance import above, checked_start, propagate
from .rules.layers import LayerRule
from .rules.rulesets import RuleSet
from .secants.pairs import INEXACT
from .secants.rulesets import SECANT
from .warn import warn

Tensor = torch.Tensor


@dataclass(frozen=True)
class Request:
    """The arguments that don't depend on the reference."""

    function: Callable
    rules: RuleSet
    start: Tensor | None
    selections: str
    model: torch.nn.Module | None
    unknown: str


@dataclass(frozen=True)
class Run:
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
        return tensors_of(self.explained)


@dataclass(frozen=True)
class Difference:
    """An explanation against one reference.

    Attributes
    ----------
    rise
        The differences of the scores.
    explained
        What of them is explained, in all: their sum, or that of ``start``.
    relevance, coefficients
        The relevance of each tensor, and what the difference of the tensors is multiplied by to yield it.
    run
        The forward pass for the inputs.
    """

    rise: Tensor
    explained: Tensor
    relevance: tuple[Tensor, ...]
    coefficients: tuple[Tensor, ...]
    run: Run

    def structured(self, tensors: tuple[Tensor, ...]) -> Explained:
        """Return tensors in the structure of those that were explained."""
        return structured(self.run.explained, tensors)


def differences(request: Request, inputs: Tensor | Tensors, references: Tensor | Tensors) -> Iterator[Difference]:
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


def _run(function: Callable, inputs: Tensors, is_single: bool) -> Run:
    """Run the function on copies of the inputs."""
    leaves = tuple(x.detach().clone().requires_grad_(is_explainable(x)) for x in inputs)
    with torch.enable_grad(), Recorder() as recorder:
        result = function(*leaves)
    is_pair = isinstance(result, tuple) and len(result) == 2
    scores, explained = result if is_pair else (result, leaves[0] if is_single else leaves)

    if explained is leaves or explained is leaves[0]:
        check_explainable(inputs)
    n = len(inputs[0])
    if not isinstance(scores, Tensor) or scores.ndim == 0 or len(scores) != n:
        got = f"a tensor of shape {tuple(scores.shape)}" if isinstance(scores, Tensor) else type(scores).__name__
        raise RelevanceError(
            f"the function must return one row of scores per sample, so {n} rows, not {got}: return "
            "model(x)[:, 3], not its sum"
        )
    return Run(leaves, scores, explained, recorder.values)


def _explain(request: Request, run: Run, reference: Run) -> Difference:
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
        warn(
            f"{', '.join(inexact)} has no exact secant: the mean of the derivatives at input and reference was used, "
            "so relevance is not complete",
        )
    relevance, coefficients = propagate(top, run.tensors, plan, seed, retain_graph=True, reference=recorded)
    if request.rules is SECANT and request.start is None and run.of_inputs and request.selections == "own":
        check_complete(request.function, run.inputs, reference.inputs, (run.scores, reference.scores), relevance)
    return Difference(rise, (rise * seed).double().sum(), relevance, coefficients, run)


def mean(runs: Iterable[Difference]) -> Difference:
    """Return the mean over references; of an iterator no more than two explanations are held at once."""
    sums: list[Tensor] = []
    for count, run in enumerate(runs, 1):
        parts = [run.rise, run.explained, *run.relevance, *run.coefficients]
        sums = parts if count == 1 else [total + part for total, part in zip(sums, parts, strict=True)]
    rise, explained, *of_tensors = (total / count for total in sums)
    n = len(run.relevance)
    return Difference(rise, explained, tuple(of_tensors[:n]), tuple(of_tensors[n:]), run.run)


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
        if b.ndim > x.ndim and not len(b):
            raise RelevanceError(f"references[{number}] has shape {tuple(b.shape)}: there are no references in it")
        if b.shape != x.shape and b.shape[1:] != x.shape:
            raise RelevanceError(
                f"references[{number}] has shape {tuple(b.shape)}, its input {tuple(x.shape)}: pass one reference per "
                "sample (reference.expand_as(x)), or several stacked along a new first dimension"
            )

    counts = {len(b) if b.ndim > x.ndim else None for x, b in zip(inputs, references, strict=True)}
    if len(counts) > 1:
        raise RelevanceError("all inputs must have the same number of references")
    return [references] if counts == {None} else list(zip(*references, strict=True))


def _check_request(request: Request) -> None:
    if not callable(request.function):
        raise RelevanceError(f"the function is a {type(request.function).__name__}, which can't be called")
    if not isinstance(request.rules, RuleSet):
        raise RelevanceError(f"rules={request.rules!r} is not a rule set; pass one such as lrp_domains.SECANT")
    if request.selections not in ("own", "held"):
        raise RelevanceError(f'selections={request.selections!r}: expected "own" or "held"')
