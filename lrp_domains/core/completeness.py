"""Whether relevance against a reference is complete for each sample, and the reason if it isn't."""

from __future__ import annotations

from collections.abc import Callable

import torch

from .checks import coarsest
from .errors import RelevanceError
from .rules.rulesets import RuleSet
from .secants.rulesets import SECANT
from .warn import warn

Tensor = torch.Tensor
Tensors = tuple[Tensor, ...]


def check_complete(
    function: Callable, inputs: Tensors, references: Tensors, scores: tuple[Tensor, Tensor], relevance: Tensors
) -> None:
    """Warn if a sample's relevance doesn't sum to the difference of its scores; raise if the function is the cause.

    Rows that mix and random numbers show up here: neither passes the difference of a sample on to its own input. To
    tell the reason, the function is called again only if something is missing.
    """
    n, rise = len(scores[0]), scores[0] - scores[1]
    rows = [r.double().reshape(n, -1) for r in relevance]
    totals, rises = sum(r.sum(1) for r in rows), rise.double().reshape(n, -1).sum(1)
    scale = sum(score.double().abs().reshape(n, -1).sum(1) for score in scores) + sum(r.abs().sum(1) for r in rows)
    half_of_digits = coarsest(scores[0]) ** 0.5
    if bool(((totals - rises).abs() <= half_of_digits * scale).all()):
        return

    # Every second sample of the inputs, the others of the references: each must keep its score.
    is_input = torch.arange(n, device=rise.device) % 2 == 0

    def mixed(x: Tensor, b: Tensor) -> Tensor:
        return torch.where(is_input.view(-1, *[1] * (x.ndim - 1)), x.detach(), b.detach())

    repeated = [x.detach() for x in inputs], scores[0], "draws at random: two calls on the same inputs differ"
    swapped = (
        [mixed(x, b) for x, b in zip(inputs, references, strict=True)],
        mixed(*scores),
        "mixes samples: the score of a sample depends on the others of its batch",
    )
    for arguments, expected, why in (repeated, swapped):
        with torch.no_grad():
            result = function(*arguments)
        again = result[0] if isinstance(result, tuple) else result
        if not torch.allclose(again, expected.detach(), rtol=half_of_digits, atol=half_of_digits):
            raise RelevanceError(f"the function {why}. Call model.eval() first, or explain the samples one by one")

    missing = ((totals - rises).abs().sum() / rises.abs().sum().clamp_min(1e-30)).item()
    (reason,) = notes_on_residue(SECANT)
    warn(f"{missing:.1%} of the difference of the scores is not accounted for: {reason}")


def notes_on_residue(rules: RuleSet) -> tuple[str, ...]:
    """Return what the residue of a ledger against a reference may contain."""
    if rules.name != SECANT.name:
        return (f"only SECANT is complete; {rules.name} isn't",)
    return (
        "something outside of the graph differs between input and reference (a detached tensor, a mask, a step; a "
        "choice of experts can be held, selections='held'), or an operation has no exact secant (sampling positions, "
        "solvers)",
    )
