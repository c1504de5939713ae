"""The sum of a neuron: how it is written doesn't matter. Checked against loops and other forms."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from lrp_domains import EPSILON, GAMMA, ledger, relevance, unfused

from .four_neurons import SETS, B, K, U, W, X, draw, explained, weights
from .layer_loops import TIGHT, minus, plus


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


# ---- Half precision and upsampling ---------------------------------------------------------------------------


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
