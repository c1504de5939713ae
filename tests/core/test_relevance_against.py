"""The arguments, results and errors of `relevance_against` and `ledger_against`; what they leave unchanged."""

import gc
import weakref

import pytest
import torch
import torch.nn.functional as F

from lrp_domains import (
    ATTN_LRP,
    EPSILON,
    GRADIENT,
    SECANT,
    SECANT_HALF,
    RelevanceError,
    UnknownOperation,
    capture,
    constant,
    draw_references,
    gradient,
    ledger_against,
    relevance,
    relevance_against,
)

from .against import TIGHT, assert_complete, double, numbers
from .plain_models import model_and_inputs


def score(x):
    return (x.exp() * x.flip(1)).sum(1)


@pytest.fixture
def sides():
    return numbers(3, 4), numbers(3, 4)


# ---- Arguments


def test_several_references_are_averaged(sides):
    x, _ = sides
    references = numbers(5, 3, 4)
    expected = torch.stack([relevance_against(score, x, b) for b in references]).mean(0)
    torch.testing.assert_close(relevance_against(score, x, references), expected, **TIGHT)
    account = ledger_against(score, x, references)
    assert account.score == pytest.approx((score(x) - torch.stack([score(b) for b in references]).mean(0)).sum().item())
    assert account.balanced(1e-12)


def test_a_sequence_of_inputs_returns_a_tuple(sides):
    x, b = sides
    for_x, for_y = relevance_against(lambda x, y: (x * y).sum(1), (x, b), (b, x))
    torch.testing.assert_close(for_x, (x - b) * (x + b) / 2, **TIGHT)
    torch.testing.assert_close(for_y, (b - x) * (x + b) / 2, **TIGHT)
    (alone,) = relevance_against(score, [x], [b])
    assert torch.equal(alone, relevance_against(score, x, b))


def test_drawn_references_are_rows_of_the_data():
    data, x = numbers(20, 4), numbers(3, 4).float()
    drawn = draw_references(data, x, 7, generator=torch.Generator().manual_seed(0))
    assert (drawn.shape, drawn.dtype) == ((7, 3, 4), torch.float32)
    assert (drawn[..., None, :] == data.float()).all(-1).any(-1).all()
    assert torch.equal(drawn, draw_references(data, x, 7, generator=torch.Generator().manual_seed(0)))
    for settings in ((data, x, 0), (data[:0], x, 2), (data[:, :3], x, 2)):
        with pytest.raises(RelevanceError, match="expected k >= 1 references"):
            draw_references(*settings)


def test_start_replaces_the_difference_of_the_scores(sides):
    x, b = sides
    b[0] = x[0]
    rise = score(x) - score(b)
    doubled = relevance_against(score, x, b, start=2 * rise)
    torch.testing.assert_close(doubled, 2 * relevance_against(score, x, b), **TIGHT)
    assert ledger_against(score, x, b, start=double([0.0, 1.0, -3.0])).score == pytest.approx(-2.0)
    for start, message in ((torch.ones(2), "of the scores' shape"), (torch.full((3,), torch.nan), "must be finite"),
                           (torch.ones(3), "the same for input and reference")):  # fmt: skip
        with pytest.raises(RelevanceError, match=message):
            relevance_against(score, x, b, start=start)


def test_scores_may_have_several_entries_per_sample(sides):
    x, b = sides
    actual = relevance_against(lambda x: torch.stack([score(x), x.sum(1)], 1), x, b)
    torch.testing.assert_close(actual, relevance_against(score, x, b) + x - b, **TIGHT)


def test_token_ids_are_explained_by_captured_embeddings():
    table, layer = torch.nn.Embedding(7, 4).double(), torch.nn.Linear(4, 2).double()
    model = torch.nn.Sequential(table, torch.nn.Tanh(), layer)
    ids, others = torch.tensor([[1, 2, 3], [4, 5, 6]]), torch.tensor([[0, 2, 3], [0, 5, 1]])

    def captured(ids):
        with capture(model, "0") as kept:
            scores = model(ids).prod(1)[:, 1]
        return scores, kept

    by_name = relevance_against(captured, ids, others)
    expected = relevance_against(lambda e: model[1:](e).prod(1)[:, 1], table(ids).detach(), table(others).detach())
    torch.testing.assert_close(by_name["0"], expected, **TIGHT)
    assert (by_name["0"][ids == others] == 0).all()
    listed = relevance_against(lambda ids: (lambda s, k: (s, [k["0"]]))(*captured(ids)), ids, others)
    assert torch.equal(listed[0], by_name["0"])
    with pytest.raises(RelevanceError, match=r"inputs\[0\] is torch.int64, which has no relevance"):
        relevance_against(lambda ids: captured(ids)[0], ids, others)


def test_other_rule_sets_multiply_their_coefficients_by_the_difference():
    model, x = model_and_inputs()
    x, b = x.detach(), numbers(*x.shape)

    def logit(x):
        return model(x)[:, 1]

    leaf = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(logit(leaf).sum(), leaf)
    torch.testing.assert_close(relevance_against(logit, x, b, rules=GRADIENT), (x - b) * slope, **TIGHT)
    expected = relevance(logit(leaf), leaf, rules=ATTN_LRP) / x * (x - b)
    torch.testing.assert_close(relevance_against(logit, x, b, rules=ATTN_LRP), expected, rtol=1e-8, atol=1e-10)
    with pytest.raises(RelevanceError, match="layer rules"):
        relevance_against(logit, x, b, rules=EPSILON)
    account = ledger_against(logit, x, b, rules=SECANT_HALF)
    assert not account.balanced(1e-6)
    assert account.notes == ("only SECANT is complete; secant, queries and keys half isn't",)


def test_rules_can_be_changed_by_parameter_and_by_node():
    model, x, b = torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Tanh()).double(), numbers(3, 4), numbers(3, 4)
    with pytest.raises(RelevanceError, match="no relevance flows"):
        relevance_against(lambda x: model(x).sum(1), x, b, rules=SECANT.where({"0.weight": constant}), model=model)
    actual = relevance_against(lambda x: model(x).sum(1), x, b, rules=SECANT.for_nodes({"TanhBackward0": gradient}))
    expected = (x - b) * ((1 - model(x).square()) @ model[0].weight).detach()
    torch.testing.assert_close(actual, expected, **TIGHT)


# ---- Unusual forward passes

UNUSUAL = {
    "a value used twice": lambda x: ((x.exp() + x) * x.exp()).sum(1),
    "in place": lambda x: F.relu_(x * 2).sum(1),
    "written to slices": lambda x: _written(x).sum(1),
    "broadcast": lambda x: (x[:, :1] * x / (1 + x[:, 1:2] ** 2) * x[:, 2:3].exp()).sum(1),
    "itself": lambda x: x[:, 0],
    "vmap": torch.func.vmap(lambda row: (row.exp() * row).sum()),
    "negative divisors": lambda x: (x / x.flip(1)).sum(1),
    "a root at zero": lambda x: (x - x[:, :1]).abs().sqrt().sum(1),
}  # fmt: skip


def _written(x):
    y = x * 1
    y[:, 0] = x[:, 1] * x[:, 2]
    y[:, 1] *= 2
    y[:, 2] += x[:, 3].exp()
    return y.sin()


@pytest.mark.filterwarnings("error:.*is not accounted for")
@pytest.mark.parametrize("name", UNUSUAL)
def test_unusual_forward_passes_are_complete(name, sides):
    x, b = sides
    assert_complete(UNUSUAL[name], x, b)
    assert_complete(UNUSUAL[name], x[:1], b[:1])
    assert_complete(UNUSUAL[name], x[:1].expand(3, 4), b[:1].expand(3, 4))


# ---- Errors

DROPOUT = torch.nn.Dropout(0.5)
REFUSED = {
    "samples mix": (lambda v: (v - v.mean(0)).sum(1), "mixes samples"),
    "random": (lambda v: (v * torch.rand(4)).sum(1), "draws at random"),
    "dropout": (lambda v: DROPOUT(v).sum(1), "looks like a dropout mask"),
    "another path": (lambda v: v.exp().sum(1) if v[0, 0] > 0 else v.sum(1), "runs other operations for the references"),
    "one score": (lambda v: v.sum(), "one row of scores per sample"),
    "no tensor": (lambda v: 1.0, "one row of scores per sample, so 3 rows, not float"),
    "not finite": (lambda v: (v - 10).log().sum(1), "not finite"),
    "detached": (lambda v: v.detach().sum(1), "no grad_fn"),
    "unknown": (lambda v: torch.special.i0(v).sum(1), "has no rule"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_functions_that_cannot_be_explained_are_refused(name, sides):
    function, message = REFUSED[name]
    x, b = sides
    x[0, 0], b[0, 0] = 1.0, -1.0
    with pytest.raises((RelevanceError, UnknownOperation), match=message):
        relevance_against(function, x, b)


def test_inputs_that_do_not_match_their_references_are_refused(sides):
    x, b = sides
    for inputs, references, message in [
        (x, b[:, :3], r"references\[0\] has shape"), (x, b[0], r"references\[0\] has shape"),
        (x, b.float(), "they must agree"), (x, (b, b), "one reference tensor per input"),
        (x * torch.nan, b, "inputs.0. has entries that are not finite"), (x, b / 0, "references.0. has entries"),
        (x[:0], b[:0], "the first dimension must be the samples"), (x[0, 0], b[0, 0], "the first dimension"),
        ([x, x], [b, b[None]], "the same number of references"), ([x, x[:2]], [b, b[:2]], "the first dimension"),
        ((), (), "one reference tensor per input"),
    ]:  # fmt: skip
        with pytest.raises(RelevanceError, match=message):
            relevance_against(lambda *tensors: score(tensors[0]), inputs, references)
    with pytest.raises(RelevanceError, match="is not a rule set"):
        relevance_against(score, x, b, rules="secant")
    with torch.inference_mode(), pytest.raises(RelevanceError, match="inference_mode"):
        relevance_against(score, x, b)


OUTSIDE = {
    "a mask": lambda x: (x * (x > 0)).sum(1),
    "a count": lambda x: x.sum(1) / (x > 0).sum(1),
    "a detached scale": lambda x: (x / x.detach().norm(dim=1, keepdim=True)).sum(1),
}


def test_rows_that_mix_are_refused_if_the_function_returns_its_inputs_too(sides):
    with pytest.raises(RelevanceError, match="mixes samples"):
        relevance_against(lambda x: (score(x - x.mean(0)), x), *sides)


@pytest.mark.parametrize("name", OUTSIDE)
def test_what_is_outside_of_the_graph_is_reported(name, sides):
    with pytest.warns(UserWarning, match="is not accounted for"):
        account = ledger_against(OUTSIDE[name], *sides)
    assert "something outside of the graph differs" in account.notes[0]


def test_an_operation_without_an_exact_secant_is_named(sides):
    image = numbers(1, 1, 5, 5)

    def sampled(x):
        grid = x[:, None, None, :2].tanh()
        return torch.nn.functional.grid_sample(image.expand(len(x), -1, -1, -1), grid, align_corners=True)[:, 0, 0, 0]

    with pytest.warns(UserWarning, match="GridSampler2DBackward0 has no exact secant"):
        relevance_against(lambda x: (sampled(x), [x]), *sides)


# ---- What is left unchanged


@pytest.mark.parametrize("is_refused", [False, True])
def test_model_and_inputs_are_unchanged_and_nothing_is_retained(is_refused):
    model, x = model_and_inputs()
    x, b = x.detach().requires_grad_(), numbers(*x.shape)
    copies, seen = (x.detach().clone(), b.clone()), []

    def logit(x):
        y = model(x)[:, 1]
        seen.append(weakref.ref(y))
        return torch.special.i0(y) if is_refused else y

    if is_refused:
        with pytest.raises(UnknownOperation):
            relevance_against(logit, x, b)
    else:
        relevance_against(logit, x, b)
    assert torch.equal(x, copies[0])
    assert torch.equal(b, copies[1])
    assert x.grad is None
    assert all(p.grad is None for p in model.parameters())
    assert not any(m._forward_hooks or m._backward_hooks for m in model.modules())
    gc.collect()
    assert all(reference() is None for reference in seen)
    torch.testing.assert_close(
        torch.autograd.grad(model(x)[:, 1].sum(), x)[0], torch.autograd.grad(model(x)[:, 1].sum(), x)[0]
    )
