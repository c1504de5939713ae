"""GIM as a whole: activations keep their derivative, in one operation or several."""

import math

import pytest
import torch
import torch.nn.functional as F

from lrp_domains import GIM, RelevanceError, check, explain_rules, ledger, relevance

from .test_temperature import TIGHT, rows

# ---- Activations, in one operation or several


def gelu_new(x):
    return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


ACTIVATIONS = {
    **{name: getattr(F, name) for name in ("gelu", "silu", "relu", "elu", "softplus", "mish", "hardswish")},
    **{name: getattr(torch, name) for name in ("tanh", "sigmoid", "exp", "square", "log1p")},
    "x sigmoid(x)": lambda x: x * torch.sigmoid(x),
    "x / (1 + exp(-x))": lambda x: x / (1 + torch.exp(-x)),
    "1 / (1 + exp(-x))": lambda x: 1 / (1 + torch.exp(-x)),
    "gelu_new": gelu_new,
    "x x": lambda x: x * x,
    "x x x": lambda x: x * x * x,
    "a stack of x, x": lambda x: torch.stack([x, x]).prod(0),
    "x log(1 + x)": lambda x: x * torch.log(1 + x),
    "sums of squares": lambda x: (x * x).sum(-1),
    "variance": lambda x: x.var(-1),
    "norm": lambda x: torch.linalg.vector_norm(x, dim=-1),
    "slope": lambda x: F.prelu(x, torch.tensor([0.3], dtype=x.dtype, requires_grad=True)),
    "in place": lambda x: (2 * x).relu_(),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_keeps_its_derivative(name):
    x = torch.rand(3, 4, dtype=torch.float64, requires_grad=True)
    score = ACTIVATIONS[name](x).sum()
    (g,) = torch.autograd.grad(score, x, retain_graph=True)
    torch.testing.assert_close(relevance(score, x, rules=GIM), x.detach() * g, **TIGHT)


@pytest.mark.parametrize("f", [F.silu, lambda x: x * torch.sigmoid(x), lambda x: x / (1 + torch.exp(-x))])
def test_a_gated_product_gets_halves_of_the_derivative(f):
    x, y = rows(3, 4), rows(3, 4)
    score = (f(x) * y).sum()
    g = torch.autograd.grad(score, (x, y), retain_graph=True)
    for actual, tensor, derivative in zip(relevance(score, (x, y), rules=GIM), (x, y), g, strict=True):
        torch.testing.assert_close(actual, tensor.detach() * derivative / 2, **TIGHT)


NESTED = {
    "(x y) sigmoid(x)": lambda x, y: (x * y) * torch.sigmoid(x),
    "x (y sigmoid(x))": lambda x, y: x * (y * torch.sigmoid(x)),
    "a stack of x, sigmoid(x), y": lambda x, y: torch.stack([x, torch.sigmoid(x), y]).prod(0),
    "(x y) / (1 + exp(-x))": lambda x, y: (x * y) / (1 + torch.exp(-x)),
}


@pytest.mark.parametrize("name", NESTED)
def test_an_activation_in_two_brackets_is_one_factor(name):
    x, y = rows(3, 4), rows(3, 4)
    expected = relevance((F.silu(x) * y).sum(), (x, y), rules=GIM)
    actual = relevance(NESTED[name](x, y).sum(), (x, y), rules=GIM)
    torch.testing.assert_close(actual, expected, **TIGHT)


def test_running_products_of_functions_of_one_tensor_are_refused():
    x, y = rows(3, 4), rows(3, 4)
    with pytest.raises(RelevanceError, match="CumprodBackward0 multiplies functions of one tensor"):
        relevance(torch.stack([x, torch.sigmoid(x), y]).cumprod(0).sum(), (x, y), rules=GIM)


# ---- The whole set


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.attention = torch.nn.MultiheadAttention(8, 2, batch_first=True)
        self.norms = torch.nn.ModuleList(torch.nn.LayerNorm(8) for _ in range(2))
        self.up, self.down = torch.nn.Linear(8, 16), torch.nn.Linear(16, 8)

    def forward(self, x):
        h = self.norms[0](x)
        x = x + self.attention(h, h, h, need_weights=False)[0]
        return (x + self.down(F.gelu(self.up(self.norms[1](x)))))[:, 0, 0]


def test_a_transformer_passes_the_checks():
    block, x = Block().eval(), torch.randn(3, 5, 8)
    table = check(block, x, rules=GIM)
    assert table.passed, str(table)
    score = block(x.requires_grad_())
    rules = {row.rule for row in explain_rules(score, x, rules=GIM, model=block).rows}
    assert {"derivative at temperature 2", "derivative", "scale constant"} <= rules
    account = ledger(score, x, rules=GIM, model=block)
    assert any("keeps its derivative" in note for note in account.notes)
