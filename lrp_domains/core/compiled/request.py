"""What is compiled: a function, and how to explain it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from .. import difference
from ..errors import RelevanceError
from ..explained import check_explainable, is_explainable, structured, tensors_of
from ..ledger import Rows, sums_of
from ..relevance import relevance
from ..relevance_against import sums_against
from ..rules.rulesets import ATTN_LRP, RuleSet
from ..secants.rulesets import SECANT

Tensor = torch.Tensor
Tensors = dict[str, Any]


@dataclass(frozen=True)
class Request:
    """The arguments of `compile` that don't change from call to call; ``against`` if there are references."""

    function: Callable
    rules: RuleSet
    model: torch.nn.Module | None
    unknown: str
    ledger: bool
    against: bool

    def explain(self, *tensors: Tensor) -> tuple[Tensors, Rows | None]:
        """Return scores and relevance, and with a ledger its numbers and rows, for inputs followed by references."""
        return self._against(*tensors) if self.against else self._of_inputs(*tensors)

    def _of_inputs(self, *inputs: Tensor) -> tuple[Tensors, Rows | None]:
        leaves = tuple(x.detach().clone().requires_grad_(is_explainable(x)) for x in inputs)
        with torch.enable_grad():
            result = self.function(*leaves)
        scores, explained = result if isinstance(result, tuple) and len(result) == 2 else (result, leaves)
        if not isinstance(scores, Tensor):
            raise RelevanceError(
                f"the function returned a {type(scores).__name__}, not a tensor: return the scores, or a pair of the "
                "scores and the tensors to explain"
            )
        if explained is leaves:
            check_explainable(inputs)
            explained = leaves[0] if len(leaves) == 1 else leaves

        options = {"rules": self.rules, "model": self.model, "unknown": self.unknown}
        results: Tensors = {"score": scores.detach()}
        if not self.ledger:
            of_each = relevance(scores, tensors_of(explained), **options)
            return results | {"relevance": structured(explained, of_each)}, None
        sums = sums_of(scores, tensors_of(explained), **options)
        results |= {"relevance": structured(explained, sums.relevance), "numbers": sums.numbers}
        return results, sums.rows

    def _against(self, *tensors: Tensor) -> tuple[Tensors, Rows | None]:
        inputs, references = tensors[: len(tensors) // 2], tensors[len(tensors) // 2 :]
        request = difference.Request(self.function, self.rules, None, "own", self.model, self.unknown)
        single = inputs[0] if len(inputs) == 1 else inputs
        of_all = difference.mean(difference.differences(request, single, references))
        sums = sums_against([of_all], request)
        results = {"score": of_all.rise, "relevance": of_all.structured(of_all.relevance)}
        return (results | {"numbers": sums.numbers}, sums.rows) if self.ledger else (results, None)


def request_of(
    function: Callable,
    rules: RuleSet | None,
    model: torch.nn.Module | None,
    unknown: str,
    *,
    ledger: bool,
    against: bool,
) -> Request:
    """Return a request after checks."""
    if not callable(function):
        raise RelevanceError(f"the function is a {type(function).__name__}, which can't be called")
    if model is not None and not isinstance(model, torch.nn.Module):
        raise RelevanceError(f"model={model!r} is not a module")
    rules = (SECANT if against else ATTN_LRP) if rules is None else rules
    if isinstance(rules, RuleSet) and rules.reads_reference and not against:
        raise RelevanceError(
            f"rule set {rules.name!r} reads a reference: pass examples of references, compile(..., references=...)"
        )
    return Request(function, rules, model, unknown, ledger, against)
