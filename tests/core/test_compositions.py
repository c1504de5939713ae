"""Compositions of elementwise functions, in whatever operations: the relevance of the input u is F(u) - F(0)."""

import pytest
import torch
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from lrp_domains import ATTN_LRP, CP_LRP, RelevanceError, ledger, relevance

# Functions written by hand, and F(u) - F(0) in closed form.
WRITTEN = {
    "sigmoid": (lambda x: 1 / (1 + torch.exp(-x)), lambda x: torch.tanh(x / 2) / 2),
    "sigmoid, by exp": (lambda x: x.exp() / (1 + x.exp()), lambda x: torch.tanh(x / 2) / 2),
    "tanh": (lambda x: 1 - 2 / (1 + torch.exp(2 * x)), torch.tanh),
    "tanh, by exps": (lambda x: (x.exp() - (-x).exp()) / (x.exp() + (-x).exp()), torch.tanh),
    "softplus": (lambda x: torch.log1p(x.exp()), lambda x: F.softplus(x) - F.softplus(torch.zeros_like(x))),
    "softplus, by log": (lambda x: torch.log(1 + x.exp()), lambda x: F.softplus(x) - F.softplus(torch.zeros_like(x))),
    "swish of a shift": (lambda x: (x + 1) * torch.sigmoid(x), lambda x: (x + 1) * torch.sigmoid(x) - 0.5),
    "a rational function": (lambda x: (x + 1) / (x * x + 1), lambda x: (x + 1) / (x * x + 1) - 1),
    "a rational function, of two shifts": (
        lambda x: (x + 1) / (x.abs() + 20),
        lambda x: (x + 1) / (x.abs() + 20) - 0.05,
    ),
    "a hard sigmoid": (lambda x: F.relu6(x + 3) / 6, lambda x: F.hardsigmoid(x) - 0.5),
    "logsumexp beside 0": (
        lambda x: torch.logsumexp(torch.stack([x, torch.zeros_like(x)]), 0),
        lambda x: F.softplus(x) - F.softplus(torch.zeros_like(x)),
    ),
    "softmax beside 0": (
        lambda x: torch.softmax(torch.stack([torch.zeros_like(x), x], -1), -1)[..., 1],
        lambda x: torch.tanh(x / 2) / 2,
    ),
    "a length beside 1": (
        lambda x: torch.linalg.vector_norm(torch.stack([x, torch.ones_like(x)]), dim=0),
        lambda x: torch.sqrt(x * x + 1) - 1,
    ),
    "hypot": (lambda x: torch.hypot(x, torch.ones_like(x)), lambda x: torch.sqrt(x * x + 1) - 1),
    "a complex number's": (lambda x: torch.complex(x, torch.ones_like(x)).abs(), lambda x: torch.sqrt(x * x + 1) - 1),
}


@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP], ids=str)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("name", WRITTEN)
def test_the_input_of_a_composition_gets_the_rise_from_zero(name, dtype, rules):
    """This includes entries where an exp has overflowed, as long as another entry shows which number was added."""
    written, rise = WRITTEN[name]
    # A softmax that has rounded to 0 has lost its constants.
    large = [-20.0, 20.0] if name in ("tanh, by exps", "softmax beside 0") else [-100.0, -20.0, 20.0, 80.0]
    x = torch.tensor([-3.0, -0.4, 0.0, 0.7, 2.0, *large], dtype=dtype, requires_grad=True)
    tight = {"rtol": 1e-9, "atol": 1e-11} if dtype == torch.float64 else {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(relevance(written(x).sum(), x, rules=rules), rise(x.detach()), **tight)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_an_added_number_that_is_lost_in_rounding_is_refused(dtype):
    x = torch.tensor([-40.0], dtype=dtype, requires_grad=True)
    with pytest.raises(RelevanceError, match=r"AddBackward0 adds a number.*explain the function in float64"):
        relevance((1 / (1 + torch.exp(-x))).sum(), x)


def test_long_compositions_are_refused():
    x = torch.randn(3, dtype=torch.float64, requires_grad=True)
    y = x
    for _ in range(60):
        y = torch.sigmoid(y)
    assert relevance(y.sum(), x).isfinite().all()
    for _ in range(500):
        y = torch.sigmoid(y)
    with pytest.raises(RelevanceError, match="more than 100 elementwise operations"):
        relevance(y.sum(), x)


# The last sum of the tanh adds a number that no rule reads.
@pytest.mark.parametrize("name", sorted(WRITTEN.keys() - {"tanh"}))
def test_the_ledger_accounts_for_the_numbers_of_a_composition(name):
    written, _ = WRITTEN[name]
    x = torch.tensor([-3.0, -0.4, 0.7, 2.0], dtype=torch.float64, requires_grad=True)
    account = ledger((written(x) * torch.tensor([1.0, 2.0, -3.0, 4.0], dtype=torch.float64)).sum(), x, rules=CP_LRP)
    assert account.balanced(1e-9), account


CHECKPOINTED = {
    "a composition": lambda a, b: 1 / (1 + torch.exp(-a)) * b.exp(),
    "a nested product": lambda a, b: (a * b) * torch.sigmoid(a),
    "a hypotenuse": lambda a, b: torch.hypot(a, b.detach()),
    "a softmax written out": lambda a, b: (lambda e: (e @ b) / e.sum(-1, keepdim=True))((a @ b.mT).exp()),
    "a softmax of constants": lambda a, b: (lambda e: (e @ b.detach()) / e.sum(-1, keepdim=True))((a @ b.mT).exp()) * a,
    "a constant matrix": lambda a, b: (torch.sigmoid(a) @ b.detach().mT @ b) * a,
    "a product along a stack": lambda a, b: torch.stack([a, torch.sigmoid(a), b]).prod(0),
}


@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP], ids=str)
@pytest.mark.parametrize("name", CHECKPOINTED)
def test_a_checkpoint_does_not_change_the_relevance_of_a_composition(name, rules):
    f = CHECKPOINTED[name]
    a, b = (torch.randn(3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    expected = relevance(f(a, b).sum(), a, rules=rules)
    actual = relevance(checkpoint(f, a, b, use_reentrant=False).sum(), a, rules=rules)
    torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-14)
    with torch.autograd.graph.save_on_cpu():
        y = f(a, b).sum()
    torch.testing.assert_close(relevance(y, a, rules=rules), expected, rtol=1e-12, atol=1e-14)
