"""Norms, fused and written by hand, against (x_i - mean) w_i / std with the scale constant, in loops."""

import math

import pytest
import torch
import torch.nn.functional as F

from lrp_domains import ATTN_LRP, CP_LRP, ledger, relevance

TIGHT = {"rtol": 1e-10, "atol": 1e-12}
EPS = 1e-3


def by_loop(x, w, g, centred):
    """Return R_i of one normalised group, where y_j = sum_i (d_ij - centred / n) x_i w_j / scale is shared by parts."""
    n = len(x)
    mean = sum(x) / n if centred else 0.0
    scale = math.sqrt(sum((value - mean) ** 2 for value in x) / n + EPS)
    return [
        sum(x[i] * ((i == j) - (1 / n if centred else 0.0)) * w[j] / scale * g[j] for j in range(n)) for i in range(n)
    ]


def layer_norm_by_hand(x, w, b):
    mean = x.mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(((x - mean) ** 2).mean(-1, keepdim=True) + EPS) * w + b


def layer_norm_by_var(x, w, b):
    return (x - x.mean(-1, keepdim=True)) * torch.rsqrt(x.var(-1, keepdim=True, unbiased=False) + EPS) * w + b


def layer_norm_by_var_mean(x, w, b):
    var, mean = torch.var_mean(x, dim=-1, keepdim=True, correction=0)
    return w * ((x - mean) / (var + EPS).sqrt()) + b


def rms_norm_by_rsqrt(x, w, b):
    return w * (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + EPS))


def rms_norm_by_power(x, w, b):
    return x * torch.pow(x.square().mean(-1, keepdim=True) + EPS, -0.5) * w


def rms_norm_by_division(x, w, b):
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + EPS) * (1 + (w - 1))


# The norm, and whether it is centred.
NORMS = {
    "layer norm": (lambda x, w, b: F.layer_norm(x, (4,), w, b, EPS), True),
    "by hand": (layer_norm_by_hand, True),
    "by hand, var": (layer_norm_by_var, True),
    "by hand, var_mean": (layer_norm_by_var_mean, True),
    "RMS norm": (lambda x, w, b: F.rms_norm(x, (4,), w, EPS), False),
    "RMS norm by hand, rsqrt": (rms_norm_by_rsqrt, False),
    "RMS norm by hand, power": (rms_norm_by_power, False),
    "RMS norm by hand, division": (rms_norm_by_division, False),
}


@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP], ids=str)
@pytest.mark.parametrize("name", NORMS)
def test_norms_equal_their_loop(name, rules):
    norm, centred = NORMS[name]
    x = torch.randn(3, 2, 4, dtype=torch.float64, requires_grad=True)
    w, b, g = (torch.randn(4, dtype=torch.float64, requires_grad=True) for _ in range(3))
    actual = relevance((norm(x, w, b) * g).sum(), x, rules=rules)
    expected = [[by_loop(row, w.tolist(), g.tolist(), centred) for row in rows] for rows in x.tolist()]
    torch.testing.assert_close(actual, torch.tensor(expected, dtype=torch.float64), **TIGHT)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("kind", ["layer over two dimensions", "group", "instance", "group on images"])
def test_grouped_norms_equal_the_loop_of_each_group(kind, affine):
    groups = {"layer over two dimensions": 1, "group": 2, "instance": 4, "group on images": 2}[kind]
    size = (3, 2) if kind == "group on images" else (3,)
    x = torch.randn(2, 4, *size, dtype=torch.float64, requires_grad=True)
    module = {
        "layer over two dimensions": lambda: torch.nn.LayerNorm((4, 3), EPS, affine),
        "instance": lambda: torch.nn.InstanceNorm1d(4, EPS, affine=affine),
    }.get(kind, lambda: torch.nn.GroupNorm(2, 4, EPS, affine))()
    module = module.double().eval()

    w = torch.ones(4, *size, dtype=torch.float64)
    if affine:
        module.weight.data.normal_()
        module.bias.data.normal_()
        weight = module.weight.detach()
        w = weight if weight.ndim > 1 else weight.view(4, *[1] * len(size)).expand(4, *size)

    g = torch.randn_like(x)
    actual = relevance((module(x) * g).sum(), x)
    for row in range(2):
        parts = (t.reshape(groups, -1).tolist() for t in (x[row], w, g[row]))
        expected = [by_loop(*group, True) for group in zip(*parts, strict=True)]
        torch.testing.assert_close(
            actual[row].reshape(groups, -1), torch.tensor(expected, dtype=torch.float64), **TIGHT
        )


def test_batch_norm_is_linear_and_its_mean_is_a_leaf():
    module = torch.nn.BatchNorm1d(4, EPS).double().eval()
    for tensor in (module.weight.data, module.bias.data, module.running_mean):
        tensor.normal_()
    module.running_var.uniform_(0.5, 2)
    x, g = torch.randn(3, 4, dtype=torch.float64, requires_grad=True), torch.randn(3, 4, dtype=torch.float64)
    account = ledger((module(x) * g).sum(), x, model=module)
    weight, bias, mean, var = (
        t.tolist() for t in (module.weight, module.bias, module.running_mean, module.running_var)
    )
    total_of_mean = total_of_bias = 0.0
    for i in range(3):
        for c in range(4):
            scale = weight[c] / math.sqrt(var[c] + EPS)
            assert account.relevance[0][i, c].item() == pytest.approx(
                x[i, c].item() * scale * g[i, c].item(), rel=1e-10
            )
            total_of_mean -= mean[c] * scale * g[i, c].item()
            total_of_bias += bias[c] * g[i, c].item()
    assert account.leaves == {
        "bias": pytest.approx(total_of_bias, rel=1e-10),
        "(running mean)": pytest.approx(total_of_mean, rel=1e-10),
    }
    assert account.balanced(1e-12)


def test_the_number_of_nonzero_values_has_no_relevance():
    x = torch.tensor([1.0, 0.0, -2.0], dtype=torch.float64, requires_grad=True)
    assert relevance(torch.linalg.vector_norm(x, 0) + x.sum(), x).tolist() == x.tolist()
