"""Models of timm, torchvision and diffusers: relevance is conserved, rows are independent, models left unchanged."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from lrp_domains import ATTN_LRP, CP_LRP, EPSILON, RelevanceError, RuleSet, relevance

from .known_exceptions import BUFFERS, FLOAT32_INSIDE, NOT_CONSERVED, REFUSED, REFUSED_UNDER_EPSILON
from .models import NAMES, Case, build, forward
from .properties import CLOSE, CLOSE_IN_FLOAT32, account_of, difference, floating, imbalance, is_explained, row, traces

pytestmark = pytest.mark.slow
EXPLAINED = [name for name in NAMES if name not in REFUSED]


class Run(NamedTuple):
    """A case and the scores of its rows."""

    case: Case
    scores: Tensor

    @property
    def inputs(self) -> list[Tensor]:
        return floating(self.case.inputs)

    @property
    def close(self) -> float:
        return CLOSE_IN_FLOAT32 if self.case.name in FLOAT32_INSIDE else CLOSE

    def explain(self, rules: RuleSet) -> tuple[Tensor, ...]:
        return relevance(self.scores.sum(), self.inputs, rules=rules, model=self.case.model, retain_graph=True)


def run_of(name: str) -> Run:
    case = build(name)
    return Run(case, forward(case.model, case.inputs))


@pytest.fixture(scope="module", params=EXPLAINED)
def run(request: pytest.FixtureRequest) -> Run:
    """The forward pass of a model, shared among its tests."""
    return run_of(request.param)


def test_relevance_is_conserved(run: Run) -> None:
    account = account_of(run.scores, run.inputs, run.case.model)
    assert not any("closed" in name for name in account.leaves)
    assert (imbalance(account) < run.close) == (run.case.name not in NOT_CONSERVED), account


@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP], ids=str)
def test_a_row_alone_has_the_same_relevance(run: Run, rules: RuleSet) -> None:
    of_batch = run.explain(rules)
    assert is_explained(of_batch, run.inputs)
    for number in range(len(run.scores)):
        alone = row(run.case.inputs, number)
        score = forward(run.case.model, alone)
        of_alone = relevance(score.sum(), floating(alone), rules=rules, model=run.case.model)
        assert difference(of_alone, [r[number : number + 1] for r in of_batch]) < run.close


def test_a_layer_rule_is_refused_only_where_a_part_of_a_layer_is_hidden(run: Run) -> None:
    if run.case.name in REFUSED_UNDER_EPSILON:
        with pytest.raises(RelevanceError, match="a layer rule needs"):
            run.explain(EPSILON)
    else:
        assert is_explained(run.explain(EPSILON), run.inputs)


def test_the_model_is_left_unchanged(run: Run) -> None:
    before = traces(run.case.model)
    gradients = [x.grad for x in run.inputs]
    run.explain(ATTN_LRP)
    assert traces(run.case.model) == before
    assert [x.grad for x in run.inputs] == gradients
    assert torch.equal(forward(run.case.model, run.case.inputs), run.scores)


@pytest.mark.parametrize("name", [name for name in NAMES if name in REFUSED])
def test_a_hidden_change_in_place_is_refused(name: str) -> None:
    with pytest.raises(RelevanceError, match="CopySlices"):
        run_of(name).explain(CP_LRP)


@pytest.mark.parametrize("name", BUFFERS)
def test_relevance_is_conserved_once_a_buffer_is_an_input(name: str) -> None:
    case = build(name)
    buffer = case.model.get_buffer(BUFFERS[name]).requires_grad_()
    scores = forward(case.model, case.inputs)
    assert imbalance(account_of(scores, [*floating(case.inputs), buffer], case.model)) < CLOSE
