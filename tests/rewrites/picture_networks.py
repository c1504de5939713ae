"""Parts of networks for pictures between their layers: pooling, resizing, patches, skips, gates of channels."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .comparison import Context, Function
from .tensors import draw, parameter

PICTURES, CHANNELS, SIDE, OUT = 2, 4, 6, 3
BELOW = parameter(CHANNELS, 2, 3, 3, seed=141), parameter(CHANNELS, seed=142)
ABOVE = parameter(OUT, CHANNELS, seed=143), parameter(OUT, seed=144)
SKIP = parameter(CHANNELS, CHANNELS, 3, 3, seed=145), parameter(CHANNELS, seed=146)
PATCH = parameter(CHANNELS, CHANNELS, 2, 2, seed=147), parameter(CHANNELS, seed=148)
SQUEEZE = parameter(2, CHANNELS, seed=149), parameter(2, seed=150)
EXCITE = parameter(CHANNELS, 2, seed=151), parameter(CHANNELS, seed=152)


def blocks(x: Tensor, size: int = 2) -> Tensor:
    """Return the entries of each block in the last dimension."""
    return x.unflatten(2, (-1, size)).unflatten(4, (-1, size)).transpose(3, 4).flatten(4)


def shifts(x: Tensor) -> list[Tensor]:
    return [x[:, :, row::2, column::2] for row in range(2) for column in range(2)]


def of_windows(x: Tensor) -> Tensor:
    return x.unfold(2, 2, 2).unfold(3, 2, 2)


def columns(x: Tensor) -> Tensor:
    """Return what `F.unfold` returns, with the channels apart: picture x channel x entry x position."""
    return F.unfold(x, 2, stride=2).unflatten(1, (CHANNELS, 4))


AVERAGE = {
    "avg_pool2d": lambda x: F.avg_pool2d(x, 2),
    "AvgPool2d": nn.AvgPool2d(2),
    "adaptive_avg_pool2d": lambda x: F.adaptive_avg_pool2d(x, SIDE // 2),
    "rows, then columns": lambda x: F.avg_pool2d(F.avg_pool2d(x, (2, 1)), (1, 2)),
    "avg_pool1d of rows and of columns": lambda x: F.avg_pool1d(F.avg_pool1d(x.flatten(0, 1), 2).mT, 2).mT.unflatten(
        0, (-1, CHANNELS)
    ),
    "avg_pool3d": lambda x: F.avg_pool3d(x[:, :, None], (1, 2, 2))[:, :, 0],
    "mean of blocks": lambda x: blocks(x).mean(-1),
    "sum of blocks, / 4": lambda x: blocks(x).sum(-1) / 4,
    "mean of windows": lambda x: of_windows(x).mean((-1, -2)),
    "mean of unfold": lambda x: columns(x).mean(2).unflatten(2, (SIDE // 2, -1)),
    "mean of shifts": lambda x: torch.stack(shifts(x)).mean(0),
    "shifts, added": lambda x: (lambda a, b, c, d: (a + b + c + d) * 0.25)(*shifts(x)),
    "depthwise convolution of ones": lambda x: F.conv2d(
        x, torch.full((CHANNELS, 1, 2, 2), 0.25), stride=2, groups=CHANNELS
    ),
    "dense convolution": lambda x: F.conv2d(
        x, torch.eye(CHANNELS)[:, :, None, None].expand(-1, -1, 2, 2) / 4, stride=2
    ),
    "matrices": lambda x: (
        torch.eye(SIDE // 2).repeat_interleave(2, 1) / 2 @ x @ (torch.eye(SIDE // 2).repeat_interleave(2, 0) / 2)
    ),
    "interpolate, area": lambda x: F.interpolate(x, scale_factor=0.5, mode="area"),
    "interpolate, bilinear": lambda x: F.interpolate(x, scale_factor=0.5, mode="bilinear"),
    "pixel_unshuffle": lambda x: F.pixel_unshuffle(x, 2).unflatten(1, (CHANNELS, 4)).mean(2),
    "picture by picture": lambda x: torch.stack([F.avg_pool2d(picture, 2) for picture in x]),
}

ROW = torch.tensor([1.0, 2.0, 1.0], dtype=torch.float64) / 4


def kernels(kernel: Tensor) -> Tensor:
    """Return one kernel for each channel, no parameter."""
    return kernel.expand(CHANNELS, 1, *kernel.shape)


def by_weighted_shifts(x: Tensor) -> Tensor:
    padded = F.pad(x, (1, 1, 1, 1))
    places = [(row, column) for row in range(3) for column in range(3)]
    return torch.stack(
        [ROW[i] * ROW[j] * padded[:, :, i : i + SIDE, j : j + SIDE].contiguous() for i, j in places]
    ).sum(0)


BLURRED = {
    "depthwise convolution": lambda x: F.conv2d(x, kernels(ROW[:, None] * ROW), padding=1, groups=CHANNELS),
    "rows, then columns": lambda x: F.conv2d(
        F.conv2d(x, kernels(ROW[:, None]), padding=(1, 0), groups=CHANNELS),
        kernels(ROW[None]),
        padding=(0, 1),
        groups=CHANNELS,
    ),
    "conv3d": lambda x: F.conv3d(
        x[:, :, None], kernels((ROW[:, None] * ROW)[None]), padding=(0, 1, 1), groups=CHANNELS
    )[:, :, 0],
    "padded first": lambda x: F.conv2d(F.pad(x, (1, 1, 1, 1)), kernels(ROW[:, None] * ROW), groups=CHANNELS),
    "conv_transpose2d": lambda x: F.conv_transpose2d(x, kernels(ROW[:, None] * ROW), padding=1, groups=CHANNELS),
    "average pooling, twice": lambda x: F.avg_pool2d(F.avg_pool2d(F.pad(x, (1, 1, 1, 1)), 2, 1), 2, 1),
    "picture by picture": lambda x: torch.stack(
        [F.conv2d(picture, kernels(ROW[:, None] * ROW), padding=1, groups=CHANNELS) for picture in x]
    ),
    "sum of shifts": by_weighted_shifts,
}

LARGEST = {
    "max_pool2d": lambda x: F.max_pool2d(x, 2),
    "MaxPool2d": nn.MaxPool2d(2),
    "with indices": lambda x: F.max_pool2d(x, 2, return_indices=True)[0],
    "adaptive_max_pool2d": lambda x: F.adaptive_max_pool2d(x, SIDE // 2),
    "rows, then columns": lambda x: F.max_pool2d(F.max_pool2d(x, (2, 1)), (1, 2)),
    "max_pool3d": lambda x: F.max_pool3d(x[:, :, None], (1, 2, 2))[:, :, 0],
    "amax of blocks": lambda x: blocks(x).amax(-1),
    "max of blocks": lambda x: blocks(x).max(-1).values,
    "amax of windows": lambda x: of_windows(x).amax((-1, -2)),
    "amax of unfold": lambda x: columns(x).amax(2).unflatten(2, (SIDE // 2, -1)),
    "maximum of shifts": lambda x: (lambda a, b, c, d: torch.maximum(torch.maximum(a, b), torch.maximum(c, d)))(
        *shifts(x)
    ),
    "gathered": lambda x: blocks(x).gather(-1, blocks(x).argmax(-1, keepdim=True))[..., 0],
    "sorted": lambda x: blocks(x).sort(-1).values[..., -1],
    "topk": lambda x: blocks(x).topk(1).values[..., 0],
    "minus the minimum of -x": lambda x: -(-blocks(x)).amin(-1),
    "picture by picture": lambda x: torch.stack([F.max_pool2d(picture, 2) for picture in x]),
}

GLOBAL = {
    "mean": lambda x: x.mean((2, 3)),
    "adaptive_avg_pool2d, flatten": lambda x: F.adaptive_avg_pool2d(x, 1).flatten(1),
    "AdaptiveAvgPool2d, squeeze": lambda x: nn.AdaptiveAvgPool2d(1)(x).squeeze(3).squeeze(2),
    "avg_pool2d of all": lambda x: F.avg_pool2d(x, SIDE)[:, :, 0, 0],
    "mean of tokens": lambda x: x.flatten(2).transpose(1, 2).mean(1),
    "mean, then mean": lambda x: x.mean(3).mean(2),
    "sum / count": lambda x: x.sum((2, 3)) / SIDE**2,
    "einsum": lambda x: torch.einsum("bchw->bc", x) / SIDE**2,
    "tokens @ ones": lambda x: x.flatten(2) @ torch.full((SIDE**2,), 1 / SIDE**2),
    "linear interpolation to one pixel": lambda x: F.interpolate(x, size=1, mode="area")[:, :, 0, 0],
    "sum of columns": lambda x: torch.stack([column.mean(2) for column in x.unbind(3)]).mean(0),
}

LARGER = {
    "interpolate, nearest": lambda x: F.interpolate(x, scale_factor=2),
    "Upsample": nn.Upsample(scale_factor=2),
    "nearest-exact": lambda x: F.interpolate(x, scale_factor=2, mode="nearest-exact"),
    "repeat_interleave": lambda x: x.repeat_interleave(2, 2).repeat_interleave(2, 3),
    "expanded": lambda x: x[:, :, :, None, :, None].expand(-1, -1, -1, 2, -1, 2).flatten(4).flatten(2, 3),
    "indexed": lambda x: x[:, :, torch.arange(2 * SIDE) // 2][..., torch.arange(2 * SIDE) // 2],
    "kron": lambda x: torch.kron(x, torch.ones(2, 2)),
    "conv_transpose2d of ones": lambda x: F.conv_transpose2d(
        x, torch.ones(CHANNELS, 1, 2, 2), stride=2, groups=CHANNELS
    ),
    "pixel_shuffle": lambda x: F.pixel_shuffle(x.repeat_interleave(4, 1), 2),
    "stacked": lambda x: torch.stack([torch.stack([x, x], 4).flatten(3)] * 2, 3).flatten(2, 3),
}

PATCHES = {
    "convolution": lambda x: F.conv2d(x, *PATCH, stride=2).flatten(2).transpose(1, 2),
    "unfold, linear": lambda x: F.linear(F.unfold(x, 2, stride=2).mT, PATCH[0].flatten(1), PATCH[1]),
    "pixel_unshuffle, convolution": lambda x: (
        F.conv2d(F.pixel_unshuffle(x, 2), PATCH[0].flatten(1)[..., None, None], PATCH[1]).flatten(2).mT
    ),
    "blocks, linear": lambda x: F.linear(
        blocks(x).permute(0, 2, 3, 1, 4).flatten(3).flatten(1, 2), PATCH[0].flatten(1), PATCH[1]
    ),
    "blocks, channels last": lambda x: F.linear(
        blocks(x).permute(0, 2, 3, 4, 1).flatten(3).flatten(1, 2), PATCH[0].permute(0, 2, 3, 1).flatten(1), PATCH[1]
    ),
    "windows, einsum": lambda x: torch.einsum("bchwij,ocij->bohw", of_windows(x), PATCH[0]).flatten(2).mT + PATCH[1],
    "four shifts": lambda x: (
        F.conv2d(torch.cat(shifts(x), 1), PATCH[0].flatten(2).permute(0, 2, 1).flatten(1)[..., None, None], PATCH[1])
        .flatten(2)
        .mT
    ),
    "with a token of zeros, cut off": lambda x: torch.cat(
        [torch.zeros(PICTURES, 1, CHANNELS), F.conv2d(x, *PATCH, stride=2).flatten(2).mT], 1
    )[:, 1:],
}


def branch(x: Tensor) -> Tensor:
    return F.conv2d(F.relu(x), *SKIP, padding=1)


def in_place(x: Tensor) -> Tensor:
    out = branch(x)
    out += x
    return out


def without_sum(x: Tensor) -> Tensor:
    """Add the identity's matrix to the weights of what reads x."""
    both = torch.cat([F.relu(x), x], 1)
    identity = torch.zeros(CHANNELS, CHANNELS, 3, 3)
    identity[:, :, 1, 1] = torch.eye(CHANNELS)
    return F.conv2d(both, nn.Parameter(torch.cat([SKIP[0].detach(), identity], 1)), SKIP[1], padding=1)


RESIDUAL = {
    "branch + x": lambda x: branch(x) + x,
    "x + branch": lambda x: x + branch(x),
    "in place": in_place,
    "torch.add": lambda x: torch.add(x, branch(x), alpha=1),
    "sum of a stack": lambda x: torch.stack([x, branch(x)]).sum(0),
    "twice the mean": lambda x: torch.stack([x, branch(x)]).mean(0) * 2,
    "x - (-branch)": lambda x: x - (-branch(x)),
    "the bias last": lambda x: x + F.conv2d(F.relu(x), SKIP[0], padding=1) + SKIP[1].view(-1, 1, 1),
    "with dropout, in eval mode": lambda x: x + F.dropout(branch(x), 0.5, training=False),
    "with a scale of 1": lambda x: x + 1.0 * branch(x),
    "on tokens": lambda x: (x.flatten(2) + branch(x).flatten(2)).unflatten(2, (SIDE, SIDE)),
}


def weights(pooled: Tensor) -> Tensor:
    return F.linear(F.relu(F.linear(pooled, *SQUEEZE)), *EXCITE)


def by_convolutions(x: Tensor) -> Tensor:
    squeezed = F.relu(F.conv2d(x.mean((2, 3), keepdim=True), SQUEEZE[0][..., None, None], SQUEEZE[1]))
    return x * F.conv2d(squeezed, EXCITE[0][..., None, None], EXCITE[1]).sigmoid()


SQUEEZE_AND_EXCITE = {
    "x * gate[:, :, None, None]": lambda x: x * weights(x.mean((2, 3))).sigmoid()[:, :, None, None],
    "by convolutions": by_convolutions,
    "adaptive_avg_pool2d": lambda x: weights(F.adaptive_avg_pool2d(x, 1).flatten(1)).sigmoid()[..., None, None] * x,
    "einsum": lambda x: torch.einsum("bchw,bc->bchw", x, weights(x.mean((2, 3))).sigmoid()),
    "on tokens": lambda x: (x.flatten(2).mT * weights(x.flatten(2).mean(2)).sigmoid()[:, None]).mT.unflatten(
        2, (SIDE, SIDE)
    ),
    "1 / (1 + exp(-s))": lambda x: x / (1 + torch.exp(-weights(x.mean((2, 3)))))[:, :, None, None],
    "gate expanded": lambda x: x * weights(x.mean((2, 3))).sigmoid()[..., None, None].expand_as(x),
    "picture by picture": lambda x: torch.stack(
        [picture * weights(picture.mean((1, 2))).sigmoid()[:, None, None] for picture in x]
    ),
    "0.5 * (1 + tanh(s / 2))": lambda x: x * (0.5 * (1 + torch.tanh(weights(x.mean((2, 3))) / 2)))[..., None, None],
}

SHUFFLED = {
    "channel_shuffle": lambda x: torch.channel_shuffle(x, 2),
    "ChannelShuffle": nn.ChannelShuffle(2),
    "view, transpose": lambda x: x.unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2),
    "indexed": lambda x: x[:, [0, 2, 1, 3]],
    "index_select": lambda x: x.index_select(1, torch.tensor([0, 2, 1, 3])),
    "cat of slices": lambda x: torch.cat([x[:, :1], x[:, 2:3], x[:, 1:2], x[:, 3:]], 1),
    "permutation matrix": lambda x: torch.einsum("oc,bchw->bohw", torch.eye(CHANNELS)[[0, 2, 1, 3]], x),
    "stack of halves": lambda x: torch.stack(x.chunk(2, 1), 2).flatten(1, 2),
}

INPUTS = (draw(PICTURES, 2, SIDE, SIDE, seed=19).clamp(-1, 1),)


def below(x: Tensor) -> Tensor:
    return F.conv2d(x, *BELOW, padding=1)


def scored(h: Tensor) -> Tensor:
    """Apply a layer to the channels, wherever they are."""
    return F.relu(F.linear(h.movedim(1, -1) if h.ndim == 4 else h, *ABOVE))


CONTEXTS: dict[str, Context] = {
    "after a layer and a ReLU": Context(lambda f: lambda x: scored(f(F.relu(below(x)))), INPUTS),
    "after a layer": Context(lambda f: lambda x: scored(F.relu(f(below(x)))), INPUTS),
    "after a layer and a SiLU, at the end": Context(lambda f: lambda x: f(F.silu(below(x))), INPUTS),
}
FAMILIES: dict[str, dict[str, Function]] = {
    "average pooling": AVERAGE,
    "blur": BLURRED,
    "max pooling": LARGEST,
    "global average pooling": GLOBAL,
    "nearest upsampling": LARGER,
    "patch embedding": PATCHES,
    "residual block": RESIDUAL,
    "squeeze and excitation": SQUEEZE_AND_EXCITE,
    "channel shuffle": SHUFFLED,
}
