"""The roles of values: gates that multiply a signal, or features, whose relevance no branch may lose."""

import math
import time

import pytest
import torch
import torch.nn.functional as F

from lrp_domains import ATTN_LRP, CP_LRP, ledger, relevance, unfused

from .random_rows import rows

TIGHT = {"rtol": 1e-12, "atol": 1e-14}


def sigma(v: float) -> float:
    return 1 / (1 + math.exp(-v))


# ---- Features: a branch's function of two rows, and the relevance of the entries of the first row ------------

FEATURES = {
    "two sigmoids": (
        lambda a, b: torch.sigmoid(a) * torch.sigmoid(b),
        lambda a, b: [sigma(q) * (sigma(p) - 0.5) / 2 for p, q in zip(a, b, strict=True)],
    ),
    "two exps": (
        lambda a, b: torch.exp(a) * torch.exp(b),
        lambda a, b: [math.exp(q) * (math.exp(p) - 1) / 2 for p, q in zip(a, b, strict=True)],
    ),
    "what two gates leave": (
        lambda a, b: (1 - torch.sigmoid(a)) * (1 - torch.sigmoid(b)),
        lambda a, b: [-(sigma(p) - 0.5) * (1 - sigma(q)) / 2 for p, q in zip(a, b, strict=True)],
    ),
    "a sigmoid by hand": (
        lambda a, b: 1 / (1 + torch.exp(-a)),
        lambda a, b: [sigma(p) - 0.5 for p in a],
    ),
    "a sigmoid by hand, divided": (
        lambda a, b: torch.ones(4, dtype=torch.float64) / (1 + torch.exp(-a)),
        lambda a, b: [sigma(p) - 0.5 for p in a],
    ),
    "a constant over a square": (
        lambda a, b: torch.full((4,), 3.0, dtype=torch.float64) / (1 + a**2),
        lambda a, b: [3 / (1 + p * p) - 3 for p in a],
    ),
    "an exp of a sigmoid": (
        lambda a, b: torch.exp(torch.sigmoid(a)),
        lambda a, b: [math.exp(sigma(p)) - math.exp(0.5) for p in a],
    ),
    "a sigmoid times a norm": (
        lambda a, b: torch.sigmoid(a) * torch.linalg.vector_norm(b),
        lambda a, b: [(sigma(p) - 0.5) * math.hypot(*b) for p in a],
    ),
    "a deviation": (
        lambda a, b: torch.sqrt(a.var() + 0.1),
        lambda a, b: [p * (p - mean(a)) / 3 / math.sqrt(variance(a) + 0.1) for p in a],
    ),
    "a length, inverted": (
        lambda a, b: torch.linalg.vector_norm(a).rsqrt(),
        lambda a, b: [p * p / math.hypot(*a) ** 2.5 for p in a],
    ),
    "the variance beside the mean": (
        lambda a, b: torch.var_mean(a)[0],
        lambda a, b: [p * (p - mean(a)) / 3 for p in a],
    ),
    "the deviation beside the mean": (
        lambda a, b: sum(torch.std_mean(a, -1, keepdim=True)),
        lambda a, b: [p * (p - mean(a)) / 3 / math.sqrt(variance(a)) + p / 4 for p in a],
    ),
}


def mean(a):
    return sum(a) / len(a)


def variance(a):
    return sum((p - mean(a)) ** 2 for p in a) / (len(a) - 1)


@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP], ids=str)
@pytest.mark.parametrize("name", FEATURES)
def test_gates_that_multiply_only_gates_are_features(name, rules):
    branch, by_hand = FEATURES[name]
    x, a, b = rows(4), rows(4), rows(4)
    actual = relevance(x.sum() + 0.0 * b.sum() + 2.0 * branch(a, b).sum(), (x, a, b), rules=rules)
    torch.testing.assert_close(actual[0], x.detach(), **TIGHT)
    expected = [2 * r for r in by_hand(a.tolist(), b.tolist())]
    torch.testing.assert_close(actual[1], torch.tensor(expected, dtype=torch.float64), **TIGHT)


# ---- Gates, which may be transformed before they multiply a signal -------------------------------------------

INDEX = torch.tensor([[2, 0], [1, 3]])
GATES = {
    "two sigmoids": lambda a, b: torch.sigmoid(a) * torch.sigmoid(b),
    "a sigmoid by hand": lambda a, b: 1 / (1 + torch.exp(-a)),
    "an exp of minus a softplus": lambda a, b: torch.exp(-F.softplus(a)),
    "over their sum and 1": lambda a, b: torch.exp(a) / (1 + torch.exp(a)) * torch.sigmoid(b),
    "over a length": lambda a, b: torch.sigmoid(a) / torch.linalg.vector_norm(b),
    "side by side": lambda a, b: torch.cat([torch.sigmoid(a[:, :1]), torch.sigmoid(b[:, 1:])], 1),
    "stacked": lambda a, b: torch.stack([torch.sigmoid(a), torch.sigmoid(b)]).sum(0),
    "gathered": lambda a, b: torch.sigmoid(a).gather(1, INDEX).repeat(1, 2),
    "the two largest": lambda a, b: torch.sigmoid(a).topk(2)[0].repeat(1, 2),
    "sorted": lambda a, b: torch.sigmoid(a).sort(-1)[0],
    "the largest": lambda a, b: torch.sigmoid(a).amax(-1, keepdim=True),
    "the larger": lambda a, b: torch.maximum(torch.sigmoid(a), torch.sigmoid(b)),
    "multiplied up": lambda a, b: torch.sigmoid(a).cumprod(-1),
    "the deviation beside the mean": lambda a, b: torch.rsqrt(torch.var_mean(a, -1, keepdim=True)[0] + 0.1),
    "a constant over a distance": lambda a, b: torch.ones(2, 4, dtype=torch.float64) / (1 + (a - b) ** 2),
}


@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP], ids=str)
@pytest.mark.parametrize("name", GATES)
def test_the_signal_takes_all_however_gates_are_transformed(name, rules):
    a, b, y = rows(2, 4), rows(2, 4), rows(2, 4)
    product = GATES[name](a, b) * y
    *of_gates, of_signal = relevance((product + 0.0 * b).sum(), (a, b, y), rules=rules)
    assert all((r == 0).all() for r in of_gates)
    torch.testing.assert_close(of_signal, product.detach(), **TIGHT)


def test_the_scale_of_an_rms_norm_by_hand_is_constant_also_for_sigmoids():
    x = rows(3, 4)
    h = torch.sigmoid(x)
    y = h * torch.rsqrt(h.pow(2).mean(-1, keepdim=True) + 1e-6)
    expected = (y * (h - 0.5) / h).detach()
    torch.testing.assert_close(relevance(y.sum(), x), expected, **TIGHT)


@pytest.mark.parametrize("fused", [True, False])
def test_the_values_of_an_attention_are_signals_also_if_they_are_sigmoids(fused):
    q, v = rows(1, 1, 3, 4), rows(1, 1, 3, 4)
    values = torch.sigmoid(v)
    weights = torch.softmax(q @ q.mT / 2, -1)
    y = F.scaled_dot_product_attention(q, q, values) if fused else weights @ values
    expected = (weights.sum(-2, keepdim=True).mT * (values - 0.5)).detach()
    torch.testing.assert_close(relevance(y.sum(), (q, v), rules=CP_LRP)[1], expected, **TIGHT)


# ---- Constants that gates multiply ---------------------------------------------------------------------------


def step(x, state, weights):
    """Compute a step of a GRU without biases, h' = (1 - z) n + z h."""
    z, r, n = (x @ w for w in weights)
    z, r = torch.sigmoid(z), torch.sigmoid(r)
    return (1 - z) * torch.tanh(n) + z * state


@pytest.mark.parametrize("first", ["zeros", "numbers", "a parameter", "a parameter, expanded", "of a layer"])
@pytest.mark.parametrize("batch", [1, 3])
def test_a_gate_times_any_constant_is_an_activation(first, batch):
    """The state before the first step carries no relevance: z times this state is a function of z's argument alone."""
    x, weights = rows(batch, 2), [rows(2, 4).detach() for _ in range(3)]
    states = {
        "zeros": torch.zeros(batch, 4, dtype=torch.float64),
        "numbers": rows(batch, 4).detach(),
        "a parameter": rows(1, 4),
        "a parameter, expanded": rows(1, 4).expand(batch, 4),
        "of a layer": rows(batch, 2) @ rows(2, 4),
    }
    actual = relevance(step(x, states[first], weights).sum(), x)
    z, _, n = ((x @ w).detach() for w in weights)
    g = (1 - torch.sigmoid(z)) * torch.tanh(n) / n
    g_z = (torch.sigmoid(z) - 0.5) / z * states[first]
    expected = x * (g @ weights[2].T + g_z @ weights[0].T)
    torch.testing.assert_close(actual, expected.detach(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("requires_grad", [True, False])
@pytest.mark.parametrize("shape", [(4,), (1, 4)])
def test_a_scaled_activation_is_the_same_in_every_batch(shape, requires_grad):
    """A parameter of a row's shape is a scale, also if the batch has one row."""
    x, scale = rows(3, 4), torch.nn.Parameter(rows(*shape).detach(), requires_grad)
    together = relevance((x + torch.sigmoid(x) * scale).sum(-1), x)
    for row, expected in zip(x, together, strict=True):
        alone = row.detach()[None].requires_grad_()
        torch.testing.assert_close(relevance((alone + torch.sigmoid(alone) * scale).sum(-1), alone)[0], expected)
    torch.testing.assert_close(together, (x + (torch.sigmoid(x) - 0.5) * scale).detach(), **TIGHT)


@pytest.mark.parametrize("of_a_layer", [False, True])
def test_a_sigmoid_with_constant_weights_is_not_a_gate(of_a_layer):
    x = rows(2, 4)
    weights = rows(2, 3) @ rows(3, 4) if of_a_layer else rows(2, 4).detach()
    expected = (x + (torch.sigmoid(x) - 0.5) * weights).detach()
    torch.testing.assert_close(relevance((torch.sigmoid(x) * weights).sum() + x.sum(), x), expected, **TIGHT)


@pytest.mark.parametrize("frozen", [False, True])
def test_in_the_first_step_of_a_gru_the_reset_gate_is_an_activation(frozen):
    """r (U h + c): with h = 0 the reset gate scales a constant, so r c is a function of r's argument alone."""
    module = torch.nn.GRU(2, 3, batch_first=True).double().requires_grad_(not frozen)
    x = rows(2, 1, 2)
    with unfused():
        score = module(x)[0].sum()
    account = ledger(score, x, rules=CP_LRP, model=module)
    z = x[:, 0] @ module.weight_ih_l0.T + module.bias_ih_l0
    r, z, n = (part.detach() for part in z.chunk(3, -1))
    c = [part.detach() for part in module.bias_hh_l0.chunk(3)]
    of_r = (torch.sigmoid(r + c[0]) - 0.5) / (r + c[0]) * c[2]
    r, z = torch.sigmoid(r + c[0]), torch.sigmoid(z + c[1])
    g = (1 - z) * torch.tanh(n + r * c[2]) / (n + r * c[2])
    expected = x[:, 0] * (g @ module.weight_ih_l0[6:] + (g * of_r) @ module.weight_ih_l0[:3])
    torch.testing.assert_close(account.relevance[0][:, 0], expected.detach(), rtol=1e-10, atol=1e-12)
    assert frozen or account.balanced(1e-12)


def test_the_roles_of_thousands_of_gates_are_found_quickly():
    x = rows(4000, 2)
    gates = [torch.sigmoid(row) for row in x.unbind()]
    score = (torch.cat(gates) * x.flatten()).sum()
    start = time.perf_counter()
    relevance(score, x)
    assert time.perf_counter() - start < 3


def test_long_chains_of_scalings_take_linear_time():
    """Each link is multiplied by its tanh: an activation x h(x), whose x is the start of the chain."""
    x, score = rows(3), 0.0
    y = x
    for _ in range(4000):
        y = y * 1.0001
        score = score + (y * torch.tanh(y)).sum()
    start = time.perf_counter()
    actual = relevance(score, x)
    assert time.perf_counter() - start < 6
    assert actual.sum().item() == pytest.approx(score.item(), rel=1e-10)
