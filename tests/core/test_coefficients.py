"""The coefficients of a ledger: the g of ``relevance = x g``, also where the input or its relevance is 0."""

import math

import torch
import torch.nn.functional as F

from lrp_domains import CP_LRP, EPSILON, EPSILON_PLUS, compile, epsilon, flat, ledger, ledger_against

from .against import TIGHT, double, numbers

W, B, V = numbers(4, 3, seed=1), numbers(4, seed=2), numbers(4, seed=3)


def score(x):
    return torch.tanh(x @ W.T + B) @ V


def hidden(x: list) -> list:
    return [sum(xi * wi for xi, wi in zip(x, w, strict=True)) + b for w, b in zip(W.tolist(), B.tolist(), strict=True)]


def passed_back(quotients: list) -> list:
    """Return what the weights pass back to each of the three inputs, given the quotients of the four activations."""
    return [sum(V[j].item() * q * W[j, i].item() for j, q in enumerate(quotients)) for i in range(3)]


def test_coefficients_are_those_of_a_naive_formula():
    x = numbers(2, 3, seed=4)
    x[0, 1] = 0.0
    x.requires_grad_()
    account = ledger(score(x), x)
    expected = [passed_back([math.tanh(z) / z for z in hidden(row)]) for row in x.tolist()]
    torch.testing.assert_close(account.coefficients[0], double(expected), **TIGHT)
    assert torch.equal(account.relevance[0], x.detach() * account.coefficients[0])


def test_coefficients_of_the_epsilon_rule_are_those_of_a_naive_formula():
    x = numbers(2, 3, seed=5).requires_grad_()
    rules = EPSILON.for_nodes({"dense": epsilon(0.1)})
    (actual,) = ledger(torch.relu(F.linear(x, W, B))[:, 0], x, rules=rules).coefficients
    expected = []
    for row in x.tolist():
        z = hidden(row)[0]
        stabilised = z + math.copysign(0.1, z)
        expected.append([max(z, 0.0) / stabilised * w for w in W[0].tolist()])
    torch.testing.assert_close(actual, double(expected), **TIGHT)


def test_coefficients_against_references_are_the_mean_of_a_naive_formula():
    x, references = numbers(2, 3, seed=6), numbers(5, 2, 3, seed=7)
    references[:, 0, 1] = x[0, 1]  # this entry has no relevance, but a coefficient
    account = ledger_against(score, x, references)
    expected = torch.zeros(2, 3, dtype=torch.float64)
    for reference in references:
        for row, (ones, zeros) in enumerate(zip(x.tolist(), reference.tolist(), strict=True)):
            ends = zip(hidden(ones), hidden(zeros), strict=True)
            expected[row] += double(passed_back([(math.tanh(a) - math.tanh(b)) / (a - b) for a, b in ends])) / 5
    torch.testing.assert_close(account.coefficients[0], expected, **TIGHT)
    assert (account.relevance[0][0, 1] == 0) and expected[0, 1] != 0
    one = ledger_against(score, x, references[0])
    assert torch.equal(one.relevance[0], (x - references[0]) * one.coefficients[0])


def test_each_input_has_its_coefficient():
    x, y, unused = (numbers(3, seed=seed).requires_grad_() for seed in (8, 9, 10))
    account = ledger((x * y).sum() + 0 * unused.softmax(0).sum(), (x, y, unused), rules=CP_LRP)
    of_x, of_y, of_unused = account.coefficients
    torch.testing.assert_close(of_x, y.detach() / 2, **TIGHT)
    torch.testing.assert_close(of_y, x.detach() / 2, **TIGHT)
    assert torch.equal(of_unused, torch.zeros(3, dtype=torch.float64))


def test_a_complex_input_has_a_complex_coefficient():
    x = torch.complex(numbers(3, seed=11), numbers(3, seed=12)).requires_grad_()
    w = torch.complex(numbers(3, seed=13), numbers(3, seed=14))
    account = ledger((x * w).real.sum(), x)
    torch.testing.assert_close(account.coefficients[0], w, **TIGHT)
    torch.testing.assert_close(account.relevance[0], (x.detach() * w).real, **TIGHT)


def test_an_input_that_a_first_layer_rule_returns_relevance_for_has_no_coefficient():
    first, second = torch.nn.Linear(3, 4).double(), torch.nn.Linear(4, 1).double()
    x = numbers(2, 3, seed=15).requires_grad_()
    h = torch.relu(first(x))
    rules = EPSILON_PLUS.where({"0.weight": flat()})
    account = ledger(second(h).sum(), (x, h), rules=rules, model=torch.nn.Sequential(first, second))
    assert account.coefficients[0] is None and (account.relevance[0] != 0).any()
    torch.testing.assert_close(h.detach() * account.coefficients[1], account.relevance[1], **TIGHT)


def test_ledgers_of_recordings_have_no_coefficients():
    recorded = compile(score, numbers(2, 3, seed=16), ledger=True)
    _, _, account = recorded(numbers(2, 3, seed=17))
    assert account.coefficients == ()
