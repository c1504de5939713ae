"""Checks of an explanation without a reference: relevance is computed in two ways that must agree.

Conservation doesn't detect relevance that went to the wrong input. The other checks can: each changes something that
relevance must not depend on, such as the batch, the precision, or how the model is written.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.func import functional_call

from .errors import RelevanceError
from .ledger import ledger
from .relevance import relevance
from .rule import gradient
from .rules.activations import derivative
from .rules.layers import LayerRule
from .rules.rulesets import ATTN_LRP, CP_LRP, RuleSet
from .rules.temperature import TemperedRule

Tensor = torch.Tensor
Tensors = tuple[Tensor, ...]


@dataclass(frozen=True)
class CheckRow:
    """One check: "passed", "failed" or "skipped", its largest difference (None if nothing was compared), and why."""

    name: str
    verdict: str
    difference: float | None
    tolerance: float
    compared: str
    reason: str


@dataclass(frozen=True, repr=False)
class CheckTable:
    """The result of `check`: printed as a table, with its rows as data; true if no check failed."""

    rules: str
    rows: tuple[CheckRow, ...]

    @property
    def passed(self) -> bool:
        """Whether no check failed."""
        return all(row.verdict != "failed" for row in self.rows)

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        lines = [f"checks under {self.rules}", f"{'check':<13}  verdict  difference  tolerance  compared"]
        for row in self.rows:
            difference = "-" if row.difference is None else f"{row.difference:.1e}"
            compared = f"{row.compared}: {row.reason}" if row.reason else row.compared
            lines.append(f"{row.name:<13}  {row.verdict:<7}  {difference:>10}  {row.tolerance:>9.1e}  {compared}")
        return "\n".join(lines)

    __repr__ = __str__


def check(
    function: Callable[..., Tensor],
    inputs: Tensor | Sequence[Tensor],
    *,
    rules: RuleSet = ATTN_LRP,
    model: torch.nn.Module | None = None,
    unknown: str = "error",
) -> CheckTable:
    """Check the relevance of ``inputs`` for the score ``function(*inputs)`` without a reference.

    * repeatability: a second call returns the same bits, and no call changes the model;
    * conservation: inputs and additive leaves add up to the score (see `ledger`), except for what the softmax, layer
      rules and derivatives of activations keep by definition: with a constant softmax, LRP-0 in the layers and the
      identity rule, nothing may be missing;
    * batch: a row has the same relevance alone as in the batch (one pass per row);
    * precision: relevance is the same in float64;
    * rewriting: relevance is the same for the model's decomposition by ``torch.export`` and ``run_decompositions``.

    Differences are relative to the largest relevance (conservation: to the score). They may be as large as the square
    root of the epsilon of the coarsest dtype that was used, half of its digits. No parameter counts as frozen. Inputs
    and model stay unchanged.

    Parameters
    ----------
    function
        The forward pass from floating inputs, rows of the batch first, to the score: a scalar, one per row, or any
        tensor, whose entries are summed. A module, or a function such as ``lambda e: model(inputs_embeds=e).logits``.
    model
        The module that ``function`` calls, if it isn't one itself, to find, convert and name the parameters.
    rules, unknown
        As in `relevance`.

    Raises
    ------
    RelevanceError
        An argument is invalid. A failed check doesn't raise: see `CheckTable.passed`.

    Examples
    --------
    >>> print(check(lambda x: model(x)[:, 3], x, model=model))
    """
    inputs = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    model = function if model is None and isinstance(function, torch.nn.Module) else model
    if not callable(function) or not isinstance(rules, RuleSet) or not isinstance(model, torch.nn.Module | None):
        raise RelevanceError("check takes a function, its inputs, a RuleSet as rules= and a torch.nn.Module as model=")
    if not inputs or not all(isinstance(x, Tensor) and x.is_floating_point() and x.numel() for x in inputs):
        raise RelevanceError(
            "inputs must be floating-point tensors with entries: to explain tokens pass their embeddings, and let the "
            "function hold input_ids and masks"
        )

    state = [(attributes, dict(attributes)) for attributes in map(vars, model.modules() if model is not None else ())]
    try:
        with torch.random.fork_rng([x.device for x in inputs if x.is_cuda]):
            return CheckTable(rules.name, _rows(_Case(function, model, rules, unknown), inputs))
    finally:  # modules may have stored something on themselves in their forward pass
        for attributes, before in state:
            attributes.clear()
            attributes.update(before)


class _Case(torch.nn.Module):
    """The function as a module that is called with copies of its model's parameters and buffers."""

    def __init__(self, function: Callable, model: torch.nn.Module | None, rules: RuleSet, unknown: str, dtype=None):
        super().__init__()
        self.model, self.rules, self.unknown, self.tensors = model, rules, unknown, {}
        self.called = (function,)  # in a tuple, so that a module isn't registered twice
        for name, tensor in (*self.named_parameters(), *self.named_buffers()):
            is_floating = tensor.is_floating_point()
            self.tensors[name] = tensor.detach().to(dtype if is_floating else None, copy=True)
            self.tensors[name].requires_grad_(is_floating and isinstance(tensor, torch.nn.Parameter))

    def forward(self, *inputs: Tensor, account: Callable | None = None, rules: RuleSet | None = None) -> Any:
        """Call the function, or return its score and what `relevance` or `ledger` makes of it."""
        if account is None:
            return self.called[0](*inputs)
        leaves = tuple(x.detach().clone().requires_grad_() for x in inputs)
        with torch.enable_grad():
            score = self.called[0](*leaves)
        if not isinstance(score, Tensor):
            raise RelevanceError(f"the function must return a tensor, the score, not a {type(score).__name__}")
        return score.detach(), account(score, leaves, rules=rules or self.rules, model=self.model, unknown=self.unknown)

    def run(self, inputs: Tensors, account: Callable, rules: RuleSet | None = None) -> tuple[Tensor, Any]:
        return functional_call(self, self.tensors, inputs, {"account": account, "rules": rules})

    def explain(self, inputs: Tensors) -> Tensors:
        """Return the score, then the relevance of each input."""
        score, relevances = self.run(inputs, relevance)
        return score, *relevances


def _rows(case: _Case, inputs: Tensors) -> tuple[CheckRow, ...]:
    """Run the checks. A check that raises is skipped, or failed if it raised a `RelevanceError`."""
    _, half = case.run(inputs, lambda score, leaves, **options: coarsest(score) ** 0.5)
    try:
        base = case.explain(inputs)
    except RelevanceError as error:
        return (CheckRow("relevance", "failed", None, 0.0, "whether there is one", str(error)),)
    checks = (
        ("repeatability", 0.0, "two calls, bit by bit", _repeatability),
        ("conservation", half, "score with inputs + additive leaves", _conservation),
        ("batch", half, "rows alone with rows in the batch", _batch),
        ("precision", half, "this precision with float64", _precision),
        ("rewriting", half, "model with its decomposition", _rewriting),
    )
    rows = []
    for name, tolerance, compared, compare in checks:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                difference, reason = compare(case, inputs, base, tolerance)
            verdict = "passed" if difference <= tolerance else "failed"
        except Exception as error:
            difference, reason = None, (str(error).strip() or repr(error)).partition("\n")[0]
            verdict = "failed" if isinstance(error, RelevanceError) else "skipped"
        rows.append(CheckRow(name, verdict, difference, tolerance, compared, reason))
    return tuple(rows)


def _repeatability(case: _Case, inputs: Tensors, base: Tensors, tolerance: float) -> tuple[float, str]:
    def state() -> tuple[list, list]:
        hooks = [len(x) for module in case.modules() for name, x in vars(module).items() if name.endswith("_hooks")]
        return [tensor._version for tensor in case.tensors.values()], hooks

    before, difference = state(), _difference(case.explain(inputs), base)
    if state() != before or any(tensor.grad is not None for tensor in case.tensors.values()):
        raise RelevanceError("a call changes the model: its parameters, buffers, gradients or hooks")
    return difference, ""


def _conservation(case: _Case, inputs: Tensors, base: Tensors, tolerance: float) -> tuple[float, str]:
    def missing(rules: RuleSet) -> tuple[float, str]:
        _, account = case.run(inputs, ledger, rules)
        scale = max(abs(account.score), abs(sum(account.inputs)), abs(sum(account.leaves.values())))
        return abs(account.residue) / (scale or 1.0), "; ".join(account.notes)

    rules = case.rules
    difference, notes = missing(rules)
    if difference <= tolerance:
        return difference, ""

    # AttnLRP's softmax, layer rules and GIM's derivatives keep a part by definition. With a constant softmax, LRP-0 and
    # the identity rule all is there.
    operations = {kind: gradient if isinstance(rule, LayerRule) else rule for kind, rule in rules.operations.items()}
    for kind in ("softmax", "attention"):
        if operations[kind] is ATTN_LRP.operations[kind] or isinstance(operations[kind], TemperedRule):
            operations[kind] = CP_LRP.operations[kind]
    if operations.get("activation") is derivative:
        operations |= {kind: ATTN_LRP.operations[kind] for kind in ("activation", "product", "statistic")}
    overrides = tuple((glob, rule) for glob, rule in rules.overrides if not isinstance(rule, LayerRule))
    unexplained, _ = missing(replace(rules, operations=operations, first=None, overrides=overrides))
    reason = f"{difference:.1e} is missing under {rules.name}{': ' if notes else ''}{notes}"
    return unexplained if unexplained <= tolerance else difference, reason


def _batch(case: _Case, inputs: Tensors, base: Tensors, tolerance: float) -> tuple[float, str]:
    (rows, *_), *others = {x.shape[:1] or (1,) for x in inputs}
    if others or rows == 1:
        raise ValueError("the inputs have only one row, or unequal numbers of rows")

    alone = [case.explain(tuple(x[row : row + 1] for x in inputs)) for row in range(rows)]
    scores = [values[0] for values in alone]
    per_row = base[0].shape[:1] == (rows,)
    score = torch.cat(scores) if per_row else sum(scores)
    if score.shape != base[0].shape or _difference((score, *base[1:]), base) > tolerance:
        if per_row and case.called[0] is case.model:
            raise RelevanceError("rows interact in the model: alone they have other scores")
        raise ValueError(
            "alone, rows have other scores: they interact, the score is their mean, or the function holds tensors of "
            "the whole batch"
        )

    parts = [(score, *(r[row : row + 1] for r in base[1:])) for row in range(rows)]
    differences = [_difference((score, *values[1:]), part) for values, part in zip(alone, parts, strict=True)]
    return torch.tensor(differences, dtype=torch.float64).max().item(), ""


def _precision(case: _Case, inputs: Tensors, base: Tensors, tolerance: float) -> tuple[float, str]:
    if all(x.dtype == torch.float64 for x in inputs):
        raise ValueError("the inputs are in float64")
    wide = _Case(*case.called, case.model, case.rules, case.unknown, torch.float64)
    values = wide.explain(tuple(x.double() for x in inputs))
    if values[0].dtype != torch.float64:
        raise ValueError(f"with inputs in float64 the function returns {values[0].dtype}")
    return _difference(base, values), ""


def _rewriting(case: _Case, inputs: Tensors, base: Tensors, tolerance: float) -> tuple[float, str]:
    program = torch.export.export(case, tuple(x.detach().clone().requires_grad_() for x in inputs))
    module = program.run_decompositions().module()
    if case.model is None and program.constants:
        raise ValueError("the function holds tensors: pass the module that it calls as model=")
    try:
        values = _Case(module, getattr(module, "model", None), case.rules, case.unknown).explain(inputs)
    except RelevanceError as error:
        raise ValueError(f"the decomposition is refused: {error}") from error
    if _difference((values[0], *base[1:]), base) > tolerance:
        raise ValueError("the decomposition has another score")
    return _difference(values, base), ""


def coarsest(score: Tensor) -> float:
    """Return the epsilon of the coarsest dtype between the score and what it was computed from."""
    waiting, seen, epsilon = [score.grad_fn], {None}, 0.0
    while waiting:
        if (node := waiting.pop()) not in seen:
            seen.add(node)
            epsilon = max([epsilon, *(torch.finfo(result.dtype).eps for result in node._input_metadata)])
            waiting += [child for child, _ in node.next_functions]
    return epsilon


def _difference(values: Tensors, expected: Tensors) -> float:
    """Return the largest difference in relevance, relative to the largest relevance, or in score if that is larger."""

    def largest(tensors: Sequence[Tensor]) -> float:
        return torch.stack([tensor.abs().max().double() for tensor in tensors]).max().item()

    score, *relevances = (value - other for value, other in zip(values, expected, strict=True))
    of_relevance, of_score = (largest(tensors) or 1e-300 for tensors in (expected[1:], expected))
    return max(largest(relevances) / of_relevance, largest([score]) / of_score)
