"""Is the relevance of a function the same, however it is written? One check per form, context and rule set."""

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
FORWARD = {"rtol": 1e-9, "atol": 1e-10}


@dataclass(frozen=True)
class Context:
    """Where a form stands: ``put`` makes of it a function of ``inputs``, whose relevance is compared."""

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
    """What became of one form in one context under one rule set, compared with the reference.

    ``size`` is the largest difference over the reference's largest relevance; ``cosine`` is that of the two.
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
        return self.outcome in (SAME, BOTH_REFUSED)


@dataclass(frozen=True)
class Explained:
    """The output of a form in a context, and per rule set its relevance, or the error, and the warnings."""

    output: Tensor
    relevance: dict[str, Tensor | Exception]
    warnings: dict[str, str]


def compare(kind: Kind, every: int = 1) -> Iterator[Check]:
    """Check each form in each context, or one of ``every``, chosen by its place."""
    place = 0
    for family, forms in kind.families.items():
        reference = next(iter(forms))
        for name, context in kind.contexts.items():
            expected = None
            for form, f in forms.items():
                place += 1
                if place % every:
                    continue
                with float64():
                    expected = expected or explain(forms[reference], context, kind.rules)
                    found = expected if form == reference else explain(f, context, kind.rules)
                torch.testing.assert_close(
                    found.output,
                    expected.output,
                    **FORWARD,
                    msg=lambda text, at=(family, form, name): f"{at}: not the same function. {text}",
                )
                for rules in kind.rules:
                    outcome = judge(found.relevance[rules], expected.relevance[rules], found.warnings[rules])
                    yield Check(family, name, rules, form, *outcome)


def explain(f: Function, context: Context, rule_sets: Mapping[str, RuleSet]) -> Explained:
    inputs = tuple(x.detach().clone().requires_grad_() for x in context.inputs)
    output = context.put(f)(*inputs)
    score = (output * torch.linspace(0.5, 1.5, output.numel()).view_as(output)).sum()
    found, told = {}, {}
    for name, rules in rule_sets.items():
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                parts = relevance(score, inputs, rules=rules, retain_graph=True)
                found[name] = torch.cat([part.flatten() for part in parts])
            except Exception as error:  # a crash is an outcome too: the other forms are still compared
                found[name] = error
        told[name] = "; ".join(str(warning.message) for warning in caught)
    return Explained(output.detach(), found, told)


def judge(found: Tensor | Exception, expected: Tensor | Exception, warned: str) -> tuple[str, float, float, str]:
    """The outcome, the size of the difference, the cosine, and the message of the error or warning."""
    for result in (found, expected):
        if isinstance(result, Exception) and not isinstance(result, RelevanceError):
            return CRASHED, float("nan"), float("nan"), f"{type(result).__name__}: {result}"
    if isinstance(found, Exception):
        outcome = BOTH_REFUSED if isinstance(expected, Exception) else REFUSED
        return outcome, float("nan"), float("nan"), str(found)
    if isinstance(expected, Exception):
        return ONLY_THE_REFERENCE, float("nan"), float("nan"), str(expected)
    size = ((found - expected).abs().max() / expected.abs().max().clamp_min(1e-300)).item()
    cosine = torch.nn.functional.cosine_similarity(found, expected, dim=0, eps=1e-300).item()
    return SAME if size < CLOSE else DIFFERS, size, cosine, warned
