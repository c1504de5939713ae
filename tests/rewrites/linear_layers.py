"""A linear layer under the layer rules, written in many ways. The first form is F.linear."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from .comparison import Context, Function
from .tensors import ROWS, WIDTH, draw, parameter

OUT = 4
W, B = parameter(OUT, WIDTH, seed=101), parameter(OUT, seed=102)
UPDATE = parameter(OUT, 2, seed=105), parameter(2, WIDTH, seed=106)
PARTS = torch.linalg.svd(W.detach(), full_matrices=False)


def weight_norm(x: Tensor) -> Tensor:
    """Compute g v / |v| as torch's old weight norm does."""
    v, g = nn.Parameter(W.detach()), nn.Parameter(W.detach().norm(dim=1, keepdim=True))
    return F.linear(x, torch._weight_norm(v, g, 0), B)


def layer() -> nn.Linear:
    module = nn.Linear(WIDTH, OUT, device="meta")  # draws no random numbers
    module.weight, module.bias = W, B
    return module


def by_functional_call(x: Tensor) -> Tensor:
    return torch.func.functional_call(nn.Linear(WIDTH, OUT, device="meta"), {"weight": W, "bias": B}, (x,))


def under_autocast(x: Tensor) -> Tensor:
    with torch.autocast("cpu", torch.bfloat16, enabled=False):
        return F.linear(x, W, B)


def of_embeddings(x: Tensor) -> Tensor:
    """Look up a bag of all rows of W.T, weighted by x."""
    everything = torch.arange(WIDTH).expand(len(x), WIDTH)
    return F.embedding_bag(everything, W.T, per_sample_weights=x, mode="sum") + B


def frozen(f: Function) -> Function:
    """Use weights that are plain tensors."""
    return lambda x: f(x, W.detach(), B.detach())


def without_gradient(p: Tensor) -> nn.Parameter:
    return nn.Parameter(p, requires_grad=False)


LINEAR = {
    "F.linear": lambda x: F.linear(x, W, B),
    "nn.Linear": lambda x: layer()(x),
    "x @ W.T + b": lambda x: x @ W.T + B,
    "b + x @ W.T": lambda x: B + x @ W.T,
    "addmm": lambda x: torch.addmm(B, x, W.T),
    "addmm(beta=1, alpha=1)": lambda x: torch.addmm(B, x, W.T, beta=1, alpha=1),
    "einsum + b": lambda x: torch.einsum("bi,oi->bo", x, W) + B,
    "(W @ x.T).T + b": lambda x: (W @ x.T).T + B,
    "bmm + b": lambda x: torch.bmm(x[:, None], W.T.expand(ROWS, WIDTH, OUT))[:, 0] + B,
    "baddbmm": lambda x: torch.baddbmm(B.expand(ROWS, 1, OUT), x[:, None], W.T.expand(ROWS, WIDTH, OUT))[:, 0],
    "mv, row by row": lambda x: torch.stack([torch.mv(W, row) + B for row in x]),
    "addmv, row by row": lambda x: torch.stack([torch.addmv(B, W, row) for row in x]),
    "conv1d of length 1": lambda x: F.conv1d(x[:, :, None], W[:, :, None], B)[:, :, 0],
    "conv1d over the features": lambda x: F.conv1d(x[:, None], W[:, None], B)[:, :, 0],
    "conv2d": lambda x: F.conv2d(x[:, :, None, None], W[:, :, None, None], B)[:, :, 0, 0],
    "F.linear without bias, + b": lambda x: F.linear(x, W) + B,
    "b + F.linear without bias": lambda x: B + F.linear(x, W),
    "F.linear without bias, + b[None]": lambda x: F.linear(x, W) + B[None],
    "vmap over rows": lambda x: torch.vmap(lambda row: F.linear(row, W, B))(x),
    "weight norm": weight_norm,
    "tensordot + b": lambda x: torch.tensordot(x, W, ([1], [1])) + B,
    "of a row of tokens": lambda x: F.linear(x[None], W, B)[0],
    "x not contiguous": lambda x: F.linear(x.T.contiguous().T, W, B),
    "tokens not contiguous": lambda x: F.linear(x.T.contiguous().T[None], W, B)[0],
    "inner + b": lambda x: torch.inner(x, W) + B,
    "functional_call": by_functional_call,
    "in a checkpoint": lambda x: checkpoint(F.linear, x, W, B, use_reentrant=False),
    "autocast switched off": under_autocast,
    "matmul of columns": lambda x: (W @ x[..., None])[..., 0] + B,
    "times W, summed": lambda x: (x[:, None] * W).sum(-1) + B,
    "times frozen W, summed": lambda x: (x[:, None] * without_gradient(W.detach())).sum(-1) + B,
    "times W, mean": lambda x: (x[:, None] * W).mean(-1) * WIDTH + B,
    "inputs in two parts": lambda x: F.linear(x[:, :3], W[:, :3]) + F.linear(x[:, 3:], W[:, 3:], B),
    "outputs in two parts": lambda x: torch.cat([F.linear(x, W[:2], B[:2]), F.linear(x, W[2:], B[2:])], 1),
    "- (-b)": lambda x: F.linear(x, W) - (-B),
    "a column of ones": lambda x: torch.cat([x, torch.ones(ROWS, 1)], 1) @ torch.cat([W, B[:, None]], 1).T,
    "x * 1.0 first": lambda x: F.linear(x * 1.0, W, B),
    "x + 0 first": lambda x: F.linear(x + 0, W, B),
    "(-x) @ (-W).T": lambda x: F.linear(-x, -W, B),
    "(2 * x) @ (W / 2).T": lambda x: F.linear(x * 2, W / 2, B),
    "x @ eye, then the layer": lambda x: F.linear(x @ nn.Parameter(torch.eye(WIDTH)), W, B),
    "two layers by singular values": lambda x: F.linear(
        F.linear(x, nn.Parameter(PARTS.S[:, None] * PARTS.Vh)), nn.Parameter(PARTS.U), B
    ),
    "F.bilinear with ones": lambda x: F.bilinear(x, torch.ones(ROWS, 1), W[..., None], B),
    "embedding_bag": of_embeddings,
    "kron(x, 1), + outer(ones, b)": lambda x: (
        F.linear(torch.kron(x, torch.ones(1, 1)), W) + torch.outer(torch.ones(ROWS), B)
    ),
    "cut in two, biases added after": lambda x: torch.cat(
        [part + b for part, b in zip(F.linear(x, W).chunk(2, 1), B.chunk(2), strict=True)], 1
    ),
    "slices, biases added after": lambda x: (lambda y: torch.cat([y[:, :1] + B[:1], y[:, 1:] + B[1:]], 1))(
        F.linear(x, W)
    ),
    "indexed, + b": lambda x: F.linear(x, W)[:, [3, 2, 1, 0]][:, [3, 2, 1, 0]] + B,
    "expanded, + b": lambda x: (F.linear(x, W).expand(2, ROWS, OUT) + B)[0],
    "repeated, + b": lambda x: (F.linear(x, W).repeat(2, 1) + B)[:ROWS],
    "addmm of addmm": lambda x: torch.addmm(torch.addmm(B, x[:, :3], W[:, :3].T), x[:, 3:], W[:, 3:].T),
    "mean of two halves": lambda x: torch.stack(
        [F.linear(x[:, :3], 2 * W[:, :3], B), F.linear(x[:, 3:], 2 * W[:, 3:], B)]
    ).mean(0),
    "sum of columns": lambda x: torch.cat(
        [F.linear(x[:, i : i + 1], W[:, i : i + 1])[..., None] for i in range(WIDTH)]
        + [B.expand(ROWS, OUT)[..., None]],
        -1,
    ).sum(-1),
    "dot by dot": lambda x: torch.stack([torch.stack([w @ row + b for w, b in zip(W, B, strict=True)]) for row in x]),
    "low-rank update": lambda x: F.linear(x, W - UPDATE[0] @ UPDATE[1] + UPDATE[0] @ UPDATE[1], B),
    "einsum, plain W": lambda x: torch.einsum("bi,oi->bo", x, W.detach()) + B,
    "stacked features": lambda x: F.linear(torch.stack(x.unbind(1), 1), W, B),
    "W.clone()": lambda x: F.linear(x, W.clone(), B),
    "W * 1": lambda x: F.linear(x, W * 1, B),
    "b * 1": lambda x: F.linear(x, W, B * 1),
    "b.clone()": lambda x: F.linear(x, W, B.clone()),
    "W of two parts": lambda x: F.linear(x, torch.cat([W[:2], W[2:]]), B),
    "b of slices": lambda x: F.linear(x, W, torch.cat([B[:2], B[2:]])),
    "sparse W": lambda x: torch.sparse.mm(W.detach().to_sparse(), x.T).T + B,
    "plain tensors": frozen(F.linear),
    "frozen parameters": frozen(lambda x, w, b: F.linear(x, without_gradient(w), without_gradient(b))),
    "frozen, computed": frozen(lambda x, w, b: F.linear(x, w * 1, b * 1)),
    "frozen b": lambda x: F.linear(x, W, without_gradient(B.detach())),
    "frozen W": lambda x: F.linear(x, without_gradient(W.detach()), B),
}

BELOW = parameter(WIDTH, WIDTH, seed=103), parameter(WIDTH, seed=104)
INPUTS = (draw(ROWS, WIDTH, seed=9).clamp(-1, 1),)
CONTEXTS = {
    "on the input": Context(lambda f: lambda x: F.relu(f(x)), INPUTS),
    "after a layer and a ReLU": Context(lambda f: lambda x: f(F.relu(F.linear(x, *BELOW))), INPUTS),
}
FAMILIES = {"linear layer": LINEAR}
