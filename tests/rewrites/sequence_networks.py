"""Parts of networks for DNA and proteins: scans of motifs, dilated blocks, softmax pooling, both strands."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .comparison import Context, Function
from .tensors import draw, parameter

ROWS, LETTERS, LENGTH, CHANNELS, WIDTH, OUT = 2, 4, 12, 4, 3, 3
SCAN = parameter(CHANNELS, LETTERS, WIDTH, seed=161), parameter(CHANNELS, seed=162)
DILATED = parameter(CHANNELS, CHANNELS, 3, seed=163), parameter(CHANNELS, seed=164)
POOL = parameter(CHANNELS, CHANNELS, seed=165)
TAPS = parameter(CHANNELS, CHANNELS, 3, seed=166), parameter(CHANNELS, seed=167)
ABOVE = parameter(OUT, CHANNELS, seed=168), parameter(OUT, seed=169)
BINS = LENGTH // 2


def windows(x: Tensor) -> Tensor:
    """Return the letters of each window: row x letter x window x position."""
    return x.unfold(2, WIDTH, 1)


MOTIFS = {
    "conv1d": lambda x: F.conv1d(x, *SCAN),
    "channels last": lambda x: F.conv1d(x.transpose(1, 2).transpose(1, 2), *SCAN),
    "conv2d": lambda x: F.conv2d(x[:, None], SCAN[0][:, None], SCAN[1])[:, :, 0],
    "conv2d of height 1": lambda x: F.conv2d(x[:, :, None], SCAN[0][:, :, None], SCAN[1])[:, :, 0],
    "unfold, einsum": lambda x: torch.einsum("balw,oaw->bol", windows(x), SCAN[0]) + SCAN[1][:, None],
    "unfold, linear": lambda x: F.linear(windows(x).transpose(1, 2).flatten(2), SCAN[0].flatten(1), SCAN[1]).mT,
    "F.unfold": lambda x: SCAN[0].flatten(1) @ F.unfold(x[:, :, None], (1, WIDTH)) + SCAN[1][:, None],
    "window by window": lambda x: torch.stack(
        [F.linear(x[:, :, i : i + WIDTH].flatten(1), SCAN[0].flatten(1), SCAN[1]) for i in range(LENGTH - WIDTH + 1)], 2
    ),
    "row by row": lambda x: torch.stack([F.conv1d(row, *SCAN) for row in x]),
    "padded, then cut": lambda x: F.conv1d(x, *SCAN, padding=WIDTH)[:, :, WIDTH:-WIDTH],
    "motif by motif": lambda x: torch.cat([F.conv1d(x, w[None], b[None]) for w, b in zip(*SCAN, strict=True)], 1),
    "without bias, + b": lambda x: F.conv1d(x, SCAN[0]) + SCAN[1][:, None],
}


def dilated(h: Tensor) -> Tensor:
    return F.conv1d(h, *DILATED, dilation=2)


CUT = {
    "h[..., 2:-2] + conv": lambda h: h[..., 2:-2] + dilated(h),
    "conv + h[..., 2:-2]": lambda h: dilated(h) + h[..., 2:-2],
    "narrow": lambda h: dilated(h) + h.narrow(2, 2, h.shape[2] - 4),
    "F.pad by negative sizes": lambda h: dilated(h) + F.pad(h, (-2, -2)),
    "padded, then cut": lambda h: (h + F.conv1d(h, *DILATED, dilation=2, padding=2))[..., 2:-2],
    "indexed": lambda h: dilated(h) + h[..., torch.arange(2, h.shape[2] - 2)],
    "split": lambda h: dilated(h) + h.split([2, h.shape[2] - 4, 2], 2)[1],
    "conv2d": lambda h: (
        h[..., 2:-2] + F.conv2d(h[:, :, None], DILATED[0][:, :, None], DILATED[1], dilation=(1, 2))[:, :, 0]
    ),
    "kernel with zeros": lambda h: (
        h[..., 2:-2]
        + F.conv1d(h, torch.stack([DILATED[0], torch.zeros_like(DILATED[0])], 3).flatten(2)[:, :, :5], DILATED[1])
    ),
    "even and odd positions apart": lambda h: (
        h[..., 2:-2] + torch.stack([F.conv1d(h[..., start::2], *DILATED) for start in range(2)], 3).flatten(2)
    ),
}


def in_pairs(h: Tensor) -> Tensor:
    return h.unflatten(2, (-1, 2))


def logits(h: Tensor) -> Tensor:
    """Return the weights' logits of the positions of each bin, as Enformer's pooling has them."""
    return torch.einsum("bcnp,oc->bonp", in_pairs(h), POOL)


SOFTMAX_POOLED = {
    "sum of x * softmax": lambda h: (in_pairs(h) * logits(h).softmax(-1)).sum(-1),
    "einsum": lambda h: torch.einsum("bcnp,bcnp->bcn", in_pairs(h), logits(h).softmax(-1)),
    "softmax by hand": lambda h: (in_pairs(h) * (logits(h).exp() / logits(h).exp().sum(-1, keepdim=True))).sum(-1),
    "quotient of sums": lambda h: (in_pairs(h) * logits(h).exp()).sum(-1) / logits(h).exp().sum(-1),
    "exp of log_softmax": lambda h: (in_pairs(h) * logits(h).log_softmax(-1).exp()).sum(-1),
    "logits by a 1 x 1 convolution": lambda h: (
        in_pairs(h) * F.conv2d(in_pairs(h), POOL[..., None, None]).softmax(-1)
    ).sum(-1),
    "mean, times 2": lambda h: (in_pairs(h) * logits(h).softmax(-1)).mean(-1) * 2,
    "softmax over the maximum": lambda h: (
        in_pairs(h) * (logits(h) - logits(h).amax(-1, keepdim=True).detach()).softmax(-1)
    ).sum(-1),
    "matmul": lambda h: (in_pairs(h)[..., None, :] @ logits(h).softmax(-1)[..., None])[..., 0, 0],
}

ACROSS = {
    "amax": lambda h: h.amax(2),
    "max": lambda h: h.max(2).values,
    "adaptive_max_pool1d": lambda h: F.adaptive_max_pool1d(h, 1)[:, :, 0],
    "max_pool1d of all": lambda h: F.max_pool1d(h, h.shape[2])[:, :, 0],
    "max_pool2d of all": lambda h: F.max_pool2d(h, (1, h.shape[2]))[:, :, 0],
    "tokens": lambda h: h.mT.amax(1),
    "pair by pair": lambda h: torch.stack([h[..., ::2].amax(2), h[..., 1::2].amax(2)]).amax(0),
    "maximum of the parts": lambda h: torch.maximum(h[..., :5].amax(2), h[..., 5:].amax(2)),
    "topk": lambda h: h.topk(1, 2).values[:, :, 0],
    "sorted": lambda h: h.sort(2, descending=True).values[:, :, 0],
}


def of_strand(x: Tensor) -> Tensor:
    return F.linear(F.relu(F.conv1d(x, *SCAN)).mean(2), *ABOVE)


BOTH_STRANDS = {
    "mean of two passes": lambda x: (of_strand(x) + of_strand(x.flip(1, 2))) / 2,
    "of a stack": lambda x: torch.stack([of_strand(x), of_strand(x.flip((1, 2)))]).mean(0),
    "in one batch": lambda x: of_strand(torch.cat([x, x.flip(1, 2)])).unflatten(0, (2, -1)).mean(0),
    "halves, added": lambda x: 0.5 * of_strand(x) + 0.5 * of_strand(x.flip(2).flip(1)),
    "indexed": lambda x: (
        (of_strand(x) + of_strand(x[:, torch.tensor([3, 2, 1, 0])][..., torch.arange(LENGTH - 1, -1, -1)])) / 2
    ),
    "chunks": lambda x: (lambda a, b: (a + b) / 2)(*of_strand(torch.cat([x, x.flip(1, 2)])).chunk(2)),
}

INPUTS = (draw(ROWS, LETTERS, LENGTH, seed=29).tanh(),)


def to_scores(h: Tensor) -> Tensor:
    return h if h.shape[1] == OUT and h.ndim == 2 else F.relu(F.linear(h.mT if h.ndim == 3 else h, *ABOVE))


def below(x: Tensor) -> Tensor:
    return F.conv1d(x, *TAPS, padding=1)


CONTEXTS: dict[str, Context] = {
    "on the input": Context(lambda f: lambda x: to_scores(F.relu(f(x))), INPUTS),
    "after a layer and a GELU": Context(lambda f: lambda x: to_scores(f(F.gelu(below(x)))), INPUTS),
    "after a layer": Context(lambda f: lambda x: to_scores(F.relu(f(below(x)))), INPUTS),
}
FAMILIES: dict[str, dict[str, Function]] = {
    "scan of motifs": MOTIFS,
    "dilated block, cut": CUT,
    "softmax pooling": SOFTMAX_POOLED,
    "maximum over positions": ACROSS,
    "both strands": BOTH_STRANDS,
}
