"""Operations that support only float32: x has the shape (batch, 4, 8, 8)."""

import torch
from torch.nn import functional as F

from .arguments import parameter

SINGLE = {
    "GroupedMm": lambda a, b: F.grouped_mm(parameter(a[:, 0]), parameter(b[:, 0]).mT),
    "MkldnnLinear": lambda x, w, b: torch._C._nn.mkldnn_linear(
        parameter(x[:, 0]).to_mkldnn(), parameter(w[0, 0]), parameter(b[0, 0, 0])
    ).to_dense(),
    "MkldnnAdaptiveAvgPool2D": lambda x: F.adaptive_avg_pool2d(x.to_mkldnn(), 4).to_dense(),
    "MkldnnMaxPool2D": lambda x: F.max_pool2d(x.to_mkldnn(), 2, 2).to_dense(),
    "MkldnnMaxPool3D": lambda x: F.max_pool3d(x[:, None].to_mkldnn(), 2, 2).to_dense(),
}
