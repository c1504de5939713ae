"""Compare compiled explanations with the usual ones, to the last bit."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lrp_domains import ATTN_LRP, Compiled, RuleSet, relevance

Result = tuple[Tensor, Tensor | tuple[Tensor, ...] | dict[str, Tensor]]


def usual(function: Callable, *inputs: Tensor, rules: RuleSet = ATTN_LRP, **options) -> Result:
    """Return the scores and the relevance by the usual pass."""
    leaves = [x.detach().clone().requires_grad_(x.is_floating_point() or x.is_complex()) for x in inputs]
    result = function(*leaves)
    scores, explained = result if isinstance(result, tuple) else (result, leaves if len(leaves) > 1 else leaves[0])
    if isinstance(explained, Tensor | list | tuple):
        return scores.detach(), relevance(scores, explained, rules=rules, **options)
    of_each = relevance(scores, list(explained.values()), rules=rules, **options)
    return scores.detach(), dict(zip(explained, of_each, strict=True))


def same(a: Result, b: Result) -> bool:
    """Return whether scores, relevance and structure are equal, to the last bit."""
    return type(a) is type(b) and torch.equal(a[0], b[0]) and _equal(a[1], b[1])


def _equal(a: Tensor | Sequence[Tensor] | dict[str, Tensor], b: Tensor | Sequence[Tensor] | dict[str, Tensor]) -> bool:
    if isinstance(a, dict):
        return list(a) == list(b) and all(_equal(a[name], b[name]) for name in a)
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(torch.equal, a, b))
    return a.dtype == b.dtype and torch.equal(a, b)


def recordings(explain: Compiled) -> int:
    """Return the number of recordings for all shapes."""
    return sum(len(variants._recordings) for variants in explain._recorded._variants.values())


def warned(call: Callable, *args) -> tuple[object, list[str]]:
    """Return a result, and the warnings that an explanation can't be compiled."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        result = call(*args)
    return result, [str(warning.message) for warning in caught if "can't be compiled" in str(warning.message)]
