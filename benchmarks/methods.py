"""The methods that are timed on a subject."""

from __future__ import annotations

from collections.abc import Callable

import torch

from lrp_domains import ATTN_LRP, CP_LRP, RuleSet, relevance, relevance_against

from .subjects import Subject


def predict(subject: Subject) -> None:
    with torch.no_grad():
        subject.predict()


def gradient(subject: Subject) -> None:
    score, x = subject.forward()
    (g,) = torch.autograd.grad(score.sum(), x)
    _ = x.detach() * g


def _lrp(rules: RuleSet) -> Callable[[Subject], None]:
    def run(subject: Subject) -> None:
        score, x = subject.forward()
        relevance(score, x, rules=rules)

    return run


def secant(subject: Subject) -> None:
    """Explain the difference from a reference, here from zeros."""
    x = subject.explained
    relevance_against(subject.from_input, x, torch.zeros_like(x))


def integrated_gradients(subject: Subject) -> None:
    """Run Captum's method with 50 steps, in batches of the size that the other methods use."""
    from captum.attr import IntegratedGradients

    x = subject.explained
    IntegratedGradients(subject.from_input).attribute(x, n_steps=50, internal_batch_size=len(x))


METHODS: dict[str, Callable[[Subject], None]] = {
    "prediction": predict,
    "gradient x input": gradient,
    "AttnLRP": _lrp(ATTN_LRP),
    "CP-LRP": _lrp(CP_LRP),
    "integrated gradients, 50 steps": integrated_gradients,
}
