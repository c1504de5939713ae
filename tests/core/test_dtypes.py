"""Half precision and extreme values: relevance is finite everywhere, and near that in float64."""

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
    RelevanceError,
    deep_taylor,
    relevance,
)

from ..architectures import zoo

# The largest distance of relevance in 32 and 16 bits from that in 64, relative to its length.
DISTANCES = {torch.float32: 1e-4, torch.float16: 0.02, torch.bfloat16: 0.25}
MODELS = ["bert", "llama", "causal/gpt2", "causal/gemma3_text", "image/vit", "torch/vgg", "torch/transformer-gelu"]


def explained(name: str, dtype: torch.dtype, rules) -> list[torch.Tensor]:
    case = zoo.build(name, torch.float64)
    case.model.to(dtype)
    for key, value in case.batch.items():
        if value.is_floating_point():
            case.batch[key] = value.detach().to(dtype).requires_grad_(value.requires_grad)
    score, inputs = zoo.forward(case)
    return [r.double() for r in relevance(score, inputs, rules=rules)]


@pytest.mark.parametrize("dtype", DISTANCES, ids=str)
@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP], ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_relevance_of_models_in_lower_precision_is_near_float64(name, rules, dtype):
    exact = torch.cat([r.flatten() for r in explained(name, torch.float64, rules)])
    actual = torch.cat([r.flatten() for r in explained(name, dtype, rules)])
    assert actual.isfinite().all()
    distance = ((actual - exact).norm() / exact.norm()).item()
    assert distance < DISTANCES[dtype], distance


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP, EPSILON, GAMMA], ids=str)
@pytest.mark.parametrize("value", [0.0, 1e-10, -1e-10, 6e-8, 30.0, -30.0])
def test_the_relevance_of_extreme_inputs_is_finite(value, rules, dtype):
    """The score passes every kind of rule: identity at and near 0, norms of constants, gates, products."""
    first, second = (torch.nn.Linear(4, 4, bias=False).to(dtype) for _ in range(2))
    x = torch.full((2, 3, 4), value, dtype=dtype)
    x[0, 0, 0] = 1.0
    x.requires_grad_()
    h = torch.nn.functional.gelu(first(x)) * torch.sigmoid(second(x)) + torch.nn.functional.silu(x)
    h = torch.nn.functional.layer_norm(h, (4,)) + torch.tanh(x) + torch.nn.functional.elu(x)
    h = torch.nn.functional.scaled_dot_product_attention(h, h, h)
    score = (h * x / (1 + x.abs())).sum()
    assert score.isfinite()
    assert relevance(score, x, rules=rules).isfinite().all()


def test_the_relevance_of_huge_values_is_exact_in_float32():
    x = torch.tensor([1e30, -1e30, 0.0, 1e-30], requires_grad=True)
    score = (torch.nn.functional.gelu(x) + torch.nn.functional.silu(x) + torch.nn.functional.hardswish(x)).sum()
    actual = relevance(score, x)
    assert actual.isfinite().all()
    assert actual[0] == pytest.approx(3e30, rel=1e-6)


def convolutional(dtype: torch.dtype) -> nn.Module:
    torch.manual_seed(1)
    layers = (
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3),
    )  # fmt: skip
    return nn.Sequential(*layers).to(dtype).eval()


LAYER_RULES = [ATTN_LRP, EPSILON, GAMMA, ALPHA_BETA, EPSILON_PLUS]


@pytest.mark.parametrize("rules", [*LAYER_RULES, deep_taylor(-6, 6)], ids=str)
@pytest.mark.parametrize(("dtype", "distance"), [(torch.float16, 0.01), (torch.bfloat16, 0.15)], ids=str)
def test_layer_rules_of_a_convolutional_network_are_near_float64(rules, dtype, distance):
    image = torch.randn(2, 3, 8, 8, dtype=torch.float64).clamp(-6, 6)
    image[:, 0, :4] = 0.0
    image[:, 1, 0, :2] = torch.tensor([1e-10, -1e-10])
    exact, actual = (
        relevance(convolutional(d)(x)[:, 0], x, rules=rules).double()
        for d in (torch.float64, dtype)
        for x in [image.to(d).requires_grad_()]
    )
    assert actual.isfinite().all()
    assert ((actual - exact).norm() / exact.norm()).item() < distance


@pytest.mark.parametrize("rules", [*LAYER_RULES, deep_taylor(0, 1.1e4)], ids=str)
def test_large_contributions_that_cancel_do_not_overflow_in_float16(rules):
    """All activations and the score fit into float16, but not all relevances z * g of hidden neurons do."""
    rows = 0.4 + torch.rand(3, 4, dtype=torch.float64) / 10
    first = torch.stack([rows, 0.98 * rows], 1).flatten(0, 1)
    second = torch.tensor([[10.0, -10.0] * 3], dtype=torch.float64)
    values = 5000 + 5000 * torch.rand(3, 4, dtype=torch.float64)

    def explained(dtype):
        x = values.to(dtype).requires_grad_()
        w, v = (weight.to(dtype).requires_grad_() for weight in (first, second))
        hidden = F.relu(F.linear(x, w))
        score = F.linear(hidden, v)
        assert score.isfinite().all()
        if dtype == torch.float16:
            assert (hidden * v).isinf().any()
        return relevance(score, x, rules=rules).double()

    exact, actual = explained(torch.float64), explained(torch.float16)
    assert ((actual - exact).norm() / exact.norm()).item() < 0.01


FUNCTIONS = {
    "relu": F.relu, "gelu": F.gelu, "tanh gelu": lambda x: F.gelu(x, approximate="tanh"), "silu": F.silu,
    "mish": F.mish, "hardswish": F.hardswish, "elu": F.elu, "celu": F.celu, "selu": F.selu, "softplus": F.softplus,
    "tanh": torch.tanh, "sigmoid": torch.sigmoid, "log sigmoid": F.logsigmoid, "hardtanh": F.hardtanh,
    "hardsigmoid": F.hardsigmoid, "softshrink": F.softshrink, "hardshrink": F.hardshrink, "atan": torch.atan,
    "sin": torch.sin, "cos": torch.cos, "sinh": torch.sinh, "erf": torch.erf, "exp": torch.exp, "expm1": torch.expm1,
    "softsign": F.softsign, "square": torch.square, "quick gelu": lambda x: x * torch.sigmoid(1.702 * x),
    "layer norm": lambda x: F.layer_norm(x, (3,)), "RMS norm": lambda x: F.rms_norm(x, (3,)),
    "unit length": lambda x: F.normalize(x, dim=-1), "softmax": lambda x: torch.softmax(x, -1),
    "RMS norm by hand": lambda x: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6),
}  # fmt: skip
VALUES = {
    torch.float64: [0.0, 1e-10, 1e-310, 1e150],
    torch.float32: [0.0, 1e-10, 1e-40, 88.0, 1e30],
    torch.float16: [0.0, 1e-10, 6e-8, 1e-5, 11.0, 1e4, 6e4],
    torch.bfloat16: [0.0, 1e-10, 88.0, 1e30],
}


@pytest.mark.parametrize("dtype", VALUES, ids=str)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_relevance_is_finite_where_the_forward_pass_is(name, dtype):
    count = 0
    for value in [sign * v for v in VALUES[dtype] for sign in (1, -1)]:
        x = torch.tensor([[value, 1.0, -0.5]], dtype=dtype, requires_grad=True)
        y = FUNCTIONS[name](x)
        score = (y * torch.tensor([0.5, 0.25, 0.5], dtype=dtype)).sum()
        if y.isfinite().all() and score.isfinite():
            count += 1
            assert relevance(score, x).isfinite().all(), value
    assert count >= 6


def test_an_overflow_of_the_forward_pass_is_refused():
    x = torch.tensor([6e4], dtype=torch.float16, requires_grad=True)
    with pytest.raises(RelevanceError, match="not finite"):
        relevance(2 * x, x)


def test_under_autocast_relevance_keeps_the_inputs_dtype():
    model = nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.LayerNorm(8), nn.Linear(8, 4))
    x = torch.randn(3, 6, requires_grad=True)
    exact = relevance(model(x)[:, 1], x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        score = model(x)[:, 1]
    assert score.dtype == torch.bfloat16
    actual = relevance(score, x)
    assert actual.dtype == torch.float32
    assert 0 < ((actual - exact).norm() / exact.norm()).item() < 0.05
