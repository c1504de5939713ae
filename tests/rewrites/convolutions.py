"""A convolution under the layer rules, written in many ways. The first form is F.conv2d."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .comparison import Context, Function
from .tensors import draw, parameter

PICTURES, CHANNELS, SIDE, OUT, SIZE = 2, 2, 5, 3, 3
W, B = parameter(OUT, CHANNELS, SIZE, SIZE, seed=111), parameter(OUT, seed=112)
GROUPED, DEPTHWISE = parameter(OUT * 2, 1, SIZE, SIZE, seed=113), parameter(CHANNELS, 1, SIZE, SIZE, seed=114)
GROUPED_B, DEPTHWISE_B = parameter(OUT * 2, seed=115), parameter(CHANNELS, seed=116)


def patches(x: Tensor) -> Tensor:
    """Return patches of shape (picture, entry of the kernel, position)."""
    return F.unfold(x, SIZE, padding=1)


def picture(rows: Tensor) -> Tensor:
    return rows.unflatten(-1, (SIDE, SIDE))


def by_shifts(x: Tensor) -> Tensor:
    """Sum a layer over the channels for each position in the kernel."""
    padded = F.pad(x, (1, 1, 1, 1))
    parts = [
        torch.einsum("bchw,oc->bohw", padded[:, :, i : i + SIDE, j : j + SIDE], W[:, :, i, j])
        for i in range(SIZE)
        for j in range(SIZE)
    ]
    return sum(parts) + B.view(-1, 1, 1)


def by_fourier(x: Tensor) -> Tensor:
    size = (SIDE + 2,) * 2
    spectrum = torch.fft.rfft2(F.pad(x, (1, 1, 1, 1)))
    kernel = torch.fft.rfft2(W, s=size).conj()
    product = torch.einsum("bcij,ocij->boij", spectrum, kernel)
    return torch.fft.irfft2(product, s=size)[..., :SIDE, :SIDE] + B.view(-1, 1, 1)


def as_one_matrix(x: Tensor) -> Tensor:
    """Apply a linear layer to the flat picture, with the convolution's matrix as its weight."""
    units = torch.eye(CHANNELS * SIDE**2).view(-1, CHANNELS, SIDE, SIDE)
    matrix = nn.Parameter(F.conv2d(units, W.detach(), padding=1).flatten(1).T.contiguous())
    bias = nn.Parameter(B.detach().repeat_interleave(SIDE**2))
    return F.linear(x.flatten(1), matrix, bias).view(-1, OUT, SIDE, SIDE)


def with_folded_norm(x: Tensor) -> Tensor:
    """Use new parameters with the same values, as after merging a batch norm into the weights."""
    return F.conv2d(x, nn.Parameter(W.detach() * 2 / 2), nn.Parameter(B.detach() + 0), padding=1)


def module(x: Tensor) -> Tensor:
    layer = nn.Conv2d(CHANNELS, OUT, SIZE, padding=1, device="meta")  # draws no random numbers
    layer.weight, layer.bias = W, B
    return layer(x)


CONVOLUTION = {
    "F.conv2d": lambda x: F.conv2d(x, W, B, padding=1),
    "nn.Conv2d": module,
    "padding='same'": lambda x: F.conv2d(x, W, B, padding="same"),
    "conv3d": lambda x: F.conv3d(x[:, :, None], W[:, :, None], B, padding=(0, 1, 1))[:, :, 0],
    "conv_transpose2d of the flipped W": lambda x: F.conv_transpose2d(x, W.flip(2, 3).transpose(0, 1), B, padding=1),
    "channels last": lambda x: F.conv2d(x.contiguous(memory_format=torch.channels_last), W, B, padding=1),
    "vmap over pictures": lambda x: torch.vmap(lambda image: F.conv2d(image[None], W, B, padding=1)[0])(x),
    "picture by picture": lambda x: torch.stack([F.conv2d(image, W, B, padding=1) for image in x]),
    "stride and dilation of 1": lambda x: F.conv2d(x, W, B, stride=(1, 1), padding=(1, 1), dilation=(1, 1)),
    "float64 asked for": lambda x: F.conv2d(x.to(torch.float64), W, B, padding=1),
    "one group": lambda x: F.conv2d(x, W, B, padding=1, groups=1),
    "weights merged with a norm": with_folded_norm,
    "rows and columns swapped": lambda x: F.conv2d(x.mT, W.mT, B, padding=1).mT,
    "unfold, W @ patches": lambda x: picture(W.flatten(1) @ patches(x) + B[:, None]),
    "unfold, einsum": lambda x: picture(torch.einsum("ok,bkl->bol", W.flatten(1), patches(x)) + B[:, None]),
    "unfold, F.linear": lambda x: picture(F.linear(patches(x).mT, W.flatten(1), B).mT),
    "F.pad, then conv2d": lambda x: F.conv2d(F.pad(x, (1, 1, 1, 1)), W, B),
    "x * 1.0 first": lambda x: F.conv2d(x * 1.0, W, B, padding=1),
    "without bias, + b": lambda x: F.conv2d(x, W, padding=1) + B.view(-1, 1, 1),
    "without bias, + b[None, :, None, None]": lambda x: F.conv2d(x, W, padding=1) + B[None, :, None, None],
    "one row and column more, cut off, + b": lambda x: (
        F.conv2d(F.pad(x, (1, 2, 1, 2)), W)[..., :SIDE, :SIDE] + B.view(-1, 1, 1)
    ),
    "tokens, + b": lambda x: picture((F.conv2d(x, W, padding=1).flatten(2).mT + B).mT),
    "channels padded one by one": lambda x: F.conv2d(
        torch.stack([F.pad(x[:, i], (1, 1, 1, 1)) for i in range(CHANNELS)], 1), W, B
    ),
    "sum over shifts": by_shifts,
    "one matrix": as_one_matrix,
    "outputs in two parts": lambda x: torch.cat(
        [F.conv2d(x, W[:1], B[:1], padding=1), F.conv2d(x, W[1:], B[1:], padding=1)], 1
    ),
    "inputs in two parts": lambda x: (
        F.conv2d(x[:, :1], W[:, :1], padding=1) + F.conv2d(x[:, 1:], W[:, 1:], B, padding=1)
    ),
    "by Fourier transforms": by_fourier,
    "W.clone()": lambda x: F.conv2d(x, W.clone(), B, padding=1),
    "b * 1": lambda x: F.conv2d(x, W, B * 1, padding=1),
    "frozen parameters": lambda x: F.conv2d(
        x, nn.Parameter(W.detach(), requires_grad=False), nn.Parameter(B.detach(), requires_grad=False), padding=1
    ),
    "plain tensors": lambda x: F.conv2d(x, W.detach(), B.detach(), padding=1),
}

GROUPED_CONVOLUTION = {
    "groups=2": lambda x: F.conv2d(x, GROUPED, GROUPED_B, padding=1, groups=2),
    "conv3d": lambda x: F.conv3d(x[:, :, None], GROUPED[:, :, None], GROUPED_B, padding=(0, 1, 1), groups=2)[:, :, 0],
    "group by group": lambda x: torch.cat(
        [
            F.conv2d(part, w, b, padding=1)
            for part, w, b in zip(x.chunk(2, 1), GROUPED.chunk(2), GROUPED_B.chunk(2), strict=True)
        ],
        1,
    ),
    "one group with zeros": lambda x: F.conv2d(
        x, torch.cat([F.pad(w, (0, 0, 0, 0, i, 1 - i)) for i, w in enumerate(GROUPED.chunk(2))]), GROUPED_B, padding=1
    ),
    "without bias, + b": lambda x: F.conv2d(x, GROUPED, padding=1, groups=2) + GROUPED_B.view(-1, 1, 1),
}

DEPTHWISE_CONVOLUTION = {
    "groups=channels": lambda x: F.conv2d(x, DEPTHWISE, DEPTHWISE_B, padding=1, groups=CHANNELS),
    "channel by channel": lambda x: torch.cat(
        [F.conv2d(x[:, i : i + 1], DEPTHWISE[i : i + 1], DEPTHWISE_B[i : i + 1], padding=1) for i in range(CHANNELS)], 1
    ),
    "unfold, einsum": lambda x: picture(
        torch.einsum("ck,bckl->bcl", DEPTHWISE.flatten(1), patches(x).unflatten(1, (CHANNELS, -1)))
        + DEPTHWISE_B[:, None]
    ),
    "vmap over pictures": lambda x: torch.vmap(
        lambda image: F.conv2d(image, DEPTHWISE, DEPTHWISE_B, padding=1, groups=CHANNELS)
    )(x),
}

MEAN, SPREAD = 0.3 * draw(CHANNELS, seed=119), 0.5 + draw(CHANNELS, seed=120) ** 2
SCALE, SHIFT, EPS = parameter(CHANNELS, seed=121), parameter(CHANNELS, seed=122), 1e-5


def per_channel(x: Tensor) -> Tensor:
    return x.view(-1, 1, 1)


def normalised(x: Tensor) -> Tensor:
    return (x - per_channel(MEAN)) / per_channel(SPREAD + EPS).sqrt()


def scaled_and_shifted(x: Tensor) -> Tensor:
    scale = SCALE * torch.rsqrt(SPREAD + EPS)
    return x * per_channel(scale) + per_channel(SHIFT - MEAN * scale)


def tokens(norm: Function) -> Function:
    """Turn pictures to tokens, as after the stem of a vision transformer: the norm's gradient arrives transposed."""
    return lambda x: norm(x).flatten(2).transpose(1, 2)


def running(x: Tensor) -> Tensor:
    return F.batch_norm(x, MEAN, SPREAD, SCALE, SHIFT, eps=EPS)


BATCH_NORM = {
    "F.batch_norm": tokens(running),
    "by hand": tokens(lambda x: normalised(x) * per_channel(SCALE) + per_channel(SHIFT)),
    "scale and shift": tokens(scaled_and_shifted),
    "picture by picture": tokens(lambda x: torch.cat([running(image[None]) for image in x])),
    "each picture's own tokens": lambda x: torch.cat([tokens(running)(image[None]) for image in x]),
    "native_batch_norm": tokens(lambda x: torch.native_batch_norm(x, SCALE, SHIFT, MEAN, SPREAD, False, 0.1, EPS)[0]),
    "as exported": tokens(
        lambda x: torch.ops.aten._native_batch_norm_legit_no_training(x, SCALE, SHIFT, MEAN, SPREAD, 0.1, EPS)[0]
    ),
}

BELOW = parameter(CHANNELS, CHANNELS, SIZE, SIZE, seed=117), parameter(CHANNELS, seed=118)


def behind_a_layer(norm: Function) -> Function:
    return lambda x: norm(F.conv2d(x, *BELOW, padding=1))


def merged_into_the_layer(x: Tensor) -> Tensor:
    scale = (SCALE * torch.rsqrt(SPREAD + EPS)).detach()
    weight, bias = BELOW[0].detach() * scale.view(-1, 1, 1, 1), (BELOW[1].detach() - MEAN) * scale + SHIFT.detach()
    return F.conv2d(x, nn.Parameter(weight), nn.Parameter(bias), padding=1)


def with_the_scale_a_buffer(x: Tensor) -> Tensor:
    """Scale by a constant that has a dimension for the batch, as detection models do."""
    scale = (SCALE * torch.rsqrt(SPREAD + EPS)).detach()
    return x * scale.reshape(1, -1, 1, 1) + per_channel(nn.Parameter(SHIFT.detach() - MEAN * scale))


NORMED_CONVOLUTION = {
    "merged into the weights": merged_into_the_layer,
    "F.batch_norm": behind_a_layer(running),
    "by hand": behind_a_layer(lambda x: normalised(x) * per_channel(SCALE) + per_channel(SHIFT)),
    "by hand, the mean a parameter": behind_a_layer(
        lambda x: (
            (x - per_channel(nn.Parameter(MEAN))) * per_channel(SCALE / (SPREAD + EPS).sqrt()) + per_channel(SHIFT)
        )
    ),
    "scale and shift": behind_a_layer(scaled_and_shifted),
    "with the scale a buffer": behind_a_layer(with_the_scale_a_buffer),
    "addcmul": behind_a_layer(
        lambda x: torch.addcmul(per_channel(SHIFT), normalised(x), per_channel(SCALE / 2), value=2)
    ),
    "on tokens": behind_a_layer(
        lambda x: scaled_and_shifted(x.flatten(2)[..., None])[..., 0].unflatten(2, x.shape[2:])
    ),
    "channels last": behind_a_layer(
        lambda x: ((x.movedim(1, -1) - MEAN) / (SPREAD + EPS).sqrt() * SCALE + SHIFT).movedim(-1, 1)
    ),
    "picture by picture": lambda x: torch.cat([behind_a_layer(running)(image[None]) for image in x]),
    "as exported": behind_a_layer(
        lambda x: torch.ops.aten._native_batch_norm_legit_no_training(x, SCALE, SHIFT, MEAN, SPREAD, 0.1, EPS)[0]
    ),
}
INPUTS = (draw(PICTURES, CHANNELS, SIDE, SIDE, seed=9).clamp(-1, 1),)
CONTEXTS = {
    "on the input": Context(lambda f: lambda x: F.relu(f(x)), INPUTS),
    "after a layer and a ReLU": Context(lambda f: lambda x: f(F.relu(F.conv2d(x, *BELOW, padding=1))), INPUTS),
}
FAMILIES = {
    "convolution": CONVOLUTION,
    "grouped convolution": GROUPED_CONVOLUTION,
    "depthwise convolution": DEPTHWISE_CONVOLUTION,
    "batch norm": BATCH_NORM,
    "convolution with a batch norm": NORMED_CONVOLUTION,
}
