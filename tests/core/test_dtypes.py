"""Half precision: finite everywhere, and near what float64 gives. Extreme values."""

import pytest
import torch

from lrp_domains import ATTN_LRP, CP_LRP, EPSILON, GAMMA, relevance

from ..architectures import zoo

# How far relevance in 32 and 16 bits may be from that in 64, as a part of its length.
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
def test_near_float64(name, rules, dtype):
    exact = torch.cat([r.flatten() for r in explained(name, torch.float64, rules)])
    found = torch.cat([r.flatten() for r in explained(name, dtype, rules)])
    assert found.isfinite().all()
    distance = ((found - exact).norm() / exact.norm()).item()
    assert distance < DISTANCES[dtype], distance


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP, EPSILON, GAMMA], ids=str)
@pytest.mark.parametrize("value", [0.0, 1e-10, -1e-10, 6e-8, 30.0, -30.0])
def test_extreme_inputs_stay_finite(value, rules, dtype):
    """Through every kind of rule at once: identity at and beside 0, norms of constants, gates, products."""
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


def test_huge_values_in_float32():
    x = torch.tensor([1e30, -1e30, 0.0, 1e-30], requires_grad=True)
    score = (torch.nn.functional.gelu(x) + torch.nn.functional.silu(x) + torch.nn.functional.hardswish(x)).sum()
    found = relevance(score, x)
    assert found.isfinite().all()
    assert found[0] == pytest.approx(3e30, rel=1e-6)
