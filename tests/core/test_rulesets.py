"""`RuleSet`: immutable data, from which other sets are derived."""

import dataclasses
import operator

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lrp_domains import (
    ALPHA_BETA,
    ATTN_LRP,
    CP_LRP,
    EPSILON,
    EPSILON_PLUS,
    GAMMA,
    GIM,
    GRADIENT,
    MAMBA_LRP,
    RelevanceError,
    Rule,
    RuleSet,
    constant,
    deep_taylor,
    epsilon,
    gamma,
    gradient,
    relevance,
    z_box,
)

from .random_rows import rows

TIGHT = {"rtol": 1e-12, "atol": 1e-14}
SETS = [ATTN_LRP, CP_LRP, MAMBA_LRP, GIM, GRADIENT, EPSILON, GAMMA, ALPHA_BETA, EPSILON_PLUS, deep_taylor(0, 1)]


def dense_network():
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 2)).double()


# ---- Data ----------------------------------------------------------------------------------------------------


def test_a_rule_set_cannot_be_changed():
    with pytest.raises(TypeError):
        operator.setitem(ATTN_LRP.operations, "softmax", constant)
    with pytest.raises(dataclasses.FrozenInstanceError):
        ATTN_LRP.name = "mine"
    with pytest.raises(dataclasses.FrozenInstanceError):
        constant.name = "mine"


def test_a_rule_set_does_not_follow_the_dictionary_it_was_made_from():
    operations = dict(ATTN_LRP.operations)
    mine = RuleSet("mine", operations)
    operations["softmax"] = constant
    assert mine.operations["softmax"] is gradient


def test_where_and_for_nodes_make_new_sets():
    before = dict(ATTN_LRP.operations)
    changed = ATTN_LRP.where({"head.*": constant}).for_nodes({"softmax": constant})
    assert dict(ATTN_LRP.operations) == before and ATTN_LRP.overrides == () and ATTN_LRP.name == "AttnLRP"
    assert changed.overrides == (("head.*", constant),) and changed.operations["softmax"] is constant
    assert changed.name == "AttnLRP where head.*: constant with softmax: constant"
    assert repr(changed) == f"RuleSet({changed.name})"


@pytest.mark.parametrize("rules", SETS, ids=str)
def test_every_set_has_a_rule_for_every_operation(rules):
    assert set(ATTN_LRP.operations) <= set(rules.operations)
    assert set(rules.operations) <= set(GRADIENT.operations)


def test_the_sets_differ_only_in_the_rules_of_their_methods():
    def differs(a, b):
        return {key for key in ATTN_LRP.operations if a.operations[key] != b.operations[key]}

    assert differs(CP_LRP, ATTN_LRP) == {"product", "attention", "softmax"}
    assert differs(GIM, ATTN_LRP) == {"product", "attention", "softmax", "activation", "statistic"}
    for rules in (EPSILON, GAMMA, ALPHA_BETA, EPSILON_PLUS, deep_taylor(0, 1)):
        assert differs(rules, ATTN_LRP) == {"dense", "convolution"}
    assert set(GRADIENT.operations.values()) == {gradient}
    assert deep_taylor(0, 1).first == z_box(0, 1)


@pytest.mark.parametrize("rules", [*SETS, ATTN_LRP.where({"a.*": gamma(0.1), "b.weight": constant})], ids=str)
def test_the_table_of_a_rule_set_has_one_line_per_row(rules):
    lines = rules.table().splitlines()
    assert lines[0] == rules.name
    rows = dict(line.split(maxsplit=1) for line in lines[1:] if not line.startswith("  first layer"))
    expected = {key: str(rule) for key, rule in rules.operations.items()} | {g: str(r) for g, r in rules.overrides}
    assert rows == expected
    assert sum(line.startswith("  first layer") for line in lines) == (rules.first is not None)
    assert len({len(line) - len(line.split("  ", 2)[2].lstrip()) for line in lines[1:]}) == 1  # aligned


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: RuleSet("mine", {"dense": "epsilon"}), "rule set mine: 'epsilon' is not a rule; use constant"),
        (lambda: RuleSet("mine", {}, first=epsilon), "is not a rule"),
        (lambda: ATTN_LRP.where({"head.*": 0.25}), "0.25 is not a rule"),
        (lambda: ATTN_LRP.for_nodes({"softmaxx": constant}), r"'softmaxx' is neither an operation \(dense, conv"),
        (lambda: ATTN_LRP.for_nodes({"Softmax": constant}), "nor the name of an autograd node"),
    ],
)
def test_invalid_rules_and_unknown_operations_are_refused(make, words):
    with pytest.raises(RelevanceError, match=words):
        make()


# ---- The choice of a rule: by parameter, by node, by position, by operation ----------------------------------


def marking(name, factor):
    """Return a rule that multiplies the derivative by a factor, which shows where the rule was used."""
    return Rule(name, backward=lambda node, carries, gi, go: tuple(None if g is None else factor * g for g in gi))


def test_a_parameter_takes_precedence_over_a_node_and_a_node_over_its_operation():
    model, x = nn.Linear(4, 3, bias=False).double(), rows(2, 4)
    two, three, five = (marking(str(n), n) for n in (2, 3, 5))
    by_operation = ATTN_LRP.for_nodes({"dense": two})
    by_node = by_operation.for_nodes({"MmBackward0": three})
    by_parameter = by_node.where({"weight": five})
    plain = relevance(model(x).sum(), x)
    for rules, factor in [(by_operation, 2), (by_node, 3), (by_parameter, 5)]:
        actual = relevance(model(x).sum(), x, rules=rules, model=model)
        torch.testing.assert_close(actual, factor * plain, **TIGHT)


def test_the_last_of_several_matching_globs_counts():
    model, x = dense_network(), rows(2, 4)
    two, three = marking("two", 2), marking("three", 3)
    plain = relevance(model(x).sum(), x)
    for rules, factor in [
        (ATTN_LRP.where({"*.weight": two}), 8),
        (ATTN_LRP.where({"*.weight": two, "2.*": three}), 12),
        (ATTN_LRP.where({"2.*": three, "*": two}), 8),
        (ATTN_LRP.where({"*": two}).where({"2.*": three}), 12),
        (ATTN_LRP.where({"*": two}).where({"*": gradient}), 1),
    ]:
        torch.testing.assert_close(relevance(model(x).sum(), x, rules=rules, model=model), factor * plain, **TIGHT)


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("name", ["weight", "bias", "*"])
def test_an_override_finds_its_layer_by_weight_or_bias(name, frozen):
    """A frozen bias leaves no trace in the graph; a frozen weight is found by its address in memory."""
    model, x = dense_network(), rows(2, 4)
    model[2].requires_grad_(not frozen)
    rules = ATTN_LRP.where({f"2.{name}": marking("two", 2)})
    factor = 1 if frozen and name == "bias" else 2
    actual = relevance(model(x).sum(), x, rules=rules, model=model)
    torch.testing.assert_close(actual, factor * relevance(model(x).sum(), x), **TIGHT)


LAYERS = {
    "convolution": (lambda: nn.Conv1d(3, 4, 3), (2, 3, 6)),
    "transposed convolution": (lambda: nn.ConvTranspose1d(3, 4, 3), (2, 3, 6)),
    "layer norm": (lambda: nn.LayerNorm(6), (2, 3, 6)),
    "group norm": (lambda: nn.GroupNorm(1, 3), (2, 3, 6)),
    "batch norm": (lambda: nn.BatchNorm1d(3).eval(), (2, 3, 6)),
    "dense, three dimensions": (lambda: nn.Linear(6, 2), (2, 3, 6)),
    "dense, no bias": (lambda: nn.Linear(6, 2, bias=False), (2, 3, 6)),
}


@pytest.mark.parametrize("frozen", [False, True])
@pytest.mark.parametrize("name", LAYERS)
def test_an_override_finds_every_kind_of_layer(name, frozen):
    make, shape = LAYERS[name]
    layer, x = make().double().requires_grad_(not frozen), rows(*shape)
    for parameter in layer.parameters():
        parameter.data.normal_()
    model = nn.ModuleDict({"layer": layer})
    score = (layer(x) * torch.randn_like(layer(x))).sum()
    plain = relevance(
        score, x, rules=ATTN_LRP.for_nodes(dict.fromkeys(("norm", "batch_norm"), gradient)), retain_graph=True
    )
    actual = relevance(score, x, rules=ATTN_LRP.where({"layer.weight": marking("two", 2)}), model=model)
    torch.testing.assert_close(actual, 2 * plain, **TIGHT)


@pytest.mark.parametrize("frozen", [False, True])
def test_an_override_finds_all_parts_of_packed_attention_weights(frozen):
    """`nn.MultiheadAttention` splits one parameter into three if query and key differ."""
    module = nn.MultiheadAttention(4, 2, batch_first=True).double().eval().requires_grad_(not frozen)
    query, memory = rows(1, 3, 4), rows(1, 5, 4)
    score = module(query, memory, memory, need_weights=False)[0].sum()
    plain = relevance(score, (query, memory), retain_graph=True)
    actual = relevance(
        score, (query, memory), rules=ATTN_LRP.where({"in_proj_weight": marking("two", 2)}), model=module
    )
    for doubled, single in zip(actual, plain, strict=True):
        torch.testing.assert_close(doubled, 2 * single, **TIGHT)
        assert single.abs().max() > 0


def test_an_override_with_a_tied_weight_finds_both_uses():
    model, x = nn.ModuleDict({"a": nn.Linear(4, 4), "b": nn.Linear(4, 4)}).double(), rows(2, 4)
    model["b"].weight = model["a"].weight
    for glob in ("a.weight", "b.weight"):
        actual = relevance(
            model["b"](model["a"](x)).sum(), x, rules=ATTN_LRP.where({glob: marking("two", 2)}), model=model
        )
        torch.testing.assert_close(actual, 4 * relevance(model["b"](model["a"](x)).sum(), x), **TIGHT)


def test_a_constant_layer_by_name_equals_a_detached_branch():
    """MoE routers can be made constant in this way."""
    model, x = nn.ModuleDict({"gate": nn.Linear(4, 4), "up": nn.Linear(4, 4)}).double(), rows(2, 4)
    score = (model["gate"](x) * model["up"](x)).sum()
    actual = relevance(score, x, rules=ATTN_LRP.where({"gate.*": constant}), model=model)
    detached = (model["gate"](x).detach() * model["up"](x)).sum()
    torch.testing.assert_close(actual, relevance(detached, x), **TIGHT)


def test_a_layer_rule_for_all_weights_by_name_equals_the_rule_set():
    model, x = dense_network(), rows(2, 4)
    by_name = ATTN_LRP.where({"*.weight": gamma(0.25)})
    torch.testing.assert_close(
        relevance(model(x)[:, 0], x, rules=by_name, model=model), relevance(model(x)[:, 0], x, rules=GAMMA), **TIGHT
    )


@pytest.mark.parametrize("view", [lambda x: x, lambda x: x.view(2, 4), lambda x: x.transpose(0, 1).mT], ids="abc")
def test_the_rule_for_first_layers_is_for_layers_that_read_an_input(view):
    model, x = dense_network(), torch.rand(2, 4, dtype=torch.float64, requires_grad=True)
    rules = dataclasses.replace(ATTN_LRP, first=marking("two", 2))
    torch.testing.assert_close(
        relevance(model(view(x)).sum(), x, rules=rules), 2 * relevance(model(x).sum(), x), **TIGHT
    )
    hidden = torch.tanh(3 * x)
    torch.testing.assert_close(
        relevance(model(hidden).sum(), x, rules=rules), relevance(model(torch.tanh(3 * x)).sum(), x), **TIGHT
    )


# ---- Rules for a third party's Function ----------------------------------------------------------------------


class MyFn(torch.autograd.Function):
    """x squared, with the derivative 2 x g."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, g):
        return 2 * ctx.saved_tensors[0] * g


def test_a_rule_for_a_custom_function_gets_the_right_arguments():
    arguments = {}

    def identity_rule(node, carries, gi, go):
        arguments.update(node=node.name(), carries=carries, derivative=gi[0], g=go[0])
        return (go[0] * node.saved_tensors[0],)  # f(x) / x

    x = rows(3)
    rules = ATTN_LRP.for_nodes({"MyFnBackward": Rule("mine", backward=identity_rule)})
    torch.testing.assert_close(relevance((5 * MyFn.apply(x)).sum(), x, rules=rules), 5 * x.detach() ** 2, **TIGHT)
    assert arguments["node"] == "MyFnBackward" and arguments["carries"] == (True,)
    torch.testing.assert_close(arguments["derivative"], 10 * x.detach(), **TIGHT)
    assert (arguments["g"] == 5).all()


@pytest.mark.parametrize("rule", [gradient, constant])
def test_gradient_and_constant_can_be_rules_of_a_custom_function(rule):
    x = rows(3)
    actual = relevance((MyFn.apply(x) * F.silu(x)).sum(), x, rules=ATTN_LRP.for_nodes({"MyFnBackward": rule}))
    signal = (x**2).detach() * F.silu(x).detach()
    torch.testing.assert_close(actual, signal * (1.5 if rule is gradient else 1), **TIGHT)
