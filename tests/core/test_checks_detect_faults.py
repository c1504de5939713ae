"""Each check detects its kind of fault: in a rule, in a model, or in the function that is checked."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lrp_domains import ATTN_LRP, CP_LRP, Rule, constant
from lrp_domains.core.checks import check

from .checked_models import dense, mlp, row_of, rows, verdicts


class Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, g):
        return 2 * g


def with_rule(backward, rules=CP_LRP):
    return rules.for_nodes({"TwiceBackward": Rule("planted", backward=backward)})


# ---- Conservation --------------------------------------------------------------------------------------------


def test_a_rule_that_loses_relevance_fails_conservation():
    model = nn.ModuleList([dense(5, 8), dense(8, 1)])
    right, wrong = (
        check(lambda x: model[1](Twice.apply(model[0](x))), rows(3, 5), rules=with_rule(rule), model=model)
        for rule in (lambda node, carries, gi, go: gi, lambda node, carries, gi, go: go)
    )
    assert right.passed and right and not wrong.passed and not wrong
    assert verdicts(wrong)["conservation"] == "failed" and row_of(wrong, "conservation").difference > 0.01


def test_a_softmax_does_not_excuse_another_loss_of_relevance():
    model = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, dtype=torch.float64).eval()
    wrong = with_rule(lambda node, carries, gi, go: go, ATTN_LRP)
    table = check(lambda x: model(Twice.apply(x))[:, 0, 1], rows(2, 4, 8), rules=wrong, model=model)
    assert verdicts(table)["conservation"] == "failed" and row_of(table, "conservation").difference > 0.01


class Attention(nn.Module):
    """Attention in plain operations."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([dense(5, 8), dense(5, 8), dense(5, 8), dense(8, 1)])

    def forward(self, x):
        q, k, v = (layer(x) for layer in self.layers[:3])
        return self.layers[3]((q @ k.mT).softmax(-1) @ v)[:, 0, 0]


@pytest.mark.parametrize("kind", ["softmax", "dense"])
def test_a_custom_rule_that_loses_relevance_in_a_softmax_or_layer_is_not_excused(kind):
    half = Rule("half", backward=lambda node, carries, gi, go: tuple(g if g is None else g / 2 for g in gi))
    model, x = Attention(), rows(2, 4, 5)
    row = row_of(check(model, x), "conservation")
    assert row.verdict == "passed" and row.difference < 1e-13 and "a softmax that is not constant" in row.reason
    row = row_of(check(model, x, rules=ATTN_LRP.for_nodes({kind: half})), "conservation")
    assert row.verdict == "failed" and row.difference > 0.01


# ---- Batch ---------------------------------------------------------------------------------------------------


def test_a_rule_that_depends_on_the_batch_fails_batch():
    model = nn.ModuleList([dense(5, 8), dense(8, 1)])
    rules = with_rule(lambda node, carries, gi, go: tuple(g / len(g) for g in gi))
    x = rows(4, 5)
    table = check(lambda x: model[1](Twice.apply(model[0](x)))[:, 0], x, rules=rules, model=model)
    batch = row_of(table, "batch")
    assert batch.verdict == "failed" and batch.difference == pytest.approx(3, rel=1e-12)
    table = check(lambda x, y: model[1](model[0](x) + Twice.apply(y))[:, 0], (x, rows(4, 8)), rules=rules, model=model)
    assert row_of(table, "batch").verdict == "failed"


def test_a_fault_in_a_row_of_little_relevance_is_detected():
    """The difference of each row is relative to the largest relevance in that row."""
    model = dense(5, 1)
    rules = with_rule(lambda node, carries, gi, go: tuple(torch.cat([g[:-1], g[-1:] * len(g)]) for g in gi))
    x = rows(3, 5) * torch.tensor([[1.0], [1.0], [1e-12]]).double()
    table = check(lambda x: Twice.apply(model(x))[:, 0], x, rules=rules, model=model)
    assert row_of(table, "batch").difference == pytest.approx(2 / 3, rel=1e-12)


class Centred(nn.Module):
    """A model whose rows interact: each is relative to the mean of the batch."""

    def __init__(self):
        super().__init__()
        self.layer = dense(5, 1)

    def forward(self, x):
        return F.gelu(self.layer(x) - self.layer(x).mean(0))[:, 0]


def test_rows_that_interact_in_a_module_fail_batch():
    model = Centred()
    batch = row_of(check(model, rows(4, 5)), "batch")
    assert batch.verdict == "failed" and batch.reason == "rows interact in the model: alone they have other scores"
    model.forward = lambda x: model.layer(x).mean()
    assert row_of(check(model, rows(4, 5)), "batch").verdict == "skipped"  # it could be a mean over the batch


MASK = rows(4, 5) > 0


@pytest.mark.parametrize(
    "function",
    [
        lambda model, x: model(x) + 0.0,  # rows that interact
        lambda model, x: model(x).sum(),
        lambda model, x: model.layer(x).mean(),
        lambda model, x: model.layer(x * MASK).sum(),  # four rows from one
        lambda model, x: model.layer(x * MASK)[:, 0],
    ],
)
def test_batch_is_skipped_for_functions_of_several_rows(function):
    model = Centred()
    batch = row_of(check(lambda x: function(model, x), rows(4, 5), model=model), "batch")
    assert batch.verdict == "skipped" and batch.reason.startswith("alone, rows have other scores: they interact, ")


def test_a_batch_norm_in_training_mode_is_refused_and_keeps_its_statistics():
    model = nn.Sequential(dense(5, 8), nn.BatchNorm1d(8, dtype=torch.float64), dense(8, 1)).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    table = check(model, rows(4, 5))
    assert verdicts(table) == {"relevance": "failed"} and "the statistics of its batch" in table.rows[0].reason
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


# ---- Precision and rewriting ---------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", [lambda x: x, F.gelu])
def test_cancellation_fails_precision(activation):
    model = dense(5, 1, dtype=torch.float32)
    x = rows(3, 5, dtype=torch.float32)
    table = check(lambda x: model(activation((x + 1e8) - 1e8))[:, 0], x, model=model)
    assert row_of(table, "precision").verdict == "failed" and row_of(table, "precision").difference > 0.1


def test_a_rule_for_one_form_of_a_function_fails_rewriting():
    """SiLU decomposes into x * sigmoid(x), to which a rule for ``SiluBackward0`` doesn't apply."""
    model = nn.ModuleList([dense(5, 8), dense(8, 1)])

    def function(x):
        h = model[0](x)
        return model[1](h + F.silu(h))[:, 0]

    x = rows(3, 5)
    table = check(function, x, rules=CP_LRP.for_nodes({"SiluBackward0": constant}), model=model)
    assert verdicts(table)["rewriting"] == "failed" and row_of(table, "rewriting").difference > 0.01
    assert verdicts(check(function, x, rules=CP_LRP, model=model))["rewriting"] == "passed"


# ---- Repeatability -------------------------------------------------------------------------------------------


def test_dropout_is_refused_or_fails_repeatability():
    model = nn.Sequential(dense(5, 40), nn.Dropout(0.5), dense(40, 1)).train()
    refused = check(model, rows(3, 5))
    assert verdicts(refused) == {"relevance": "failed"} and "call model.eval()" in refused.rows[0].reason
    accepted = check(model, rows(3, 5), unknown="gradient")
    assert verdicts(accepted)["repeatability"] == "failed" and row_of(accepted, "repeatability").difference > 0.01


def test_noise_fails_repeatability():
    model = mlp()
    random = torch.random.get_rng_state()
    table = check(lambda x: model(x + 1e-9 * torch.randn_like(x))[:, 1], torch.ones(3, 5).double(), model=model)
    assert verdicts(table)["repeatability"] == "failed" and 0 < row_of(table, "repeatability").difference < 1e-6
    assert torch.equal(torch.random.get_rng_state(), random)
    table = check(lambda x: model(x + torch.randn_like(x))[:, 1], rows(3, 5), model=model)
    assert row_of(table, "repeatability").difference > 0.01
    assert row_of(table, "rewriting").reason == "the decomposition has another score"


class Counting(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = dense(5, 1)
        self.register_buffer("calls", torch.zeros(1))
        self.count = 0

    def forward(self, x):
        self.calls += 1
        self.count += 1
        self.last = x
        return self.layer(x)


def test_a_model_that_changes_with_each_call_fails_repeatability_and_is_restored():
    model, x = Counting(), rows(3, 5)
    table = check(model, x)
    assert row_of(table, "repeatability").reason.startswith("a call changes the model")
    assert verdicts(table)["repeatability"] == "failed" and model.count == 0 and model.calls.item() == 0
    assert not hasattr(model, "last") and not x.requires_grad


@pytest.mark.parametrize(
    "leave",
    [
        lambda model, x: model.register_forward_hook(lambda *args: None),
        lambda model, x: model(x).sum().backward(),
    ],
)
def test_hooks_and_gradients_that_a_function_leaves_fail_repeatability(leave):
    model = mlp()

    def function(x):
        leave(model, x.detach())
        return model(x)

    assert verdicts(check(function, rows(3, 5), model=model))["repeatability"] == "failed"


# ---- Several checks ------------------------------------------------------------------------------------------


def test_relevance_that_is_not_finite_fails_all_checks():
    model = dense(5, 1, dtype=torch.float32)
    rules = with_rule(lambda node, carries, gi, go: tuple(g * torch.nan for g in gi))
    x = rows(3, 5, dtype=torch.float32)
    table = check(lambda x, y: (model(x) + model(Twice.apply(y)))[:, 0], (x, x), rules=rules, model=model)
    assert set(verdicts(table).values()) == {"failed"}
