"""Random programs of many operations over tensors of one shape: under CP-LRP relevance is conserved in all of them.

`test_random_networks.py` combines layers; these programs combine heads, experts, rotations, writes in place, and so on.
"""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from lrp_domains import CP_LRP, ledger

from .random_rows import rows

SHAPE = BATCH, TOKENS, WIDTH = 2, 3, 4
INDEX = torch.tensor([2, 0, 0]).view(1, TOKENS, 1).expand(SHAPE)
MASK = torch.tensor([[True, False, True, False], [False, True, True, True], [True, True, False, True]])


def multi_head(x, y, p):
    q, k, v = (F.linear(t, p(WIDTH, WIDTH), p(WIDTH)).unflatten(-1, (2, 2)).transpose(1, 2) for t in (x, y, y))
    mask = torch.ones(TOKENS, TOKENS, dtype=torch.bool).tril()
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask).transpose(1, 2).flatten(2)


def experts(x, y, p):
    """Sum the best two of three experts, weighted by a router's probabilities."""
    best, chosen = (y @ p(WIDTH, 3)).softmax(-1).topk(2)
    outputs = torch.stack([F.gelu(F.linear(x, p(WIDTH, WIDTH), p(WIDTH))) for _ in range(3)], dim=2)
    picked = outputs.gather(2, chosen.unsqueeze(-1).expand(*chosen.shape, WIDTH))
    return (best.unsqueeze(-1) * picked).sum(2)


def written_in_place(x, y, p):
    z = x * p(WIDTH)
    z[:, 1:] = y[:, :2]
    z[..., 0] += y[..., 1]
    z[:, 2] *= 3
    z[torch.tensor([0, 1]), torch.tensor([2, 0])] = y[:, 0]
    return z


def rotated(x, y, p):
    angle = torch.arange(TOKENS, dtype=torch.float64)[:, None] * torch.tensor([1.0, 0.1, 1.0, 0.1])
    return x * angle.cos() + torch.cat([-x[..., 2:], x[..., :2]], -1) * angle.sin()


def softmax_by_hand(x, y, p):
    scores = x @ y.mT
    e = torch.exp(scores - scores.amax(-1, keepdim=True))
    return (e / e.sum(-1, keepdim=True)) @ y


def batch_norm(x, y, p):
    mean, spread = p(TOKENS).detach(), 0.5 + p(TOKENS).detach() ** 2
    return F.batch_norm(x, mean, spread, p(TOKENS), p(TOKENS))


# Functions of two tensors that return a third of the same shape; p(*shape) draws a parameter.
OPERATIONS = {
    "scatter": lambda x, y, p: x.scatter(1, INDEX.new_tensor([1, 0, 2]).view(1, 3, 1).expand(SHAPE), y),
    "scatter add": lambda x, y, p: x.scatter_add(1, INDEX, y),
    "index add": lambda x, y, p: x.index_add(1, torch.tensor([0, 0]), y[:, 1:]),
    "index put": lambda x, y, p: x.index_put((torch.tensor([0, 1]), torch.tensor([2, 2])), y[:, 0]),
    "in place": written_in_place,
    "masked": lambda x, y, p: x.masked_fill(MASK, 0.0) + torch.where(MASK, y, 0.0),
    "chosen": lambda x, y, p: torch.where(x > y, x, y * p(WIDTH)),
    "padded": lambda x, y, p: F.pad(x, (0, 0, 1, 0))[:, :TOKENS] + y.flip(1),
    "rolled": lambda x, y, p: x.roll(1, 1) - y.tril(),
    "pooled": lambda x, y, p: F.avg_pool1d(x, 3, 1, padding=1) + F.max_pool1d(y, 3, 1, padding=1),
    "largest": lambda x, y, p: x.amax(1, keepdim=True).expand(SHAPE) + y.topk(WIDTH)[0],
    "sorted": lambda x, y, p: x.sort(-1)[0] + y.median(-1, keepdim=True)[0],
    "reshaped": lambda x, y, p: x.permute(2, 0, 1).reshape(SHAPE) + y.mT.flatten(1).view(SHAPE),
    "depthwise": lambda x, y, p: F.conv1d(x, p(TOKENS, 1, 3), p(TOKENS), padding=1, groups=TOKENS),
    "picture": lambda x, y, p: F.conv2d(x.unsqueeze(1), p(2, 1, 3, 3), p(2), padding=1).sum(1),
    "transposed convolution": lambda x, y, p: F.conv_transpose1d(x, p(TOKENS, TOKENS, 3), p(TOKENS), padding=1),
    "outer": lambda x, y, p: torch.einsum("btc,btd->btcd", x, y) @ p(WIDTH),
    "mixed": lambda x, y, p: torch.baddbmm(x, p(BATCH, TOKENS, TOKENS), y),
    "triple": lambda x, y, p: torch.addcmul(x, y, p(WIDTH)),
    "interpolated": lambda x, y, p: torch.lerp(x, y, 0.3),
    "attention": multi_head,
    "softmax by hand": softmax_by_hand,
    "experts": experts,
    "rotated": rotated,
    "gated": lambda x, y, p: F.glu(F.linear(x, p(2 * WIDTH, WIDTH), p(2 * WIDTH))),
    "sigmoid gate": lambda x, y, p: torch.sigmoid(x @ p(WIDTH, WIDTH)) * y,
    "gates alone": lambda x, y, p: torch.sigmoid(x) * torch.sigmoid(y),
    "gates of gates": lambda x, y, p: torch.exp(-torch.sigmoid(x)) * (torch.sigmoid(y) + torch.sigmoid(x)).sqrt(),
    "gates in a layer": lambda x, y, p: (F.softplus(x) * torch.erf(y)) @ p(WIDTH, WIDTH),
    "scaled gate": lambda x, y, p: torch.sigmoid(x) * p(WIDTH) + y,
    "spread": lambda x, y, p: (lambda v, m: v * p(WIDTH) + m)(*torch.std_mean(x, -1, keepdim=True)) + y,
    "softplus gate": lambda x, y, p: F.softplus(x + p(WIDTH)) * y,
    "over spread": lambda x, y, p: (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-3),
    "over length": lambda x, y, p: x / (y.norm(dim=-1, keepdim=True) + 1e-3),
    "over total": lambda x, y, p: x / (1 + y.abs().sum(-1, keepdim=True)),
    "var_mean": lambda x, y, p: (lambda v, m: (x - m) * torch.rsqrt(v + 1e-3))(*torch.var_mean(x, -1, keepdim=True)),
    "group norm": lambda x, y, p: F.group_norm(x, 1, p(TOKENS), p(TOKENS)),
    "batch norm": batch_norm,
    "sigmoid between layers": lambda x, y, p: torch.sigmoid(F.layer_norm(x, (WIDTH,))) @ p(WIDTH, WIDTH),
    "cosine between layers": lambda x, y, p: torch.cos(x) @ p(WIDTH, WIDTH) + torch.exp(-F.relu(y)) @ p(WIDTH, WIDTH),
    "clamped": lambda x, y, p: x.clamp(-1, 0.5),
    "mish": lambda x, y, p: F.mish(x),
    "hardswish": lambda x, y, p: F.hardswish(x) - F.leaky_relu(y),
    "cube": lambda x, y, p: F.layer_norm(x, (WIDTH,)) ** 3,
    "looked up": lambda x, y, p: x + F.embedding(torch.tensor([1, 0, 1]), p(2, WIDTH), padding_idx=0),
    "dense": lambda x, y, p: F.linear(x, p(WIDTH, WIDTH), p(WIDTH)),
}  # fmt: skip


@settings(max_examples=250, deadline=None, derandomize=True)
@given(
    program=st.lists(
        st.tuples(st.sampled_from(sorted(OPERATIONS)), st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=8
    ),
    seed=st.integers(0, 2**16),
)
def test_relevance_is_conserved_in_random_programs(program, seed):
    generator = torch.Generator().manual_seed(seed)

    def parameter(*shape):
        return (torch.randn(*shape, generator=generator, dtype=torch.float64) / 2).requires_grad_()

    tensors = [parameter(*SHAPE)]
    for name, i, j in program:
        tensors.append(OPERATIONS[name](tensors[i % len(tensors)], tensors[j % len(tensors)], parameter))

    # The score reads every result, so that no fault remains hidden in an unused tensor.
    score = sum((tensor * parameter(*SHAPE).detach()).sum() for tensor in tensors[1:])
    account = ledger(score, tensors[0], rules=CP_LRP)
    gross = account.relevance[0].abs().sum().item() + sum(map(abs, account.leaves.values()))
    assert account.relevance[0].isfinite().all()
    assert not any("closed" in name for name in account.leaves), account
    assert abs(account.residue) <= 1e-9 * max(abs(account.score), gross), account


@pytest.mark.parametrize("name", OPERATIONS)
def test_relevance_is_conserved_in_each_operation(name):
    """The operations run one at a time, so that a fault has a name."""
    x, y = rows(*SHAPE), rows(*SHAPE)
    score = (OPERATIONS[name](x, y, rows) * torch.randn(SHAPE, dtype=torch.float64)).sum()
    inputs = (x, y) if torch.autograd.grad(score, y, retain_graph=True, allow_unused=True)[0] is not None else x
    account = ledger(score, inputs, rules=CP_LRP)
    gross = sum(r.abs().sum().item() for r in account.relevance) + sum(map(abs, account.leaves.values()))
    assert abs(account.residue) <= 1e-12 * max(abs(account.score), gross), account
