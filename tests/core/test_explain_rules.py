"""`explain_rules` returns which rule applies to which operation, as a table, without computing relevance."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from lrp_domains import (
    ATTN_LRP,
    CP_LRP,
    EPSILON,
    GRADIENT,
    RelevanceError,
    RuleTable,
    UnknownOperation,
    constant,
    explain_rules,
    gamma,
    relevance,
)

from ..architectures import zoo


class Block(nn.Module):
    """A transformer block with a gated MLP."""

    def __init__(self):
        super().__init__()
        self.norm = nn.LayerNorm(8)
        self.attention = nn.ModuleDict({name: nn.Linear(8, 8) for name in ("q", "k", "v", "o")})
        self.mlp = nn.ModuleDict({"gate": nn.Linear(8, 6), "up": nn.Linear(8, 6), "down": nn.Linear(6, 8)})
        self.head = nn.Linear(8, 3)

    def forward(self, x):
        h = self.norm(x)
        q, k, v = (self.attention[name](h).unsqueeze(1) for name in "qkv")
        x = x + self.attention["o"](F.scaled_dot_product_attention(q, k, v).squeeze(1))
        x = x + self.mlp["down"](F.silu(self.mlp["gate"](x)) * self.mlp["up"](x))
        return self.head(x[:, 0])


def model_and_inputs():
    return Block().eval(), torch.randn(2, 5, 8, requires_grad=True)


def rows_of(table):
    return {(row.node, row.rule): row for row in table.rows}


ATTENTION = "ScaledDotProductFlashAttentionForCpuBackward0"


def test_the_table_has_every_operation_with_its_rule_count_and_modules():
    model, x = model_and_inputs()
    table = explain_rules(model(x)[:, 1], x, model=model)
    rows = rows_of(table)
    assert isinstance(table, RuleTable) and table.rules == "rules of AttnLRP"
    norm = rows["NativeLayerNormBackward0", "scale constant"]
    assert (norm.operation, norm.count, norm.modules) == ("norm", 1, ("norm",))
    attention = rows[ATTENTION, "uniform (Q 1/4, K 1/4, V 1/2)"]
    assert (attention.operation, attention.count) == ("attention", 1)
    silu = rows["SiluBackward0", "identity"]
    assert (silu.operation, silu.count, silu.modules) == ("activation", 1, ("mlp.gate",))
    product = rows["MulBackward0", "uniform"]
    assert (product.operation, product.count) == ("product", 1)
    dense = rows["AddmmBackward0", "gradient"]
    assert (dense.operation, dense.count) == ("dense", 8)
    parts = {f"attention.{name}" for name in "qkvo"} | {f"mlp.{name}" for name in ("gate", "up", "down")} | {"head"}
    assert set(dense.modules) == parts
    sums = rows["AddBackward0", "gradient"]
    assert (sums.operation, sums.count) == ("linear", 2)


def test_the_counts_add_up_to_the_nodes_of_the_graph():
    model, x = model_and_inputs()
    score = model(x)[:, 1]
    nodes, pending = set(), [score.grad_fn]
    while pending:
        node = pending.pop()
        if node not in nodes:
            nodes.add(node)
            pending += [child for child, _ in node.next_functions if child is not None]
    beside = {node for node in nodes if "AccumulateGrad" in node.name() or node.name().startswith("TBackward")}
    table = explain_rules(score, x, model=model)
    assert sum(row.count for row in table.rows) == len(nodes - beside)


def test_operations_without_relevance_are_listed_as_constant():
    model, x = model_and_inputs()
    table = explain_rules(model(x)[:, 1], x, model=model, rules=CP_LRP)
    rows = rows_of(table)
    assert rows[ATTENTION, "weights constant (V 1)"].count == 1
    assert rows["SiluBackward0", "constant (nothing flows)"].modules == ("mlp.gate",)
    closed = rows["AddmmBackward0", "constant (nothing flows)"]
    assert set(closed.modules) == {"attention.q", "attention.k", "mlp.gate"} and closed.count == 3
    assert rows["AddmmBackward0", "gradient"].count == 5


@pytest.mark.parametrize(
    ("rules", "rule", "modules"),
    [
        (EPSILON, "epsilon(1e-06)", 8),
        (ATTN_LRP.where({"mlp.*": gamma(0.5)}), "gamma(0.5)", 3),
        (ATTN_LRP.where({"attention.q.*": constant}), "constant (nothing flows)", 1),
        (ATTN_LRP.for_nodes({"AddmmBackward0": gamma(0.1)}), "gamma(0.1)", 8),
        (GRADIENT, "gradient", 8),
    ],
    ids=lambda value: str(value) if not isinstance(value, int) else "",
)
def test_the_rules_of_a_set_and_its_exceptions_are_shown(rules, rule, modules):
    model, x = model_and_inputs()
    rows = rows_of(explain_rules(model(x)[:, 1], x, model=model, rules=rules))
    assert rows["AddmmBackward0", rule].count == len(rows["AddmmBackward0", rule].modules) == modules


def test_the_table_can_be_printed():
    model, x = model_and_inputs()
    table = explain_rules(model(x)[:, 1], x, model=model)
    title, header, rule, *lines = str(table).splitlines()
    assert title == "rules of AttnLRP"
    assert header.split() == ["node", "operation", "rule", "factors", "count", "at", "or", "after"]
    assert set(rule) == {"-", " "} and len(lines) == len(table.rows)
    starts = [i for i in range(len(rule)) if rule[i] == "-" and (i == 0 or rule[i - 1] == " ")]
    for line, row in zip(lines, table.rows, strict=True):
        cells = [line[i:j].strip() for i, j in zip(starts, [*starts[1:], None], strict=True)]
        assert cells[:5] == [row.node, row.operation, row.rule, row.factors, str(row.count)]
        assert cells[5].startswith(", ".join(row.modules[:3]))
    dense = next(line for line in lines if line.startswith("AddmmBackward0"))
    assert dense.endswith(", 5 more")
    assert [row.node for row in table.rows] == sorted(row.node for row in table.rows)


def test_without_the_model_no_module_is_named():
    model, x = model_and_inputs()
    named, unnamed = (explain_rules(model(x)[:, 1], x, model=m) for m in (model, None))
    assert all(row.modules == () for row in unnamed.rows)
    assert [row.count for row in unnamed.rows] == [row.count for row in named.rows]


class Record(TorchDispatchMode):
    """The names of the operations that are carried out."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        self.called = [*getattr(self, "called", []), function.overloadpacket.__name__]
        return function(*args, **(kwargs or {}))


def test_nothing_is_computed_and_the_graph_can_still_be_used():
    """No operation is carried out except the check that the score is finite; `relevance` carries out many."""
    model, x = model_and_inputs()
    score = model(x)[:, 1]
    with Record() as of_table:
        explain_rules(score, x, model=model)
    views = {"detach", "view", "t", "alias", "as_strided", "transpose", "select", "slice", "expand"}
    check = {"abs", "eq", "ne", "mul", "all", "isfinite", "_local_scalar_dense", "ones_like"}
    assert set(of_table.called) <= views | check
    with Record() as of_relevance:
        actual = relevance(score, x, model=model)
    assert "mm" in of_relevance.called and not set(of_relevance.called) <= views | check
    assert actual.isfinite().all() and x.grad is None


def test_explain_rules_takes_intermediate_and_several_inputs():
    model, x = model_and_inputs()
    hidden = model.norm(x)
    score = model.head(hidden[:, 0])[:, 1]
    of_hidden = explain_rules(score, hidden, model=model)
    assert {row.node for row in of_hidden.rows} == {"AddmmBackward0", "SelectBackward0"}
    of_both = explain_rules(score, [hidden, x], model=model)
    assert "NativeLayerNormBackward0" in {row.node for row in of_both.rows}


def test_explain_rules_refuses_what_relevance_refuses():
    model, x = model_and_inputs()
    with pytest.raises(UnknownOperation, match=r"LogSoftmaxBackward0 .*'head'"):
        explain_rules(model(x).log_softmax(-1)[:, 0], x, model=model)
    with pytest.raises(RelevanceError, match="does not depend"):
        explain_rules(model(x)[:, 0], torch.randn(2, requires_grad=True))
    with pytest.raises(RelevanceError, match="pass model="):
        explain_rules(model(x)[:, 0], x, rules=ATTN_LRP.where({"*": constant}))


def test_an_unknown_operation_that_is_accepted_is_shown():
    model, x = model_and_inputs()
    with pytest.warns(UserWarning, match="no rule for LgammaBackward0"):
        table = explain_rules(torch.lgamma(model(x)).sum(), x, model=model, unknown="gradient")
    row = rows_of(table)["LgammaBackward0", "gradient"]
    assert (row.operation, row.modules) == ("unknown", ("head",))


def test_the_table_names_the_modules_of_a_bert():
    case = zoo.build("bert")
    score, inputs = zoo.forward(case)
    rows = rows_of(explain_rules(score, inputs, model=case.model))
    norms = rows["NativeLayerNormBackward0", "scale constant"]
    assert norms.count == len(norms.modules) == 5
    assert "bert.embeddings.LayerNorm" in norms.modules
    gelu = rows["GeluBackward0", "identity"]
    assert gelu.modules == tuple(f"bert.encoder.layer.{i}.intermediate.dense" for i in (1, 0))
    pooler = rows["TanhBackward0", "identity"]
    assert pooler.modules == ("bert.pooler.dense",)


def test_the_shares_of_the_factors_of_products_are_shown():
    layers = nn.ModuleDict({name: nn.Linear(4, 6) for name in ("a", "b")})
    x = torch.randn(2, 4, requires_grad=True)
    a, b = (layer(x) for layer in layers.values())
    score = (
        F.silu(a) * b + torch.sigmoid(a) * b + a * torch.tanh(a) + (a * b) * torch.sigmoid(a) + b / (1 + a.exp())
    ).sum()
    for rules, activated in [(ATTN_LRP, "activated 0.5, signal 0.5"), (CP_LRP, "activated 0, signal 1")]:
        factors = {row.factors for row in explain_rules(score, x, rules=rules).rows if row.factors}
        assert {activated, "gate 0, signal 1", "of one origin", "signal 1, 1 / gate 0"} <= factors
        assert any(text.startswith("nested: ") for text in factors)
    assert "factors" in str(explain_rules(score, x)).splitlines()[1]


def factors_of(node: str, score: torch.Tensor, x: torch.Tensor, rules: object = ATTN_LRP) -> set[str]:
    return {row.factors for row in explain_rules(score, x, rules=rules).rows if row.node.startswith(node)}


def test_the_share_of_each_factor_of_a_product_along_a_stack_is_shown():
    layers = nn.ModuleList([nn.Linear(4, 6), nn.Linear(4, 6)])
    x = torch.randn(2, 4, requires_grad=True)
    a, b = (layer(x) for layer in layers)
    score = torch.stack([torch.sigmoid(a), b]).prod(0).sum()
    assert factors_of("Prod", score, x) == {"gate 0, signal 1"}


def test_the_shares_of_query_key_and_value_of_a_fused_attention_are_shown():
    layers = nn.ModuleList([nn.Linear(4, 4) for _ in range(4)])
    x = torch.randn(1, 2, 3, 4, requires_grad=True)
    q, k, v, u = (layer(x) for layer in layers)
    plain, of_a_product = (F.scaled_dot_product_attention(q, k, values).sum() for values in (v, u * v))
    assert factors_of("ScaledDot", plain, x) == {"query 0.25, key 0.25, value 0.5"}
    assert factors_of("ScaledDot", of_a_product, x) == {"query 0.17, key 0.17, value 0.67"}
    assert factors_of("ScaledDot", plain, x, CP_LRP) == {"query 0, key 0, value 1"}
    assert factors_of("ScaledDot", plain, x, GRADIENT) == {""}
