"""Every architecture of the zoo is explained unmodified, without unknown operations, and conserves relevance."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lrp_domains import ATTN_LRP, CP_LRP, RelevanceError, RuleSet, relevance

from .conservation import TOLERANCES, incompleteness, outcome, precision
from .known_exceptions import NO_GRADIENT, NOT_BUILDABLE, NOT_COMPLETE, NOT_CONSERVED, NOT_PADDED, UNKNOWN
from .zoo import architectures, build, forward, sequence_classifiers

BUILT = [name for name in architectures() if name not in NOT_BUILDABLE]
EXPLAINED = [name for name in BUILT if name not in NO_GRADIENT | UNKNOWN]


def traces(model: nn.Module) -> dict[str, object]:
    """Return everything that an explanation could leave on a model."""
    hooks = {name: (len(m._forward_hooks), len(m._backward_hooks)) for name, m in model.named_modules()}
    gradients = {name: parameter.grad for name, parameter in model.named_parameters()}
    attributes = {name: sorted(vars(module)) for name, module in model.named_modules()}
    return {"hooks": hooks, "gradients": gradients, "attributes": attributes}


@pytest.mark.parametrize("name", BUILT)
def test_it_is_tiny_and_its_score_depends_on_its_inputs(name: str) -> None:
    case = build(name)
    assert sum(parameter.numel() for parameter in case.model.parameters()) < 200_000
    run = forward(case)
    assert run.score.isfinite() and run.inputs
    if name not in NO_GRADIENT:
        for gradient in torch.autograd.grad(run.score, run.inputs):
            assert gradient.isfinite().all() and gradient.abs().max() > 0


@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP], ids=str)
@pytest.mark.parametrize("name", EXPLAINED)
def test_it_is_explained_and_left_unchanged(name: str, rules: RuleSet) -> None:
    case = build(name)
    run = forward(case)
    before = traces(case.model)
    for r, x in zip(relevance(run.score, run.inputs, rules=rules, model=case.model), run.inputs, strict=True):
        assert r.shape == x.shape and r.dtype == x.dtype
        assert r.isfinite().all() and r.abs().max() > 0
    assert traces(case.model) == before
    assert torch.equal(forward(case).score, run.score)


@pytest.mark.parametrize("padded", [False, True], ids=["full", "padded"])
@pytest.mark.parametrize("name", EXPLAINED)
def test_relevance_is_conserved(name: str, padded: bool) -> None:
    if padded and name in NOT_PADDED:
        pytest.skip(NOT_PADDED[name])
    result = outcome(name, padded=padded)
    assert not result.refused and not result.closed
    assert result.conserved == (name not in NOT_CONSERVED), f"imbalance {result.imbalance:.1e}"


@pytest.mark.parametrize("attention", ["default", "eager"])
@pytest.mark.parametrize("name", [name for name in EXPLAINED if name not in NOT_COMPLETE])
def test_relevance_against_a_reference_is_complete(name: str, attention: str) -> None:
    case = build(name)
    if attention == "eager":
        if not hasattr(case.model, "set_attn_implementation"):
            pytest.skip("it has one attention")
        case.model.set_attn_implementation("eager")
    kind = precision(case, forward(case))
    missing = incompleteness(name, attention=None if attention == "default" else attention)
    assert missing <= TOLERANCES[kind], f"{missing:.1e} is missing"


@pytest.mark.parametrize("name", NOT_COMPLETE)
def test_a_reference_that_takes_other_experts_is_refused(name: str) -> None:
    with pytest.raises(RelevanceError, match="for the references than for the inputs"):
        incompleteness(name)


@pytest.mark.slow
def test_at_least_115_sequence_classifiers_conserve_relevance() -> None:
    runnable = [name for name in sequence_classifiers() if name in EXPLAINED]
    assert sum(outcome(name).conserved for name in runnable) >= 115
