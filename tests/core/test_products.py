"""Products of two tensors that carry relevance, gates, quotients, and activations written as a product."""

import math

import pytest
import torch
import torch.nn.functional as F

from lrp_domains import ATTN_LRP, CP_LRP, RelevanceError, ledger, relevance

TIGHT = {"rtol": 1e-12, "atol": 1e-14}


def tensor(*shape: int, carries: bool = True) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=carries)


def halves(a, b, output):
    """Return half of gradient x input for each: the uniform rule for a product that is linear in a and in b."""
    return [t * g / 2 for t, g in zip((a, b), torch.autograd.grad(output, (a, b)), strict=True)]


PRODUCTS = {
    "mul": lambda a, b: a * b,
    "mul, broadcast": lambda a, b: a[:, :1] * b,
    "mm": lambda a, b: a @ b,
    "bmm": lambda a, b: torch.bmm(a[None], b[None]),
    "addmm": lambda a, b: torch.addmm(torch.ones(3, dtype=torch.float64), a, b),
    "baddbmm": lambda a, b: torch.baddbmm(torch.zeros(1, 3, 3, dtype=torch.float64), a[None], b[None]),
    "mv": lambda a, b: torch.mv(a, b[0]),
    "dot": lambda a, b: torch.dot(a[0], b[0]),
    "einsum": lambda a, b: torch.einsum("ij,kj->ik", a, b),
    "einsum, elementwise": lambda a, b: torch.einsum("ij,ij->j", a, b),
    "addcmul": lambda a, b: torch.addcmul(torch.zeros(3, dtype=torch.float64), a, b),
    "convolution by what was computed": lambda a, b: F.conv1d(a[None], b[:, :, None]),
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_two_factors_that_carry_relevance_get_half_each(name):
    a, b = tensor(3, 3), tensor(3, 3)
    weights = torch.randn_like(PRODUCTS[name](a, b))
    expected = halves(a, b, (PRODUCTS[name](a, b) * weights).sum())
    actual = relevance((PRODUCTS[name](a, b) * weights).sum(), (a, b))
    for of_factor, half in zip(actual, expected, strict=True):
        torch.testing.assert_close(of_factor, half, **TIGHT)


@pytest.mark.parametrize("name", PRODUCTS)
@pytest.mark.parametrize("requires_grad", [True, False])
def test_a_parameter_never_gets_a_share(name, requires_grad):
    x, w = tensor(3, 3), tensor(3, 3, carries=requires_grad)
    score = PRODUCTS[name](x, w).sum()
    (g,) = torch.autograd.grad(score, x, retain_graph=True)
    torch.testing.assert_close(relevance(score, x), x.detach() * g, **TIGHT)


def test_three_factors_of_one_operation_get_a_third():
    a, b, w = tensor(4, 3), tensor(4, 2), tensor(5, 3, 2)
    y = F.bilinear(a, b, w)
    for actual, x in zip(relevance(y, (a, b, w)), (a, b, w), strict=True):
        assert actual.sum().item() == pytest.approx(y.sum().item() / 3, rel=1e-12)
        torch.testing.assert_close(actual, x * torch.autograd.grad(F.bilinear(a, b, w).sum(), x)[0] / 3, **TIGHT)


@pytest.mark.parametrize("zeros", [0, 1, 2])
def test_factors_of_running_products_get_equal_shares(zeros):
    x = tensor(5)
    x.data[1 : 1 + zeros] = 0.0
    product = x.prod()
    expected = torch.full((5,), product.item() / 5, dtype=torch.float64)
    torch.testing.assert_close(relevance(product, x), expected, **TIGHT)
    weights = torch.randn(5, dtype=torch.float64)
    actual = relevance((x.cumprod(0) * weights).sum(), x)
    expected = [
        sum(math.prod(x[: k + 1].tolist()) * weights[k].item() / (k + 1) for k in range(i, 5)) for i in range(5)
    ]
    torch.testing.assert_close(actual, torch.tensor(expected, dtype=torch.float64), **TIGHT)


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_running_products_along_a_dimension_equal_those_of_each_line(dim):
    x = tensor(2, 3, 2)
    weights = torch.randn(2, 3, 2, dtype=torch.float64)
    actual = relevance((x.cumprod(dim) * weights).sum(), x)
    lines, of_weights, parts = (t.detach().movedim(dim, 0).flatten(1).unbind(1) for t in (x, weights, actual))
    for line, weight, part in zip(lines, of_weights, parts, strict=True):
        alone = line.clone().requires_grad_()
        torch.testing.assert_close(part, relevance((alone.cumprod(0) * weight).sum(), alone), **TIGHT)
    product = x.prod(dim)
    expected = (product / x.shape[dim]).unsqueeze(dim).expand_as(x).detach()
    torch.testing.assert_close(relevance(product, x), expected, **TIGHT)


def test_the_numerator_of_a_quotient_takes_all():
    a, b = tensor(4), tensor(4)
    for_a, for_b = relevance((a / b).sum(), (a, b))
    torch.testing.assert_close(for_a, (a / b).detach(), **TIGHT)
    assert (for_b == 0).all()


C = math.sqrt(2 / math.pi)
# Activations written by hand, and the same as one node.
BY_HAND = {
    "gelu_new": (
        lambda x: 0.5 * x * (1.0 + torch.tanh(C * (x + 0.044715 * torch.pow(x, 3.0)))),
        lambda x: F.gelu(x, approximate="tanh"),
    ),
    "fast gelu": (
        lambda x: 0.5 * x * (1.0 + torch.tanh(x * C * (1.0 + 0.044715 * x * x))),
        lambda x: F.gelu(x, approximate="tanh"),
    ),
    "gelu with erf": (lambda x: x * 0.5 * (1.0 + torch.erf(x / math.sqrt(2.0))), F.gelu),
    "swish": (lambda x: x * torch.sigmoid(x), F.silu),
    "swish, gate first": (lambda x: torch.sigmoid(x) * x, F.silu),
    "mish": (lambda x: x * torch.tanh(F.softplus(x)), F.mish),
    "mish, in full": (lambda x: x * torch.tanh(torch.log1p(torch.exp(x))), F.mish),
    "hardswish": (lambda x: x * F.relu6(x + 3) / 6, F.hardswish),
    "softsign": (lambda x: x / (1 + x.abs()), F.softsign),
}


@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP], ids=str)
@pytest.mark.parametrize("name", BY_HAND)
def test_activations_by_hand_follow_the_identity_rule(name, rules):
    by_hand, node = BY_HAND[name]
    x = tensor(200) * 2
    torch.testing.assert_close(by_hand(x), node(x))
    actual = relevance(by_hand(x).sum(), x, rules=rules)
    torch.testing.assert_close(actual, by_hand(x).detach(), **TIGHT)  # R_x = R_y
    torch.testing.assert_close(actual, relevance(node(x).sum(), x, rules=rules), rtol=1e-9, atol=1e-10)


def test_other_products_are_not_mistaken_for_activations():
    x, y = tensor(4), tensor(4)
    linear = torch.nn.Linear(4, 4).double()
    for score, parts in [
        ((x * torch.tanh(y)).sum(), (x, y)),  # h of another tensor
        (((x + y) * torch.tanh(x)).sum(), (x, y)),  # the signal is not x times a constant
    ]:
        actual = relevance(score, parts)
        assert sum(r.sum() for r in actual).item() == pytest.approx(score.item(), rel=1e-12)
        assert actual[0].abs().sum() > 0
        assert actual[1].abs().sum() > 0

    # Not elementwise: half goes through the layer.
    gate = torch.tanh(linear(x))
    actual, through = relevance((x * gate).sum(), (x, gate))
    torch.testing.assert_close(through, (x * gate).detach() / 2, **TIGHT)

    # A square is a product of x with itself: two halves.
    torch.testing.assert_close(relevance((x * x).sum(), x), (x * x).detach(), **TIGHT)


@pytest.mark.parametrize(
    "activation", [F.silu, F.gelu, torch.relu, BY_HAND["gelu_new"][0]], ids=["silu", "gelu", "relu", "new"]
)
def test_a_gated_layer_shares_under_attnlrp_and_has_a_constant_gate_under_cp_lrp(activation):
    """Under AttnLRP, the half of the gate (as in SwiGLU) follows the identity rule."""
    gate, up = tensor(5), tensor(5)
    y = activation(gate) * up
    for actual in relevance(y.sum(), (gate, up)):
        torch.testing.assert_close(actual, y.detach() / 2, **TIGHT)
    y = activation(gate) * up
    torch.testing.assert_close(relevance(y.sum(), up, rules=CP_LRP), y.detach(), **TIGHT)
    for_gate, for_up = relevance((activation(gate) * up).sum(), (gate, up), rules=CP_LRP)
    assert (for_gate == 0).all()
    torch.testing.assert_close(for_up, y.detach(), **TIGHT)


@pytest.mark.parametrize("dim", [2, -1])
def test_in_a_glu_as_one_node_the_gate_is_constant(dim):
    x = tensor(3, 2, 6)
    actual = relevance(F.glu(x, dim), x)
    torch.testing.assert_close(actual[..., :3], F.glu(x, dim).detach(), **TIGHT)
    assert (actual[..., 3:] == 0).all()


@pytest.mark.parametrize("f", [torch.sigmoid, torch.exp, F.softplus, torch.erfc, F.hardsigmoid])
def test_a_gate_is_constant_and_an_activation_is_not(f):
    x, y = tensor(4), tensor(4)
    for_x, for_y = relevance((f(x) * y).sum(), (x, y))
    assert (for_x == 0).all()
    torch.testing.assert_close(for_y, (f(x) * y).detach(), **TIGHT)
    layer = torch.nn.Linear(4, 1, bias=False).double()
    account = ledger(layer(f(x)), x)
    rise = (f(x) - f(torch.zeros(1, dtype=torch.float64))) * layer.weight[0]
    torch.testing.assert_close(account.relevance[0], rise.detach(), rtol=1e-10, atol=1e-12)
    assert account.balanced(1e-10)


def test_an_odd_function_is_an_activation_and_gets_a_share():
    """erf is 0 at 0, whereas GELU multiplies by 1 + erf."""
    x, y = tensor(4), tensor(4)
    for_x, for_y = relevance((torch.erf(x) * y).sum(), (x, y))
    for half in (for_x, for_y):
        torch.testing.assert_close(half, (torch.erf(x) * y / 2).detach(), rtol=1e-10, atol=1e-12)
    assert (relevance((torch.erf(x) * y).sum(), (x, y), rules=CP_LRP)[0] == 0).all()


def test_a_gate_may_be_transformed_before_it_multiplies():
    """This happens in squeeze-and-excite, `1 - z` and routers."""
    x, y = tensor(2, 4), tensor(2, 4)
    for gate in (1 - torch.sigmoid(x), torch.sigmoid(x).unsqueeze(0)[0] * 2, torch.sigmoid(x)[:, :1].expand(2, 4)):
        for_x, for_y = relevance((gate * y).sum(), (x, y))
        assert (for_x == 0).all()
        torch.testing.assert_close(for_y, (gate * y).detach(), **TIGHT)


def test_an_activation_that_is_masked_is_not_a_gate():
    x = tensor(2, 4)
    layer = torch.nn.Linear(4, 1, bias=False).double()
    mask = torch.tensor([[1.0, 0.0, 1.0, 1.0], [1.0, 1.0, 0.0, 0.0]], dtype=torch.float64)
    account = ledger(layer(torch.sigmoid(x) * mask), x, rules=CP_LRP)
    assert account.balanced(1e-12)
    assert ((account.relevance[0] != 0) == (mask != 0)).all()


def test_no_relevance_flows_from_a_probability_under_cp_lrp():
    x = tensor(2, 4)
    with pytest.raises(RelevanceError, match=r"no relevance flows.*logit rather than a probability"):
        relevance(torch.softmax(x, -1)[:, 1], x, rules=CP_LRP)
