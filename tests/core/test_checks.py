"""`check`: clean models pass all checks up to rounding, and each check detects its kind of fault."""

import warnings
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lrp_domains import (
    ALPHA_BETA,
    ATTN_LRP,
    CP_LRP,
    EPSILON,
    RelevanceError,
    Rule,
    RuleSet,
    constant,
    epsilon,
    ledger,
    relevance,
    unfused,
)
from lrp_domains.core.checks import CheckRow, CheckTable, check

NAMES = ("repeatability", "conservation", "batch", "precision", "rewriting")


def rows(*shape, dtype=torch.float64):
    return torch.randn(*shape, dtype=dtype)


def dense(*sizes, dtype=torch.float64):
    return nn.Linear(*sizes, dtype=dtype)


def verdicts(table):
    return {row.name: row.verdict for row in table.rows}


def row_of(table, name):
    return next(row for row in table.rows if row.name == name)


def mlp(dtype=torch.float64):
    return nn.Sequential(dense(5, 8, dtype=dtype), nn.GELU(), dense(8, 3, dtype=dtype)).eval()


def case(name, dtype):
    """Return a model, a function that calls it, and inputs."""
    if name == "mlp":
        model = mlp(dtype)
        return model, model, rows(3, 5, dtype=dtype)
    if name == "transformer":
        model = nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", batch_first=True, dtype=dtype).eval()
        return model, lambda x: model(x)[:, 0, 1], rows(3, 4, 8, dtype=dtype)
    model = nn.LSTM(5, 6, batch_first=True, dtype=dtype).eval()
    return model, lambda x: model(x)[0][:, -1, 2], rows(3, 4, 5, dtype=dtype)


CASES = ("mlp", "transformer", "lstm")


# ---- Clean models pass, up to rounding -----------------------------------------------------------------------


@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP], ids=str)
@pytest.mark.parametrize("name", CASES)
def test_clean_models_pass_in_float64(name, rules):
    model, function, x = case(name, torch.float64)
    with unfused():
        table = check(function, x, rules=rules, model=model)
    assert verdicts(table) == dict.fromkeys(NAMES, "passed") | {"precision": "skipped"} and table and table.passed
    assert all(row.difference <= 1e-13 for row in table.rows if row.name != "precision")
    assert row_of(table, "precision").reason == "the inputs are in float64"


@pytest.mark.parametrize("name", CASES)
def test_clean_models_pass_in_float32(name):
    model, function, x = case(name, torch.float32)
    with unfused():
        table = check(function, x, model=model)
    assert verdicts(table) == dict.fromkeys(NAMES, "passed")
    assert all(row.difference <= 1e-5 for row in table.rows) and row_of(table, "precision").difference > 0
    assert row_of(table, "precision").tolerance == torch.finfo(torch.float32).eps ** 0.5


HALF = torch.finfo(torch.bfloat16).eps ** 0.5


def test_the_tolerance_is_that_of_the_coarsest_dtype_between_inputs_and_score():
    """Dtypes differ under autocast, and where a norm always computes in float32."""
    assert row_of(check(mlp(torch.bfloat16), rows(2, 5, dtype=torch.bfloat16)), "batch").tolerance == HALF
    model, coarse = mlp(), dense(3, 3, dtype=torch.bfloat16)
    table = check(lambda x: coarse(model(x).bfloat16()).double(), rows(2, 5), model=nn.ModuleList([model, coarse]))
    assert [row.tolerance for row in table.rows] == [0.0, *[HALF] * 4]
    fine = [row.tolerance for row in check(model, rows(2, 5)).rows]
    assert fine == [0.0, *[torch.finfo(torch.float64).eps ** 0.5] * 4]


def missing(score, x, **options):
    account = ledger(score, x, **options)
    return abs(account.residue) / max(abs(account.score), abs(account.inputs[0]), abs(sum(account.leaves.values())))


def test_the_share_of_the_softmax_is_reported_and_not_a_failure():
    model, function, x = case("transformer", torch.float64)
    kept = row_of(check(function, x, model=model), "conservation")
    size = missing(function(x.requires_grad_()), x, model=model)
    assert size > 1e-3
    assert kept.reason.startswith(f"{size:.1e} is missing under AttnLRP: a softmax that is not constant")
    assert kept.verdict == "passed" and kept.difference <= 1e-13
    assert row_of(check(function, x, model=model, rules=CP_LRP), "conservation").reason == ""


LAYERS = (EPSILON, ALPHA_BETA, replace(ATTN_LRP, first=epsilon(0.1)), ATTN_LRP.where({"0.*": epsilon(0.1)}))


@pytest.mark.parametrize("rules", LAYERS, ids=str)
def test_the_share_of_layer_rules_is_reported_and_not_a_failure(rules):
    model, x = mlp(), rows(3, 5).abs()
    model[0].weight.data.abs_()  # alpha_beta doesn't conserve the relevance of neurons without negative contributions
    model[0].bias.data.abs_()
    conservation = row_of(check(model, x, rules=rules), "conservation")
    size = missing(model(x.requires_grad_()), x, rules=rules, model=model)
    assert size > 1e-7 and conservation.reason.startswith(f"{size:.1e} is missing under {rules.name}")
    assert conservation.verdict == "passed" and conservation.difference <= 1e-13


def test_frozen_parameters_do_not_fail_conservation():
    assert check(mlp().requires_grad_(False), rows(3, 5), rules=CP_LRP).rows[1].difference <= 1e-13


def test_inputs_without_relevance_pass():
    table = check(mlp(), torch.zeros(3, 5).double())
    assert table.passed and row_of(table, "batch").difference == row_of(table, "rewriting").difference == 0


def test_models_with_two_inputs_and_a_score_of_several_entries_pass():
    first, second = dense(5, 4), dense(3, 4)
    model = nn.ModuleList([first, second])
    table = check(lambda x, y: F.gelu(first(x) * second(y)), (rows(3, 5), rows(3, 3)), model=model)
    assert verdicts(table) == dict.fromkeys(NAMES, "passed") | {"precision": "skipped"}


# ---- Each check detects its fault ----------------------------------------------------------------------------


class Twice(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 2 * x

    @staticmethod
    def backward(ctx, g):
        return 2 * g


def with_rule(backward, rules=CP_LRP):
    return rules.for_nodes({"TwiceBackward": Rule("planted", backward=backward)})


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


def test_relevance_that_is_not_finite_fails_all_checks():
    model = dense(5, 1, dtype=torch.float32)
    rules = with_rule(lambda node, carries, gi, go: tuple(g * torch.nan for g in gi))
    x = rows(3, 5, dtype=torch.float32)
    table = check(lambda x, y: (model(x) + model(Twice.apply(y)))[:, 0], (x, x), rules=rules, model=model)
    assert set(verdicts(table).values()) == {"failed"}


# ---- What cannot be checked is skipped with the reason -------------------------------------------------------


def test_without_the_model_precision_and_rewriting_are_skipped():
    model = mlp(torch.float32)
    table = check(lambda x: model(x)[:, 1], rows(3, 5, dtype=torch.float32))
    assert verdicts(table) == dict.fromkeys(NAMES, "passed") | {"precision": "skipped", "rewriting": "skipped"}
    assert "must have the same dtype" in row_of(table, "precision").reason
    assert row_of(table, "rewriting").reason.endswith("pass the module that it calls as model=")


def test_rewriting_is_skipped_for_a_function_that_cannot_be_exported():
    model = mlp()
    table = check(lambda x: model(x)[:, 1] if x.sum() != 0 else model(x)[:, 0], rows(3, 5), model=model)
    rewriting = row_of(table, "rewriting")
    assert rewriting.verdict == "skipped" and "data-dependent" in rewriting.reason and "\n" not in rewriting.reason


def test_rewriting_is_skipped_if_the_decomposition_is_refused():
    """SiLU becomes a product, which these rules don't include."""
    rules = RuleSet("no products", {kind: rule for kind, rule in CP_LRP.operations.items() if kind != "product"})
    model = nn.Sequential(dense(5, 8), nn.SiLU(), dense(8, 1))
    rewriting = row_of(check(model, rows(3, 5), rules=rules), "rewriting")
    assert rewriting.verdict == "skipped" and rewriting.reason.startswith("the decomposition is refused: MulBackward0")


def test_precision_is_skipped_for_a_function_that_computes_in_float32():
    table = check(lambda x: F.gelu(x.float()).sum(-1), rows(3, 5, dtype=torch.float32))
    assert row_of(table, "precision").reason == "with inputs in float64 the function returns torch.float32"


@pytest.mark.parametrize("shapes", [[(1, 5)], [(3, 5), (2, 5)], [(3, 5), ()]])
def test_batch_is_skipped_for_inputs_without_common_rows(shapes):
    inputs = [torch.randn(shape) for shape in shapes]
    batch = row_of(check(lambda *inputs: sum(F.gelu(x).sum() for x in inputs), inputs), "batch")
    assert batch.reason == "the inputs have only one row, or unequal numbers of rows" and batch.verdict == "skipped"


def test_if_relevance_is_refused_the_table_has_only_that_row():
    table = check(lambda x: x.log_softmax(-1)[:, 0], rows(3, 5))
    with pytest.raises(RelevanceError) as refused:
        x = rows(3, 5).requires_grad_()
        relevance(x.log_softmax(-1)[:, 0], x)
    assert table.rows == (CheckRow("relevance", "failed", None, 0.0, "whether there is one", str(refused.value)),)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((None, rows(2, 5)), {}, "check takes a function"),
        ((F.gelu, rows(2, 5)), {"rules": "AttnLRP"}, "check takes a function"),
        ((F.gelu, rows(2, 5)), {"model": F.gelu}, "check takes a function"),
        ((F.gelu, torch.arange(4)), {}, "to explain tokens pass their embeddings"),
        ((F.gelu, ()), {}, "inputs must be floating-point tensors"),
        ((F.gelu, rows(0, 5)), {}, "inputs must be floating-point tensors with entries"),
        ((F.gelu, [rows(2, 5), 1.0]), {}, "inputs must be floating-point tensors"),
        ((lambda x: (x, x), rows(2, 5)), {}, "the function must return a tensor, the score, not a tuple"),
    ],
)
def test_check_refuses_invalid_arguments(arguments, options, message):
    with pytest.raises(RelevanceError, match=message):
        check(*arguments, **options)


# ---- Nothing is changed --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_check_leaves_model_inputs_and_global_state_unchanged(name):
    model, function, x = case(name, torch.float32)
    x.requires_grad_()
    for index, parameter in enumerate(model.parameters()):
        parameter.grad = torch.full_like(parameter, 7.0)
        parameter.requires_grad_(index % 2 == 0)

    def everything():
        modules = [(module.training, dict(vars(module))) for module in model.modules()]
        dicts = [{key: dict(value) for key, value in kept.items() if isinstance(value, dict)} for _, kept in modules]
        tensors = [(id(p), p._version, id(p.grad), p.requires_grad, p.dtype) for p in model.parameters()]
        flat = [id(weight) for weight in getattr(model, "_flat_weights", ())]
        return modules, dicts, tensors, flat

    before, values = everything(), [value.clone() for value in (*model.state_dict().values(), x)]
    random = torch.random.get_rng_state()
    with unfused(), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert set(verdicts(check(function, x, model=model)).values()) == {"passed"}
    modules, *others = everything()
    assert others == list(before[1:])
    for (training, now), (trained, then) in zip(modules, before[0], strict=True):
        assert training == trained and now.keys() == then.keys() and all(now[key] is then[key] for key in now)
    assert all(torch.equal(a, b) for a, b in zip((*model.state_dict().values(), x), values, strict=True))
    assert all((p.grad == 7).all() for p in model.parameters())
    assert x.grad is None and x.requires_grad and x._version == 0 and torch.equal(torch.random.get_rng_state(), random)


def test_a_function_that_fails_in_float64_leaves_the_model_unchanged():
    model = mlp(torch.float32)
    weight = model[0].weight

    def function(x):
        if x.dtype == torch.float64:
            raise RuntimeError("not here")
        return model(x)[:, 1]

    assert row_of(check(function, rows(3, 5, dtype=torch.float32), model=model), "precision").reason == "not here"
    assert model[0].weight is weight and weight.dtype == torch.float32


def test_check_works_inside_no_grad():
    with torch.no_grad():
        assert check(mlp(), rows(3, 5)).passed


# ---- The table -----------------------------------------------------------------------------------------------


def test_the_table_of_checks_can_be_printed():
    table = CheckTable(
        "AttnLRP",
        (
            CheckRow("conservation", "failed", 0.25, 1.5e-8, "score with inputs", "a quarter is missing"),
            CheckRow("batch", "passed", 1.2e-16, 1.5e-8, "rows alone with rows in the batch", ""),
            CheckRow("precision", "skipped", None, 1.5e-8, "this precision with float64", "no module"),
        ),
    )
    assert repr(table) == str(table) and str(table).splitlines() == [
        "checks under AttnLRP",
        "check          verdict  difference  tolerance  compared",
        "conservation   failed      2.5e-01    1.5e-08  score with inputs: a quarter is missing",
        "batch          passed      1.2e-16    1.5e-08  rows alone with rows in the batch",
        "precision      skipped           -    1.5e-08  this precision with float64: no module",
    ]
    assert not table and CheckTable("AttnLRP", table.rows[1:])
