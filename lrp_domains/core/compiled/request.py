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
        if explained is leaves:
            check_explainable(inputs)
            explained = leaves[0] if len(leaves) == 1 else leaves

        rows, options = None, {"rules": self.rules, "model": self.model, "unknown": self.unknown}
        results: Tensors = {"score": scores.detach()}
        if self.ledger:
            rows, results["numbers"], of_each = sums_of(scores, tensors_of(explained), **options)
        else:
            of_each = relevance(scores, tensors_of(explained), **options)
        return results | {"relevance": structured(explained, of_each)}, rows

    def _against(self, *tensors: Tensor) -> tuple[Tensors, Rows | None]:
        inputs, references = tensors[: len(tensors) // 2], tensors[len(tensors) // 2 :]
        request = difference.Request(self.function, self.rules, None, "own", self.model, self.unknown)
        runs = list(difference.differences(request, inputs[0] if len(inputs) == 1 else inputs, references))
        rows, numbers, of_each = sums_against(runs, self.rules, "own")
        results = {"score": sum(run.rise for run in runs) / len(runs), "relevance": runs[0].structured(of_each)}
        return (results | {"numbers": numbers}, rows) if self.ledger else (results, None)


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
    return Request(function, rules or (SECANT if against else ATTN_LRP), model, unknown, ledger, against)
