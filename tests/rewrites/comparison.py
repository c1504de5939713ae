"""Comparison of the relevance of a function's forms with a reference: one check per form, context and rule set."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from lrp_domains import RelevanceError, RuleSet, relevance

from .tensors import float64

Function = Callable[..., Tensor]
SAME, DIFFERS, REFUSED, CRASHED = "same", "differs", "refused", "crashed"
BOTH_REFUSED, ONLY_THE_REFERENCE = "both refused", "only the reference is refused"
CLOSE = 1e-8  # of the largest relevance
NOTHING = 1e-12  # relevance that is 0 but for rounding: inputs and weights are of size 1
FORWARD = {"rtol": 1e-9, "atol": 1e-10}


@dataclass(frozen=True)
class Context:
    """The network around a form: ``put`` builds a function of ``inputs`` from it, whose relevance is compared."""

    put: Callable[[Function], Function]
    inputs: tuple[Tensor, ...]


@dataclass(frozen=True)
class Kind:
    """Families of forms, the contexts each form is put in, and the rule sets it is explained under.

    A family maps the name of each form to the function; its first form is the reference.
    """

    families: Mapping[str, Mapping[str, Function]]
    contexts: Mapping[str, Context]
    rules: Mapping[str, RuleSet]


@dataclass(frozen=True)
class Check:
    """The result for one form in one context under one rule set, compared with the reference.

    ``size`` is the largest difference over the reference's largest relevance; ``cosine`` is the cosine of the two.
    """

    family: str
    context: str
    rules: str
    form: str
    outcome: str
    size: float = 0.0
    cosine: float = 1.0
    message: str = ""

    @property
    def holds(self) -> bool:
        """Whether the form agrees with the reference."""
        return self.outcome in (SAME, BOTH_REFUSED)


@dataclass(frozen=True)
class Explained:
    """The output of a form in a context and, per rule set, its relevance or the error, and the warnings."""

    output: Tensor
    relevance: dict[str, Tensor | Exception]
    warnings: dict[str, str]


def compare(kind: Kind, every: int = 1) -> Iterator[Check]:
    """Check each form in each context, or one in ``every``."""
    number = 0
    for family, forms in kind.families.items():
        reference = next(iter(forms))
        for name, context in kind.contexts.items():
            expected = None
            for form, f in forms.items():
                number += 1
                if number % every:
                    continue

                with float64():
                    expected = expected or explain(forms[reference], context, kind.rules)
                    actual = expected if form == reference else explain(f, context, kind.rules)
                torch.testing.assert_close(
                    actual.output,
                    expected.output,
                    **FORWARD,
                    msg=lambda text, at=(family, form, name): f"{at}: not the same function. {text}",
                )

                for rules in kind.rules:
                    outcome = judge(actual.relevance[rules], expected.relevance[rules], actual.warnings[rules])
                    yield Check(family, name, rules, form, *outcome)


def explain(f: Function, context: Context, rule_sets: Mapping[str, RuleSet]) -> Explained:
    inputs = tuple(x.detach().clone().requires_grad_() for x in context.inputs)
    output = context.put(f)(*inputs)
    score = (output * torch.linspace(0.5, 1.5, output.numel()).view_as(output)).sum()

    results, messages = {}, {}
    for name, rules in rule_sets.items():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                parts = relevance(score, inputs, rules=rules, retain_graph=True)
                results[name] = torch.cat([part.flatten() for part in parts])
            except Exception as error:  # a crash is an outcome too, and the other forms are still compared
                results[name] = error
        messages[name] = "; ".join(str(warning.message) for warning in caught)
    return Explained(output.detach(), results, messages)


def judge(actual: Tensor | Exception, expected: Tensor | Exception, warned: str) -> tuple[str, float, float, str]:
    """Return the outcome, the size of the difference, the cosine, and the message of the error or warning."""
    for result in (actual, expected):
        if isinstance(result, Exception) and not isinstance(result, RelevanceError):
            return CRASHED, float("nan"), float("nan"), f"{type(result).__name__}: {result}"
    if isinstance(actual, Exception):
        outcome = BOTH_REFUSED if isinstance(expected, Exception) else REFUSED
        return outcome, float("nan"), float("nan"), str(actual)
    if isinstance(expected, Exception):
        return ONLY_THE_REFERENCE, float("nan"), float("nan"), str(expected)

    if max(actual.abs().max(), expected.abs().max()) < NOTHING:
        return SAME, 0.0, 1.0, warned
    size = ((actual - expected).abs().max() / expected.abs().max().clamp_min(1e-300)).item()
    cosine = torch.nn.functional.cosine_similarity(actual, expected, dim=0, eps=1e-300).item()
    return SAME if size < CLOSE else DIFFERS, size, cosine, warned
