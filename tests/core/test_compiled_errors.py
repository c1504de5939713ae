"""What can't be compiled is said at once, in one clear message."""

import pytest
import torch
from torch import nn

from lrp_domains import (
    SECANT,
    LrpError,
    RelevanceError,
    UnknownOperation,
    compile,
    ledger,
    relevance,
)

from .compiled_calls import same, usual, warned


@pytest.fixture
def model():
    return nn.Sequential(nn.Linear(5, 6), nn.GELU(), nn.Linear(6, 3)).eval()


@pytest.fixture
def x():
    return torch.randn(4, 5)


ARGUMENTS = [
    ({"rules": "attn"}, "is not a rule set"),
    ({"rules": SECANT}, r"compile\(..., references=...\)"),
    ({"model": "bert"}, "is not a module"),
    ({"unknown": "warn"}, 'expected "error" or "gradient"'),
    ({"backend": "jit"}, "expected one of 'eager', 'inductor', 'cudagraphs'"),
    ({"backend": "cudagraphs"}, "needs all inputs on a GPU, not on cpu"),
    ({"shapes": 0}, "at least 1"),
    ({"shapes": None}, "at least 1"),
    ({"references": torch.zeros(1, 5)}, r"references\[0\] has shape \(1, 5\)"),
    ({"references": [torch.zeros(4, 5), torch.zeros(4, 5)]}, "as many references, got 1 and 2"),
    ({"references": 3}, r"references\[0\] is a int"),
]


@pytest.mark.parametrize(("options", "message"), ARGUMENTS, ids=str)
def test_arguments(model, x, options, message):
    with pytest.raises(RelevanceError, match=message):
        compile(lambda x: model(x)[:, 1], x, **options)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (3, "can't be called"),
        (lambda x: x.tolist(), "returned a list, not a tensor"),
        (lambda x: [x.sum(1)], "returned a list, not a tensor"),
        (lambda x: x.detach().sum(1), "no grad_fn"),
        (lambda x: x.sum(1)[:0], "empty"),
        (lambda x: x.sum(1) / 0, "not finite"),
    ],
)
def test_functions(x, function, message):
    with pytest.raises(RelevanceError, match=message):
        compile(function, x)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ([], "at least one"),
        (3, r"inputs\[0\] is a int, not a tensor"),
        (None, r"inputs\[0\] is a NoneType, not a tensor"),
        ({"x": torch.ones(4, 5)}, r"inputs\[0\] is a dict, not a tensor"),
        ([torch.ones(4, 5), 3], r"inputs\[1\] is a int, not a tensor"),
        (torch.ones(4, 5).to_sparse(), "is sparse"),
        (torch.full((4, 5), torch.nan), "not finite"),
        (torch.ones(4, 5, dtype=torch.int64), "token ids"),
    ],
)
def test_examples(inputs, message):
    weight = torch.ones(5, 3)
    with pytest.raises(RelevanceError, match=message):
        compile(lambda *x: (x[0].float() @ weight)[:, 1], inputs)


@pytest.mark.parametrize(
    ("inputs", "references", "message"),
    [
        ((), None, "expected 1 inputs, got 0"),
        ((torch.ones(4, 5), torch.ones(4, 5)), None, "expected 1 inputs, got 2"),
        (([1.0],), None, r"inputs\[0\] is a list"),
        ((torch.ones(4, 5),), torch.ones(4, 5), "pass examples of them to compile"),
        ((torch.full((4, 5), torch.inf),), None, "not finite"),
    ],
)
def test_calls(model, x, inputs, references, message):
    explain = compile(lambda x: model(x)[:, 1], x)
    with pytest.raises(RelevanceError, match=message):
        explain(*inputs, references=references)
    assert same(explain(x), usual(lambda x: model(x)[:, 1], x))


def test_a_call_without_its_references(model, x):
    explain = compile(lambda x: model(x)[:, 1], x, references=0 * x)
    with pytest.raises(RelevanceError, match="references= must be passed to every call"):
        explain(x)


def test_errors_of_the_function_are_its_own(model, x):
    def function(x):
        if x.detach().sum() > 0:
            raise ValueError("too large")
        return model(x)[:, 1]

    with pytest.raises(ValueError, match="too large"):
        compile(function, x.abs())
    explain = compile(function, -x.abs())
    with pytest.raises(ValueError, match="too large"):
        explain(x.abs())
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        explain(-torch.rand(4, 6))
    assert same(explain(-2 * x.abs()), usual(function, -2 * x.abs())) and explain.is_recorded(x)


def test_errors_of_relevance_are_the_same(x):
    def unknown(x):
        return torch.linalg.det(x[:, :4])[None] + x.sum()

    def of_log_probabilities(x):
        return x.log_softmax(-1)[:, 1]

    for function in (unknown, of_log_probabilities):
        leaf = x.clone().requires_grad_()
        with pytest.raises(LrpError) as expected:
            relevance(function(leaf), leaf)
        with pytest.raises(type(expected.value)) as actual:
            compile(function, x)
        assert str(actual.value) == str(expected.value)


def test_an_unknown_operation_may_keep_its_derivative(x):
    def function(x):
        return torch.linalg.det(x[:, :4])[None] + x.sum()

    with pytest.raises(UnknownOperation):
        compile(function, x)
    with pytest.warns(UserWarning, match="derivative"):
        explain = compile(function, x, unknown="gradient")
    for y in (x, 2 * x, 3 * x):
        result, messages = warned(explain, y)
        assert same(result, usual(function, y, unknown="gradient")) and not messages


def test_relevance_that_is_not_finite_is_refused_for_other_inputs(x):
    def function(x):
        return x.exp().sum(-1)

    explain = compile(function, x)
    large = torch.full((4, 5), 100.0)
    with pytest.raises(RelevanceError) as expected:
        leaf = large.clone().requires_grad_()
        relevance(function(leaf), leaf)
    with pytest.raises(RelevanceError) as actual:
        explain(large)
    assert str(actual.value) == str(expected.value)
    assert same(explain(x), usual(function, x))


def test_out_of_range_indices_raise_as_usual():
    table = nn.Embedding(10, 4)

    def function(ids):
        e = table(ids)
        return e.sum((1, 2)), e

    ids = torch.randint(10, (2, 3))
    explain = compile(function, ids)
    with pytest.raises(IndexError):
        explain(ids + 10)
    assert same(explain(ids), usual(function, ids))


def test_an_empty_batch_is_refused_as_usual(model, x):
    explain = compile(lambda x: model(x)[:, 1], x)
    with pytest.raises(RelevanceError, match="empty"):
        explain(x[:0])


def test_it_says_what_it_is(model, x):
    explain = compile(lambda x: model(x)[:, 1], x)
    explain(x[:2])
    assert repr(explain) == "Compiled(AttnLRP, backend 'eager', 2 shapes recorded)"


def test_a_ledger_that_was_not_asked_for_is_not_returned(model, x):
    assert len(compile(lambda x: model(x)[:, 1], x)(x)) == 2
    score, r, account = compile(lambda x: model(x)[:, 1], x, ledger=True)(x)
    leaf = x.clone().requires_grad_()
    assert account.residue == ledger(model(leaf)[:, 1], leaf).residue and score.shape == (4,) and r.shape == x.shape
