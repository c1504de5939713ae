"""Pictures of four channels, four heads of attention, or volumes of one channel: x has the shape (batch, 4, 4, 4)."""

import torch
from torch.nn import functional as F

from .arguments import conv, fixed, parameter, positive


def attention(q, k, v, mask, **settings):
    """Compute attention in one fused node, which on a CPU excludes strided last dimensions and masks with gradients."""
    return F.scaled_dot_product_attention(*(t.contiguous() for t in (q, k, v)), mask, **settings)


def batch_norm(x, w, b, *, training=False):
    statistics = fixed(4), 1 + positive(fixed(4))
    return F.batch_norm(x, *statistics, parameter(w[0, :, 0, 0]), parameter(b[0, :, 0, 0]), training)


def exported_batch_norm(x, w, b):
    statistics = fixed(4), 1 + positive(fixed(4))
    parameters = parameter(w[0, :, 0, 0]), parameter(b[0, :, 0, 0])
    return torch._native_batch_norm_legit_no_training(x, *parameters, *statistics, 0.1, 1e-5)[0]


def local_maxima(ndim: int) -> torch.Tensor:
    pool = getattr(F, f"max_pool{ndim}d")
    return pool(fixed(1, 4 if ndim == 2 else 1, *[8] * ndim), 2, return_indices=True)[1]


IMAGES = {
    "Im2Col": lambda x: F.unfold(x, 2, padding=1),
    "Col2Im": lambda x: F.fold(x.flatten(1, 2), (3, 3), 2),
    "ReflectionPad2D": lambda x: F.pad(x, (1, 2, 0, 3), "reflect"),
    "ReflectionPad3D": lambda x: F.pad(x[:, None], (1, 2, 0, 3, 1, 1), "reflect"),
    "ReplicationPad2D": lambda x: F.pad(x, (1, 2, 0, 3), "replicate"),
    "ReplicationPad3D": lambda x: F.pad(x[:, None], (1, 2, 0, 3, 1, 1), "replicate"),
    "PixelShuffle": lambda x: F.pixel_shuffle(x, 2),
    "PixelUnshuffle": lambda x: F.pixel_unshuffle(x, 2),
    "ChannelShuffle": lambda x: F.channel_shuffle(x, 2),
    "AvgPool2D": lambda x: F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
    "AvgPool3D": lambda x: F.avg_pool3d(x[:, None], 3, 2, 1, count_include_pad=False),
    "AdaptiveAvgPool2D": lambda x: F.adaptive_avg_pool2d(x, 3),
    "AdaptiveAvgPool3D": lambda x: F.adaptive_avg_pool3d(x[:, None], 3),
    "UpsampleNearest2D": lambda x: F.interpolate(x, (3, 7)),
    "UpsampleNearest3D": lambda x: F.interpolate(x[:, None], (3, 7, 5)),
    "UpsampleNearestExact2D": lambda x: F.interpolate(x, (3, 7), mode="nearest-exact"),
    "UpsampleNearestExact3D": lambda x: F.interpolate(x[:, None], (3, 7, 5), mode="nearest-exact"),
    "UpsampleBilinear2D": lambda x: F.interpolate(x, (3, 7), mode="bilinear"),
    "UpsampleBilinear2D, corners": lambda x: F.interpolate(x, (3, 7), mode="bilinear", align_corners=True),
    "UpsampleBicubic2D": lambda x: F.interpolate(x, (3, 7), mode="bicubic"),
    "UpsampleTrilinear3D": lambda x: F.interpolate(x[:, None], (3, 7, 5), mode="trilinear"),
    "UpsampleBilinear2DAa": lambda x: F.interpolate(x, (3, 7), mode="bilinear", antialias=True),
    "UpsampleBicubic2DAa": lambda x: F.interpolate(x, (3, 7), mode="bicubic", antialias=True),
    "AffineGridGenerator": lambda x: F.affine_grid(x[:, 0, :2, :3], [len(x), 1, 3, 5], align_corners=False),
    "AffineGridGenerator, volume": lambda x: F.affine_grid(x[:, 0, :3], [len(x), 1, 3, 5, 2], align_corners=False),
    "GridSampler2D": lambda x, g: F.grid_sample(x, g[..., :2].sin(), align_corners=False),
    "GridSampler2D, bicubic": lambda x, g: F.grid_sample(x, g[..., :2], "bicubic", "reflection", align_corners=True),
    "GridSampler3D": lambda x, g: F.grid_sample(x[:, None], g[:, None, ..., :3].sin(), align_corners=False),
    "MaxPool2DWithIndices": lambda x: F.max_pool2d(x, 3, 2, 1),
    "MaxPool2DWithIndices, indices": lambda x: F.max_pool2d(x, 2, return_indices=True),
    "MaxPool3DWithIndices": lambda x: F.max_pool3d(x[:, None], 3, 2, 1),
    "AdaptiveMaxPool2D": lambda x: F.adaptive_max_pool2d(x, 3),
    "AdaptiveMaxPool3D": lambda x: F.adaptive_max_pool3d(x[:, None], 3),
    "FractionalMaxPool2D": lambda x: F.fractional_max_pool2d(
        x, 2, output_size=2, _random_samples=positive(fixed(len(x), 4, 2))
    ),
    "FractionalMaxPool3D": lambda x: F.fractional_max_pool3d(
        x[:, None], 2, output_size=2, _random_samples=positive(fixed(len(x), 1, 3))
    ),
    "MaxUnpool2D": lambda x: F.max_unpool2d(x, local_maxima(2).expand(len(x), -1, -1, -1), 2),
    "MaxUnpool3D": lambda x: F.max_unpool3d(x[:, None], local_maxima(3).expand(len(x), -1, -1, -1, -1), 2),
    "Convolution, 2d": lambda x, w, b: conv(F.conv2d, x, w[..., :3, :2], b[:, 0, 0, 0], stride=(1, 2), padding=1),
    "Convolution, 2d, one place": lambda x, w, b: conv(F.conv2d, x, w[..., :1, :1], b[:, 0, 0, 0]),
    "Convolution, 2d, of each channel": lambda x, w: conv(F.conv2d, x, w[0, :, None, :2, :2], groups=4),
    "Convolution, 2d, transposed": lambda x, w, b: conv(
        F.conv_transpose2d, x, w[0, :, None, :2, :3], b[0, 0, 0, :1], stride=2, output_padding=1
    ),
    "Convolution, 3d": lambda x, w, b: conv(F.conv3d, x[:, None], w[:, None, :2, :3, :2], b[:, 0, 0, 0], padding=1),
    "Convolution, 3d, transposed": lambda x, w: conv(F.conv_transpose3d, x[:, None], w[:1, None, :2, :3, :2], stride=2),
    # Constant weights: torch 2.13 crashes where only the weights of a channels-last group norm require grad.
    "NativeGroupNorm, 2d": lambda x: F.group_norm(x, 2, fixed(4), fixed(4)),
    "NativeLayerNorm, 2d": lambda x, w, b: F.layer_norm(x, (4,), parameter(w[0, 0, 0]), parameter(b[0, 0, 1])),
    "NativeBatchNorm": batch_norm,
    "NativeBatchNorm, training": lambda x, w, b: batch_norm(x, w, b, training=True),
    "NativeBatchNormLegitNoTraining": exported_batch_norm,
    "ScaledDotProductFlashAttentionForCpu": lambda q, k, v: attention(q, k, v, None),
    "ScaledDotProductFlashAttentionForCpu, causal": lambda q, k, v: attention(q, k, v, None, is_causal=True),
    "ScaledDotProductFlashAttentionForCpu, mask": lambda q, k, v: attention(q, k, v, fixed(4, 4)),
}
