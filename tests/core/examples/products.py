"""Norms, softmaxes and losses; products and convolutions; reductions by index and lookups in a table."""

import torch
from torch.nn import functional as F

from .arguments import AGAIN, MASK, PLACES, conv, fixed, parameter, positive

aten = torch.ops.aten

WORDS = torch.tensor([[0, 2, 1], [1, 2, 2]])
PRODUCTS = {
    # statistics, norms, softmax
    "Std": lambda x: x.std((1, 2)),
    "Var": lambda x: x.var((1, 2)),
    "StdMean": lambda x: torch.std_mean(x, (1, 2)),
    "VarMean": lambda x: torch.var_mean(x, (1, 2)),
    "LinalgVectorNorm": lambda x: torch.linalg.vector_norm(x, 3, (1, 2)),
    "Norm": lambda x: aten.norm.Scalar(x, 2),
    "Norm.1": lambda a, b: F.pairwise_distance(a, b),
    "NativeLayerNorm": lambda x, w, b: F.layer_norm(x, (3, 4), parameter(w[0]), parameter(b[0])),
    "NativeGroupNorm": lambda x, w, b: F.group_norm(x, 3, parameter(w[0, :, 0]), parameter(b[0, :, 1])),
    "Softmax": lambda x: x.softmax(1),
    "SafeSoftmax": lambda x: torch._safe_softmax(x, 1),
    "MaskedSoftmax": lambda x: torch._masked_softmax(x.contiguous(), ~MASK.expand_as(x), 2, 2),
    "LogSoftmax": lambda x: x.log_softmax(1),
    "Logsumexp": lambda x: x.logsumexp(1),
    "Logcumsumexp": lambda x: x.logcumsumexp(1),
    "Glu": lambda x: F.glu(x, 2),
    "MseLoss": lambda a, b: F.mse_loss(a, b, reduction="none"),
    "HuberLoss": lambda a, b: F.huber_loss(a, b, reduction="none"),
    "SmoothL1Loss": lambda a, b: F.smooth_l1_loss(a, b, reduction="none"),
    # products
    "Mul": lambda a, b: torch.mul(a, b),
    "Mul, complex": lambda a, b: torch.complex(a, b) * torch.complex(b, a),
    "Bmm": lambda a, b: torch.bmm(a, b.mT),
    "Mm": lambda a, b: torch.mm(a[0], b[0].t()),
    "Mm, linear": lambda x, w: F.linear(x[0], w[0]),
    "Mv": lambda a, b: torch.mv(a[0], b[0, 0]),
    "Dot": lambda a, b: torch.dot(a[0, 0], b[0, 0]),
    "Vdot": lambda a, b: torch.vdot(torch.complex(a, b)[0, 0], torch.complex(b, a)[0, 1]),
    "Addmm": lambda m, a, b: torch.addmm(m[0, :, :3], a[0], b[0].t(), beta=0.5, alpha=2),
    "Addmm, linear": lambda x, w, b: F.linear(x[0], w[0], b[0, :, 0]),
    "Addmv": lambda m, a, b: torch.addmv(m[0, :, 0], a[0], b[0, 0], beta=0.5, alpha=2),
    "Addr": lambda m, a, b: torch.addr(m[0], a[0, :, 0], b[0, 0], beta=0.5, alpha=2),
    "Addbmm": lambda m, a, b: torch.addbmm(m[0, :, :3], a, b.mT, beta=0.5, alpha=2),
    "Baddbmm": lambda m, a, b: torch.baddbmm(m[..., :3], a, b.mT, beta=0.5, alpha=2),
    "SparseAddmm": lambda a, b: torch.sparse.mm(a[0].to_sparse(), b[0].t()),
    "WeightNormInterface": lambda v, g: torch._weight_norm(parameter(v[0]), parameter(g[0, :, :1])),
    "Addcmul": lambda m, a, b: torch.addcmul(m, a, b, value=2),
    "Addcdiv": lambda m, a, b: torch.addcdiv(m, a, positive(b), value=2),
    "Div": lambda a, b: a / positive(b),
    "Ldexp": lambda a, b: torch.ldexp(a, b),
    "Lerp.1": lambda a, b, weight: torch.lerp(a, b, weight),
    "Trilinear": lambda a, w, b: F.bilinear(a, b, w[0, :, None] * fixed(4, 1)),
    "Prod": lambda x: x.prod(),
    "Prod.1": lambda x: x.prod(1),
    "Cumprod": lambda x: x.cumprod(1),
    "Convolution": lambda x, w, b: conv(F.conv1d, x, w[..., :2], b[:, 0, 0], stride=2, padding=1),
    "Convolution, dilated": lambda x, w: conv(F.conv1d, x, w[..., :2], dilation=2),
    "Convolution, of each channel": lambda x, w, b: conv(F.conv1d, x, w[0, :, None, :2], b[0, :, 0], groups=3),
    "Convolution, transposed": lambda x, w, b: conv(F.conv_transpose1d, x, w[0, :, None], b[0, 0, :1], stride=2),
    "ConvTbc": lambda x, w, b: torch.conv_tbc(x.transpose(0, 1).contiguous(), w[0].t() * fixed(2, 1, 1), b[0, :, 0]),
    # by index, by segment
    **{
        f"ScatterReduce, {reduce}": lambda a, b, r=reduce: a.scatter_reduce(1, PLACES.expand(len(a), -1, -1) // 2, b, r)
        for reduce in ("sum", "prod", "mean", "amax", "amin")
    },
    **{
        f"IndexReduce, {reduce}": lambda a, b, r=reduce: a.index_reduce(1, AGAIN, b, r)
        for reduce in ("prod", "mean", "amax", "amin")
    },
    **{
        f"SegmentReduce, {reduce}": lambda x, r=reduce: torch.segment_reduce(x[0], r, lengths=torch.tensor([1, 2]))
        for reduce in ("sum", "prod", "mean", "max", "min")
    },
    # x is the table
    "Embedding": lambda x: F.embedding(WORDS, x[0]),
    "EmbeddingBag": lambda x, w: F.embedding_bag(WORDS, x[0], per_sample_weights=w[0, :2, :3], mode="sum"),
    "EmbeddingBag, mean": lambda x: F.embedding_bag(WORDS, x[0], mode="mean"),
    "EmbeddingBag, max": lambda x: F.embedding_bag(WORDS, x[0], mode="max"),
}
