"""The ledger's totals: inputs and leaves sum to the score under CP-LRP, to rounding."""

import pytest
import torch
import torch.nn.functional as F

from lrp_domains import ATTN_LRP, CP_LRP, GRADIENT, ledger, relevance

from ..architectures import zoo
from .random_rows import rows


def test_the_ledger_has_the_relevance_that_relevance_returns():
    case = zoo.build("bert")
    account = ledger(*zoo.forward(case), rules=ATTN_LRP, model=case.model)
    for actual, expected in zip(account.relevance, relevance(*zoo.forward(case), rules=ATTN_LRP), strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-14)


def test_the_ledger_takes_several_inputs_and_a_start():
    x, y = rows(2, 3), rows(2, 3)
    weight = rows(3)
    score = ((x + y + weight) ** 2).sum(-1)
    account = ledger(score, (x, y), start=torch.tensor([1.0, 2.0], dtype=torch.float64))
    assert len(account.inputs) == len(account.relevance) == 2
    assert account.score == pytest.approx(3.0, rel=1e-12)
    assert account.balanced(1e-12)


def test_balanced_measures_against_the_largest_total():
    x = torch.ones(3, requires_grad=True)
    account = ledger((x * 2).sum(), x)
    assert account.balanced(0.0)
    assert not type(account)(1.0, (0.9,), {}, 0.1, (), "mine").balanced(0.09)
    assert type(account)(1.0, (0.9,), {}, 0.1, (), "mine").balanced(0.11)


def test_the_ledger_can_be_printed():
    case = zoo.build("bert")
    text = str(ledger(*zoo.forward(case), rules=CP_LRP, model=case.model))
    lines = text.splitlines()
    assert lines[0] == "ledger under CP-LRP"
    assert [line.split("  ")[0] for line in lines if not line.startswith(" ")][1:] == [
        "score",
        "inputs",
        "all leaves",
        "residue",
    ]
    assert sum(line.startswith("  ") for line in lines) == 9  # the eight largest, and the sum of the others
    assert any("position_embeddings" in line or "bias" in line for line in lines)


PLAIN = [
    "torch/mlp-relu", "torch/mlp-smooth", "torch/vgg", "torch/resnet18", "torch/transformer-gelu",
    "torch/transformer-relu-norm-first", "bert", "distilbert", "causal/gpt2", "t5", "image/vit",
]  # fmt: skip


@pytest.mark.parametrize("name", PLAIN)
def test_relevance_is_conserved_to_rounding_under_cp_lrp(name):
    case = zoo.build(name)
    account = ledger(*zoo.forward(case), rules=CP_LRP, model=case.model)
    gross = sum(r.abs().sum().item() for r in account.relevance) + sum(map(abs, account.leaves.values()))
    assert abs(account.residue) <= 1e-12 * max(abs(account.score), gross), account
    assert account.leaves
    assert not account.notes


def test_gradient_times_input_is_not_conserved_where_cp_lrp_is():
    """This shows that the test above can fail."""
    case = zoo.build("bert")
    assert not ledger(*zoo.forward(case), rules=GRADIENT, model=case.model).balanced(1e-3)


def test_relevance_is_conserved_in_a_lookup_with_gradients_scaled_by_frequency():
    table, x = rows(5, 4), rows(2, 4)
    y = x + F.embedding(torch.tensor([[0, 1, 2], [3, 0, 0]]), table, scale_grad_by_freq=True).sum(1)
    assert ledger(y.sum(), x).balanced(1e-12)


@pytest.mark.parametrize("f", [torch.pow, torch.maximum, torch.fmin, torch.hypot, torch.logaddexp, torch.atan2])
def test_relevance_is_conserved_in_functions_of_an_input_and_a_parameter(f):
    x, p = rows(5, 4), rows(4)
    account = ledger(f(x.abs() + 0.1, p.abs()).sum(), x, rules=CP_LRP)
    assert account.balanced(1e-10), account
