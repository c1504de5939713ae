"""Small random networks: whatever they consist of, relevance is conserved under CP-LRP."""

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from lrp_domains import CP_LRP, ledger

ROWS, TOKENS, WIDTH = 2, 3, 4


def weights(draw: st.DataObject, *shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(draw.draw(st.integers(0, 2**16)))
    return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()


def bounded(x):
    """Bound x, as a tanh or sigmoid that rounds to 1 would lose its argument (docs/method.md, Limits)."""
    return F.layer_norm(x, (WIDTH,))


def computed_parameter(draw):
    """Compute a summand from parameters, like position embeddings that pass a norm and a projection."""
    scale, shift = weights(draw, WIDTH), weights(draw, WIDTH)
    return F.prelu(F.layer_norm(weights(draw, TOKENS, WIDTH), (WIDTH,), scale, shift).tanh(), weights(draw, 1))


def attention(draw, x, y):
    q, k, v = (x @ weights(draw, WIDTH, WIDTH) for _ in range(3))
    if draw.draw(st.booleans()):
        return F.scaled_dot_product_attention(q.unsqueeze(1), k.unsqueeze(1), v.unsqueeze(1)).squeeze(1)
    return torch.softmax(q @ k.mT / 2, dim=-1) @ v


def written_in_place(draw, x, y):
    z = x.clone()
    z[:, 0] = y[:, 1]
    z[:, 1] += y[:, 2]
    return z


def gated_step(draw, x, y):
    """Compute a step as in a GRU: a gate chooses between two signals."""
    gate = torch.sigmoid(x @ weights(draw, WIDTH, WIDTH) + weights(draw, WIDTH))
    return (1 - gate) * torch.tanh(bounded(y) @ weights(draw, WIDTH, WIDTH)) + gate * x


# Functions of two tensors of one shape (and a way to draw parameters) that return a third of that shape.
STEPS = {
    "sum": lambda draw, x, y: x + y,
    "difference": lambda draw, x, y: x - 2 * y,
    "product": lambda draw, x, y: x * y,
    "square": lambda draw, x, y: x * x,
    "matrix product": lambda draw, x, y: x @ y.mT @ x,
    "einsum": lambda draw, x, y: torch.einsum("btc,bsc->bts", x, y) @ y,
    "dense": lambda draw, x, y: F.linear(x, weights(draw, WIDTH, WIDTH), weights(draw, WIDTH)),
    "without bias": lambda draw, x, y: F.linear(x, weights(draw, WIDTH, WIDTH)),
    "convolution": lambda draw, x, y: F.conv1d(x, weights(draw, TOKENS, TOKENS, 3), weights(draw, TOKENS), padding=1),
    "scale": lambda draw, x, y: x * weights(draw, WIDTH),
    "shift": lambda draw, x, y: x + weights(draw, WIDTH),
    "shift by a computed parameter": lambda draw, x, y: x + computed_parameter(draw),
    "swapped": lambda draw, x, y: x.transpose(0, 1).reshape(ROWS, TOKENS, WIDTH),
    "rolled": lambda draw, x, y: torch.cat([x[:, 1:], y[:, :1]], dim=1),
    "stacked": lambda draw, x, y: torch.stack([x, y]).mean(0),
    "split": lambda draw, x, y: torch.cat(x.chunk(2, dim=-1)[::-1], dim=-1),
    "gathered": lambda draw, x, y: x.gather(1, torch.tensor([2, 0, 0]).view(1, 3, 1).expand(ROWS, TOKENS, WIDTH)),
    "indexed": lambda draw, x, y: x[:, [1, 1, 0]],
    "cumulated": lambda draw, x, y: x.cumsum(1),
    "largest": lambda draw, x, y: torch.maximum(x, y),
    "written": written_in_place,
    "relu": lambda draw, x, y: F.relu(x),
    "gelu": lambda draw, x, y: F.gelu(x),
    "silu": lambda draw, x, y: F.silu(x),
    "tanh": lambda draw, x, y: torch.tanh(bounded(x)),
    "elu": lambda draw, x, y: F.elu(x),
    "sigmoid layer": lambda draw, x, y: torch.sigmoid(bounded(x)) @ weights(draw, WIDTH, WIDTH),
    "softplus layer": lambda draw, x, y: F.softplus(x) @ weights(draw, WIDTH, WIDTH),
    "exp layer": lambda draw, x, y: torch.exp(bounded(x)) @ weights(draw, WIDTH, WIDTH),
    "gelu by hand": lambda draw, x, y: 0.5 * x * (1 + torch.tanh(0.8 * (x + 0.044715 * x**3))),
    "swish by hand": lambda draw, x, y: x * torch.sigmoid(1.7 * x),
    "gated": lambda draw, x, y: F.silu(x) * y,
    "step": gated_step,
    "layer norm": lambda draw, x, y: F.layer_norm(x, (WIDTH,), weights(draw, WIDTH), weights(draw, WIDTH)),
    "RMS norm": lambda draw, x, y: F.rms_norm(x, (WIDTH,), weights(draw, WIDTH)),
    "RMS norm by hand": lambda draw, x, y: x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-3),
    "layer norm by hand": lambda draw, x, y: (
        (x - x.mean(-1, keepdim=True)) / torch.sqrt(x.var(-1, keepdim=True, unbiased=False) + 1e-3)
    ),
    "unit length": lambda draw, x, y: F.normalize(x, dim=-1),
    "attention": attention,
}


@settings(max_examples=300, deadline=None, derandomize=True)
@given(draw=st.data())
def test_relevance_is_conserved_in_random_networks(draw):
    tensors = [weights(draw, ROWS, TOKENS, WIDTH)]
    names = draw.draw(st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=7))
    for name in names:
        x, y = (draw.draw(st.sampled_from(tensors)) for _ in range(2))
        tensors.append(STEPS[name](draw, x, y))

    score = (tensors[-1] * weights(draw, TOKENS, WIDTH)).sum((1, 2))
    account = ledger(score, tensors[0], rules=CP_LRP)

    # Totals of products and squares may be large and cancel, so rounding is relative to the gross amounts.
    gross = abs(account.score) + account.relevance[0].abs().sum() + sum(map(abs, account.leaves.values()))
    assert abs(account.residue) <= 1e-10 * gross, f"{names}\n{account}"
    assert account.relevance[0].isfinite().all()
