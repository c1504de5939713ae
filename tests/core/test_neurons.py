"""Neurons: how the sum of a neuron was written does not matter. Checked against loops and other forms."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import prune
from torch.utils.checkpoint import checkpoint

from lrp_domains import (
    ALPHA_BETA,
    ATTN_LRP,
    EPSILON,
    GAMMA,
    RelevanceError,
    deep_taylor,
    epsilon,
    flat,
    gamma,
    ledger,
    relevance,
    unfused,
    w_squared,
    z_box,
)

from .test_layers import TIGHT, minus, only, plus

SETS = {"epsilon": only(epsilon(0.1)), "gamma": GAMMA, "alpha-beta": ALPHA_BETA, "deep Taylor": deep_taylor(-4.0, 4.0)}


def draw(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def weights(*shape: int) -> nn.Parameter:
    return nn.Parameter(0.7 * draw(*shape))


def explained(f, inputs, rules, **options) -> torch.Tensor:
    """Return the relevance of all inputs for a weighted sum of the results of f."""
    inputs = [x.detach().clamp(-4, 4).requires_grad_() for x in inputs]
    y = f(*inputs)
    score = (y * torch.linspace(0.5, 1.5, y.numel(), dtype=y.dtype).view_as(y)).sum()
    return torch.cat([r.flatten() for r in relevance(score, inputs, rules=rules, **options)])


W, U, B = weights(4, 6), weights(4, 3), weights(4)
X, K = draw(2, 3, 6), draw(2, 3)


def test_a_sum_that_is_broadcast_equals_its_loop():
    """One query is added to every key, and each sum is a neuron (Bahdanau's attention, time embeddings)."""
    q, k = K.clone().requires_grad_(), X.clone().requires_grad_()
    y = F.linear(q, U, B)[:, None] + F.linear(k, W)
    account = ledger(y, (q, k), rules=GAMMA)
    of_q, of_k, of_b = torch.zeros_like(q), torch.zeros_like(k), 0.0
    with torch.no_grad():
        for row, key, j in torch.cartesian_prod(torch.arange(2), torch.arange(3), torch.arange(4)).tolist():
            parts = [q[row] * U[j], k[row, key] * W[j], B[j : j + 1]]
            z = sum(part.sum() for part in parts).item()
            sign = plus if z > 0 else minus
            favoured = [part + 0.25 * part.clone().apply_(sign) for part in parts]
            shares = [part / sum(f.sum() for f in favoured) * z for part in favoured]
            of_q[row] += shares[0]
            of_k[row, key] += shares[1]
            of_b += shares[2].item()
    torch.testing.assert_close(account.relevance[0], of_q, **TIGHT)
    torch.testing.assert_close(account.relevance[1], of_k, **TIGHT)
    assert sum(account.leaves.values()) == pytest.approx(of_b, rel=1e-10)


EDGES = torch.tensor([0, 1, 2, 0]), torch.tensor([1, 2, 0, 2])
# A network with one layer, and the same with the sum of the neurons in another form.
SAME = {
    "cut, with biases after": (
        lambda x: F.gelu(F.linear(x, W, B)),
        lambda x: F.gelu(torch.cat([t + b for t, b in zip(F.linear(x, W).chunk(2, -1), B.chunk(2), strict=True)], -1)),
    ),
    "sliced, with biases after": (
        lambda x: F.gelu(F.linear(x, W, B)),
        lambda x: F.gelu((lambda y: torch.cat([y[..., :1] + B[:1], y[..., 1:] + B[1:]], -1))(F.linear(x, W))),
    ),
    "indexed before the bias": (
        lambda x: F.gelu(F.linear(x, W, B)),
        lambda x: F.gelu(F.linear(x, W)[..., [3, 2, 1, 0]][..., [3, 2, 1, 0]] + B),
    ),
    "expanded before the bias": (
        lambda x: F.gelu(F.linear(x, W, B)),
        lambda x: F.gelu((F.linear(x, W)[None].expand(2, -1, -1, -1) + B).select(0, 1)),
    ),
    "edges of a graph": (
        lambda x: F.gelu(F.linear(torch.cat([x[0][EDGES[0]], x[0][EDGES[1]]], -1), torch.cat([W, 2 * W], 1), B)),
        lambda x: F.gelu(F.linear(x[0], W)[EDGES[0]] + F.linear(x[0], 2 * W).index_select(0, EDGES[1]) + B),
    ),
    "mean of stacked layers": (
        lambda x: F.gelu(F.linear(x, W[:, :3].repeat(1, 2), B)[None].mean(0)),
        lambda x: F.gelu(
            torch.stack([F.linear(x[..., :3], 2 * W[:, :3], B), F.linear(x[..., 3:], 2 * W[:, :3], B)]).mean(0)
        ),
    ),
    "sum of concatenated columns": (
        lambda x: F.gelu(F.linear(x, W, B)),
        lambda x: F.gelu(
            torch.cat([F.linear(x[..., i : i + 1], W[:, i : i + 1])[..., None] for i in range(6)], -1).sum(-1) + B
        ),
    ),
    "addmm of addmm": (
        lambda x: F.gelu(F.linear(x[0], W, B)),
        lambda x: F.gelu(torch.addmm(torch.addmm(B, x[0, :, :3], W[:, :3].T), x[0, :, 3:], W[:, 3:].T)),
    ),
    "dot products": (
        lambda x: F.gelu(F.linear(x[0, 0], W, B)),
        lambda x: F.gelu(torch.stack([w @ x[0, 0] + b for w, b in zip(W, B, strict=True)])),
    ),
    "frozen weight in einsum": (
        lambda x: F.gelu(F.linear(x, W.detach(), B)),
        lambda x: F.gelu(torch.einsum("bti,oi->bto", x, W.detach()) + B),
    ),
    "computed weight before a softmax": (
        lambda x: torch.softmax(F.linear(x, W, B), -1),
        lambda x: torch.softmax(F.linear(x, W * 1, B), -1),
    ),
    "own scale after the sum": (
        lambda x: F.gelu(0.3 * F.linear(x, W, B)),
        lambda x: F.gelu(F.linear(x, W, B) / torch.tensor(1 / 0.3, dtype=torch.float64)),
    ),
    "channels normalised one by one": (
        lambda x: F.gelu(F.linear((x - torch.arange(6.0)) / torch.arange(1.0, 7), W, B)),
        lambda x: F.gelu(F.linear(torch.stack([(x[..., i] - i) / (i + 1) for i in range(6)], -1), W, B)),
    ),
    "checkpointed": (
        lambda x: F.gelu(F.linear(x, W, B)[:, [0, 2, 1]]),
        lambda x: F.gelu(checkpoint(lambda t: F.linear(t, W)[:, [0, 2, 1]] + B, x, use_reentrant=False)),
    ),
}


@pytest.mark.parametrize("name", SAME)
@pytest.mark.parametrize("rules", SETS)
def test_the_form_of_a_sum_does_not_change_the_relevance(name, rules):
    reference, form = SAME[name]
    torch.testing.assert_close(reference(X), form(X))
    torch.testing.assert_close(
        explained(form, [X], SETS[rules]), explained(reference, [X], SETS[rules]), rtol=1e-9, atol=1e-11
    )


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("rules", SETS)
def test_a_recurrent_layer_equals_its_cell_step_by_step(kind, rules):
    """torch's layer multiplies the inputs of all steps at once and splits the result; a cell takes step by step."""
    layer, cell = getattr(nn, kind)(6, 4, batch_first=True).double(), getattr(nn, f"{kind}Cell")(6, 4).double()
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in layer.state_dict().items()})

    def steps(x):
        state, outputs = None, []
        for x_t in x.unbind(1):
            state = cell(x_t, state)
            outputs.append(state[0] if kind == "LSTM" else state)
        return torch.stack(outputs, 1)

    with unfused():
        torch.testing.assert_close(
            explained(lambda x: layer(x)[0], [X], SETS[rules]),
            explained(steps, [X], SETS[rules]),
            rtol=1e-9,
            atol=1e-11,
        )


def test_the_relevance_of_a_recurrent_layer_takes_linear_time_in_the_steps():
    """Relevance passes back through the split into steps once for all steps, not once per step."""
    layer = nn.RNN(3, 4, batch_first=True)
    x = torch.randn(1, 1500, 3, requires_grad=True)
    with unfused():
        y = layer(x)[0]
    assert relevance(y[:, -1].sum(), x, rules=EPSILON).isfinite().all()


def test_keys_of_a_constant_context_are_not_weights():
    """The products in the attention of one sequence to a constant context, by hand and fused, are not layers."""
    queries, keys, context = weights(6, 4), weights(6, 4), draw(5, 6)

    def by_hand(x):
        return torch.softmax(x @ queries @ (context @ keys).T / 2, -1) @ (context @ keys)

    def fused(x):
        q, k = (x @ queries)[None, None], (context @ keys)[None, None]
        return F.scaled_dot_product_attention(q, k, k)[0, 0]

    x = X[0]
    torch.testing.assert_close(by_hand(x), fused(x))
    torch.testing.assert_close(explained(by_hand, [x], GAMMA), explained(fused, [x], GAMMA), rtol=1e-9, atol=1e-11)


# ---- Several rules in one neuron


def test_the_rule_for_first_layers_requires_all_layers_of_a_neuron_to_read_an_input():
    """``U x + V h`` is one layer of ``[x, h]``, which reads more than the input."""
    below = weights(3, 6)

    def summed(x):
        return F.gelu(F.linear(x, W, B) + F.linear(F.relu(F.linear(x, below)), U))

    def joined(x):
        return F.gelu(F.linear(torch.cat([x, F.relu(F.linear(x, below))], -1), torch.cat([W, U], 1), B))

    rules = SETS["deep Taylor"]
    torch.testing.assert_close(explained(summed, [X], rules), explained(joined, [X], rules), **TIGHT)


def test_each_of_several_rules_in_a_neuron_shares_the_sum_of_its_layers():
    """Gamma is for u only. It shares the sum of u; the bias and v keep LRP-0, wherever the bias is added."""
    model = nn.ModuleDict({"u": nn.Linear(6, 4), "v": nn.Linear(3, 4)}).double()
    u, v = model["u"], model["v"]
    x, k = X[0].clone().requires_grad_(), X[0, :, :3].clone().requires_grad_()
    forms = (
        lambda: u(x) + F.linear(k, v.weight),
        lambda: F.linear(x, u.weight) + F.linear(k, v.weight, u.bias),
        lambda: F.linear(x, u.weight) + F.linear(k, v.weight) + u.bias,
    )
    with torch.no_grad():
        contributions = x[:, None] * u.weight  # row, neuron, input
        z = contributions.sum(-1, keepdim=True)
        favoured = torch.where(z > 0, contributions.clamp(min=0), contributions.clamp(max=0)) * 0.25 + contributions
        of_x = (favoured / favoured.sum(-1, keepdim=True) * z).sum(1)
    for form in forms:
        actual = relevance(form(), (x, k), rules=ATTN_LRP.where({"u.weight": gamma()}), model=model)
        torch.testing.assert_close(actual[0], of_x, **TIGHT)
        torch.testing.assert_close(actual[1], (k * v.weight.sum(0)).detach(), **TIGHT)


# ---- Exceptions by name


def test_a_layer_rule_by_name_ignores_operations_that_are_not_layers():
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.PReLU(), nn.Flatten(), nn.Linear(27, 3)).eval()
    model = nn.Sequential(*model[:4], nn.LayerNorm(27), model[4]).double()
    x = draw(2, 2, 5, 5)
    by_name = explained(model, [x], ATTN_LRP.where({"*": gamma()}), model=model)
    by_kind = explained(model, [x], ATTN_LRP.for_nodes({"dense": gamma(), "convolution": gamma()}))
    torch.testing.assert_close(by_name, by_kind, **TIGHT)
    with pytest.warns(UserWarning, match=r"parameter named '1\.\*'.*only to dense layers and convolutions"):
        explained(model, [x], ATTN_LRP.where({"1.*": gamma()}), model=model)


class LowRank(nn.Module):
    def __init__(self):
        super().__init__()
        self.base, self.a, self.b = nn.Linear(6, 4), nn.Parameter(torch.randn(2, 6)), nn.Parameter(torch.randn(4, 2))

    def forward(self, x):
        return F.linear(x, self.base.weight + self.b @ self.a, self.base.bias)


COMPUTED = {
    "weight norm": (lambda: nn.utils.parametrizations.weight_norm(nn.Linear(6, 4)), "*.original1"),
    "spectral norm": (lambda: nn.utils.parametrizations.spectral_norm(nn.Linear(6, 4)).eval(), "*.original"),
    "pruned": (lambda: prune.random_unstructured(nn.Linear(6, 4), "weight", 0.3), "weight_orig"),
    "low rank": (LowRank, "a"),
}


@pytest.mark.parametrize("name", COMPUTED)
def test_a_layer_rule_by_name_reaches_computed_weights(name):
    make, glob = COMPUTED[name]
    model = make().double()
    actual = explained(model, [X], ATTN_LRP.where({glob: gamma()}), model=model)
    torch.testing.assert_close(actual, explained(model, [X], GAMMA), **TIGHT)


def test_layers_without_a_formula_are_refused_by_name():
    model = nn.Bilinear(6, 6, 2).double()
    with pytest.raises(RelevanceError, match=r"gamma.*'weight'.*no formula for TrilinearBackward0"):
        explained(lambda x: model(x, x), [X], ATTN_LRP.where({"weight": gamma()}), model=model)


def test_a_rule_by_name_that_applies_to_nothing_is_warned_of():
    model, x = nn.Linear(6, 4).double().requires_grad_(False), X.clone().requires_grad_()
    with pytest.warns(UserWarning, match="parameter named 'weight'.*copy of a frozen parameter"):
        explained(lambda x: F.linear(x, model.weight * 1), [X], ATTN_LRP.where({"weight": gamma()}), model=model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        relevance(model(x), x, rules=ATTN_LRP.where({"weight": gamma()}), model=model)


# ---- First layers


@pytest.mark.parametrize("rule", [flat(), w_squared(), z_box(-4.0, 4.0)], ids=str)
def test_padding_gets_no_relevance_from_a_first_layer(rule):
    kernel = weights(2, 1, 3, 3)
    x = draw(1, 1, 4, 4).clamp(-4, 4).requires_grad_()
    inside, before = F.conv2d(x, kernel, padding=1), F.conv2d(F.pad(x, (1, 1, 1, 1)), kernel)
    actual = relevance(inside, x, rules=only(rule))
    torch.testing.assert_close(relevance(before, x, rules=only(rule)), actual, **TIGHT)
    torch.testing.assert_close(actual.sum(), inside.sum().detach(), **TIGHT)


@pytest.mark.parametrize("rule", [flat(), w_squared(), z_box(-4.0, 4.0)], ids=str)
def test_a_first_layer_may_read_several_inputs(rule):
    def joined(a, c):
        return F.gelu(F.linear(torch.cat([2 * a, c], -1), torch.cat([W, U], 1), B))

    def apart(a, c):
        return F.gelu(F.linear(2 * a, W, B) + F.linear(c, U))

    inputs = [X[0], X[0, :, :3]]
    torch.testing.assert_close(explained(joined, inputs, only(rule)), explained(apart, inputs, only(rule)), **TIGHT)


def test_scaling_before_a_first_layer_is_part_of_its_weights():
    scale = torch.arange(1.0, 7, dtype=torch.float64)
    for rule in (w_squared(), flat()):
        actual = explained(lambda x: F.linear(x * scale, W / scale), [X], only(rule))
        torch.testing.assert_close(actual, explained(lambda x: F.linear(x, W), [X], only(rule)), **TIGHT)


def test_z_box_is_refused_for_other_layers_and_outside_its_bounds():
    with pytest.raises(RelevanceError, match=r"z_box.*reads an explained input directly; here GeluBackward0"):
        explained(lambda x: F.linear(F.gelu(x), W), [X], only(z_box(-9, 9)))
    bound = torch.ones(6, dtype=torch.float64)
    for x in (0.5 * bound, 2 * bound):
        with pytest.raises(RelevanceError, match="outside the given bounds"):
            explained(lambda x: F.linear(x, W), [x], only(z_box(bound, bound)))


def test_a_long_path_to_the_first_layer_takes_linear_time():
    layer, rules = nn.Linear(4, 4).double(), deep_taylor(0.0, 1.0)
    x = torch.rand(2, 4, dtype=torch.float64, requires_grad=True)
    expected = relevance(layer(x).sum(), x, rules=rules)
    scaled, turned = x, x
    for _ in range(600):
        scaled = scaled * 1.0 + 0.0
    for _ in range(40):
        turned = torch.cat([turned[:, 1:], turned[:, :1]], 1)
    torch.testing.assert_close(relevance(layer(scaled).sum(), x, rules=rules), expected, **TIGHT)
    torch.testing.assert_close(relevance(layer(turned).sum(), x, rules=rules), expected, **TIGHT)


# ---- Sums in half precision, and after upsampling


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_sums_in_half_precision_may_have_constant_layers_and_indices(dtype):
    a, b = nn.Linear(4, 4), nn.Linear(4, 4)
    x, context = torch.randn(3, 3, 4), torch.randn(3, 3, 4)

    def explained(dtype: torch.dtype) -> torch.Tensor:
        leaf = x.to(dtype).requires_grad_()
        layers = a.to(dtype), b.to(dtype)
        z = layers[0](leaf)[:, [0, 1]] + layers[1](leaf)[:, [1, 2]] + layers[1](context.to(dtype))[:, :2]
        return relevance(torch.tanh(z).sum(), leaf, rules=GAMMA)

    expected, scale = explained(torch.float32), explained(torch.float32).abs().max()
    assert (explained(dtype).float() - expected).abs().max() < 0.1 * scale


@pytest.mark.parametrize("rules", SETS.values(), ids=SETS)
def test_nearest_upsampling_equals_repeating(rules):
    lateral, top = nn.Conv2d(2, 3, 1).double(), nn.Conv2d(2, 3, 1).double()
    x = draw(1, 2, 4, 4).clamp(-4, 4).requires_grad_()

    def score(repeated) -> torch.Tensor:
        return torch.relu(lateral(x) + repeated(top(x[..., ::2, ::2]))).sum()

    by_hand = score(lambda y: y.repeat_interleave(2, -1).repeat_interleave(2, -2))
    expected = relevance(by_hand, x, rules=rules)
    actual = relevance(score(lambda y: F.interpolate(y, scale_factor=2)), x, rules=rules)
    torch.testing.assert_close(actual, expected, **TIGHT)
