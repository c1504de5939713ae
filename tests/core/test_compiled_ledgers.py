"""Compiled ledgers and relevance against references are equal to the usual ones to the last bit."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lrp_domains import (
    ATTN_LRP,
    CP_LRP,
    EPSILON,
    SECANT_HALF,
    RelevanceError,
    compile,
    ledger,
    ledger_against,
    relevance_against,
)

from .compiled_calls import recordings, warned
from .plain_models import Convolutional, Encoder


def same_ledgers(a, b) -> bool:
    of_a, of_b = (replace(account, relevance=(), coefficients=()) for account in (a, b))
    return of_a == of_b and all(map(torch.equal, a.relevance, b.relevance))


def usual(function, x, **options):
    leaf = x.clone().requires_grad_()
    return ledger(function(leaf), leaf, **options)


@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP, EPSILON], ids=str)
@pytest.mark.parametrize("kind", [Encoder, Convolutional])
@pytest.mark.parametrize("named", [True, False], ids=["model", "no model"])
def test_ledgers(kind, rules, named):
    model = kind().eval()

    def function(x):
        return model(x)[:, 1]

    options = {"rules": rules, "model": model if named else None}
    inputs = torch.randn(3, 2, 5, 8)
    explain, messages = warned(lambda: compile(function, inputs[0], ledger=True, **options))
    for x in (*inputs, *inputs):
        score, r, account = explain(x)
        assert same_ledgers(account, usual(function, x, **options))
        assert torch.equal(score, function(x)) and r is account.relevance[0]
    assert not messages


def test_notes_depend_on_the_numbers():
    """Where a closed branch is zero, its row and its note disappear."""
    signal, gate = nn.Linear(5, 5, bias=False), nn.Linear(5, 5, bias=False)

    def function(x):
        return (signal(x) + F.softplus(gate(x)).detach() * 0 + torch.sigmoid(gate(x)) ** 0 * x.abs().detach()).sum(-1)

    x = torch.randn(4, 5)
    explain = compile(function, x, ledger=True, unknown="gradient")
    for y in (x, -x, 0 * x + 1e-3):
        assert same_ledgers(explain(y)[2], usual(function, y, unknown="gradient"))


@pytest.mark.parametrize(("rules", "count"), [(None, 1), (None, 2), (SECANT_HALF, 1), (CP_LRP, 1)], ids=str)
def test_references(rules, count):
    model = Encoder().eval()

    def function(x):
        return model(x)[:, 1]

    options = {} if rules is None else {"rules": rules}
    inputs = torch.randn(3, 2, 5, 8)
    references = torch.randn((3, count, 2, 5, 8) if count > 1 else (3, 2, 5, 8))
    explain = compile(function, inputs[0], references=references[0], ledger=True, rules=rules, model=model)
    for x, b in [*zip(inputs, references, strict=True), (inputs[0], references[2])]:
        (score, r, account), messages = warned(lambda x, b: explain(x, references=b), x, b)
        assert not messages
        assert torch.equal(r, relevance_against(function, x, b, model=model, **options))
        assert same_ledgers(account, ledger_against(function, x, b, model=model, **options))
        expected = function(x) - (function(b) if count == 1 else torch.stack(list(map(function, b))).mean(0))
        torch.testing.assert_close(score, expected.detach())


def test_references_of_several_inputs_and_of_what_is_captured():
    first, second = nn.Linear(5, 6), nn.Linear(4, 6)

    def function(x, y):
        h = F.gelu(first(x))
        return (h * second(y)).sum(-1), {"h": h, "y": y}

    inputs = [(torch.randn(3, 5), torch.randn(3, 4)) for _ in range(3)]
    references = (torch.zeros(3, 5), torch.ones(3, 4))
    explain = compile(function, inputs[0], references=references)
    for tensors in inputs:
        _, r = explain(*tensors, references=references)
        expected = relevance_against(function, tensors, references)
        assert list(r) == ["h", "y"] and all(torch.equal(r[name], expected[name]) for name in r)
    assert recordings(explain) == 1


def test_an_input_equal_to_its_reference():
    """Where an entry doesn't differ, a secant is a derivative."""
    model, x = Encoder().eval(), torch.randn(2, 5, 8)
    explain = compile(lambda x: model(x)[:, 1], x, references=torch.randn(2, 5, 8))
    partly = x.clone()
    partly[:, 2:] += 1
    for b in (partly, x):
        _, r = explain(x, references=b)
        assert torch.equal(r, relevance_against(lambda x: model(x)[:, 1], x, b))


def test_rule_sets_and_references_must_fit():
    x = torch.randn(4, 5)
    with pytest.raises(RelevanceError, match="layer rules"):
        compile(lambda x: F.linear(x, torch.ones(3, 5)).relu()[:, 1], x, references=0 * x, rules=EPSILON)
