"""Examples of every operation in the vocabulary: functions whose graph contains the operation's node.

An example has the name of its node, ``Addmm`` for ``AddmmBackward0``, with the digit of other overloads, ``Pow.1`` for
``PowBackward1``. The text after a comma distinguishes examples of one node. All arguments of a function have the same
shape, with a batch of any size in front.
"""

import math

import torch
from torch.nn import functional as F

aten = torch.ops.aten


def fixed(*shape: int) -> torch.Tensor:
    """Return distinct numbers between -1 and 1, the same in every call."""
    return torch.arange(1.0, 1 + math.prod(shape), dtype=torch.get_default_dtype()).sin().view(shape)


def positive(x: torch.Tensor) -> torch.Tensor:
    """Map x to numbers between 0.1 and 0.9, where logarithms, roots and inverse functions are smooth."""
    return 0.5 + 0.4 * torch.sin(x)


def invertible(x: torch.Tensor) -> torch.Tensor:
    return x + 6 * torch.eye(x.shape[-1], dtype=x.dtype)


def written_in_place(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    z = a * 1
    z[:, 0] = b[:, 1]
    z[:, 1].mul_(2)
    return z


def bloom_gelu(x: torch.Tensor) -> torch.Tensor:
    from transformers.models.bloom.modeling_bloom import GeLUFunction

    return GeLUFunction.apply(x)


def griffin_root(x: torch.Tensor) -> torch.Tensor:
    from transformers.models.recurrent_gemma.modeling_recurrent_gemma import SqrtBoundDerivative

    return SqrtBoundDerivative.apply(x)


def parameter(t: torch.Tensor) -> torch.Tensor:
    """Return part of an argument in the memory layout of a parameter."""
    return t.contiguous()


def attention(q, k, v, mask, **settings):
    """Compute attention in one fused node, which on a CPU excludes strided last dimensions and masks with gradients."""
    return F.scaled_dot_product_attention(*(t.contiguous() for t in (q, k, v)), mask, **settings)


def conv(f, x, *parameters, **settings):
    return f(x, *map(parameter, parameters), **settings)


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


MASK = torch.tensor([[True, False, True, True], [False, False, True, False], [True, True, False, True]])
TURN = torch.tensor([1, 2, 0])
AGAIN = torch.tensor([2, 0, 2])
FIRST = torch.tensor([0])
PLACES = torch.tensor([[1, 2, 0, 0], [2, 1, 1, 2], [0, 0, 2, 1]])  # a permutation in each column but the last
WORDS = torch.tensor([[0, 2, 1], [1, 2, 2]])

# ---- x of shape (batch, 3, 4): rows of numbers, or one-dimensional signals of three channels ------------------
ROWS = {
    # linear
    "Add": lambda a, b: torch.add(a, b, alpha=2),
    "Add.1": lambda x: aten.add.Scalar(x, 2),
    "Sub": lambda a, b: torch.sub(a, b, alpha=2),
    "Sub.1": lambda x: aten.sub.Scalar(x, 2),
    "Rsub": lambda a, b: torch.rsub(a, b),
    "Rsub.1": lambda x: 2 - x,
    "Neg": lambda x: -x,
    "Mul.1": lambda x: aten.mul.Scalar(x, 2),
    "Div.1": lambda x: aten.div.Scalar(x, 2),
    "Sum": lambda x: x.sum(),
    "Sum.1": lambda x: x.sum(1),
    "Nansum": lambda x: x.nansum(1),
    "Mean": lambda x: x.mean(),
    "Mean.1": lambda x: x.mean((0, 2)),
    "Cumsum": lambda x: x.cumsum(1),
    "Trace": lambda x: x[0].trace(),
    "Lerp": lambda a, b: torch.lerp(a, b, 0.3),
    "Deg2Rad": lambda x: torch.deg2rad(x),
    "Rad2Deg": lambda x: torch.rad2deg(x),
    # views and copies
    "View": lambda x: x.view(len(x), 3, 2, 2),
    "View.0_copy": lambda x: aten.view_copy(x, (len(x), 3, 2, 2)),
    "UnsafeView": lambda x: aten._unsafe_view(x, (len(x), 3, 2, 2)),
    "ReshapeAlias": lambda x: aten._reshape_alias(x.contiguous(), (len(x), 12), (12, 1)),
    "ReshapeCopy": lambda x: aten._reshape_copy(x, (len(x), 12)),
    "Expand": lambda x: x.expand(2, *x.shape),
    "Squeeze": lambda x: x[:, :1].squeeze(),
    "Squeeze.1": lambda x: x[:, :1].squeeze(1),
    "Squeeze.2": lambda x: x[:, :1, :1].squeeze((1, 2)),
    "Squeeze.4": lambda x: (x[:, :1] * 1).squeeze_(1),
    "Unsqueeze": lambda x: x.unsqueeze(1),
    "Unsqueeze.1": lambda x: (x * 1).unsqueeze_(1),
    "Transpose": lambda x: x.mT,
    "Transpose.1": lambda x: (x * 1).transpose_(1, 2),
    "T": lambda x: x[0].t(),
    "T.1": lambda x: (x[0] * 1).t_(),
    "Permute": lambda x: x.permute(2, 0, 1),
    "AsStrided": lambda x: x.contiguous().as_strided((3, 2), (2, 1), 1),  # overlapping
    "Alias": lambda x: aten.alias(x),
    "Clone": lambda x: torch.clone(x),
    "LazyClone": lambda x: torch._lazy_clone(x),
    "ToCopy": lambda x: x.to(torch.complex128),
    "CopyBackwards": lambda x: torch.zeros_like(x, requires_grad=False).copy_(x),
    "Lift": lambda x: aten.lift(x),
    "LiftFresh": lambda x: aten.lift_fresh(x),
    "NegView": lambda x: torch._neg_view(x),
    "Slice": lambda x: x[:, 1:],
    "Select": lambda x: x[:, 1],
    "NarrowCopy": lambda x: x.narrow_copy(1, 0, 2),
    "Split": lambda x: x.split(2, 1),
    "SplitWithSizes": lambda x: x.split([1, 2], 1),
    "UnsafeSplit": lambda x: torch.unsafe_split(x, 2, 1),
    "UnsafeSplitWithSizes": lambda x: torch.unsafe_split_with_sizes(x, [1, 2], 1),
    "Unbind": lambda x: x.unbind(1),
    "Unfold": lambda x: x.unfold(2, 3, 1),
    "UnfoldBackward": lambda x: aten.unfold_backward(x, [len(x), 8], 1, 4, 2),
    "Diagonal": lambda x: x.diagonal(1, 1, 2),
    "Diagonal.0_copy": lambda x: torch.diag(x[0]),
    "DiagEmbed": lambda x: x.diag_embed(1),
    "Tril": lambda x: x.tril(),
    "Triu": lambda x: x.triu(1),
    "Repeat": lambda x: x.repeat(2, 1, 2),
    "Roll": lambda x: x.roll((1, 2), (1, 2)),
    "Flip": lambda x: x.flip(1, 2),
    "Rot90": lambda x: x.rot90(1, (1, 2)),
    "PackPaddedSequence": lambda x: torch.nn.utils.rnn.pack_padded_sequence(x, [3, 2][: len(x)], True).data,
    # by index and by mask
    "Index": lambda x: x[:, AGAIN],
    "Index, mask": lambda x: x[:, MASK],
    "UnsafeIndex": lambda x: aten._unsafe_index(x, [None, AGAIN]),
    "IndexSelect": lambda x: x.index_select(1, AGAIN),
    "Gather": lambda x: x.gather(1, PLACES.expand(len(x), -1, -1)),
    "Take": lambda x: x.take(AGAIN),
    "MaskedSelect": lambda x: x.masked_select(MASK),
    "IndexPut": lambda a, b: a.index_put((FIRST, AGAIN), b[0], accumulate=True),
    "IndexPut, in place": lambda a, b: (a * 1).index_put_((FIRST, TURN), b[0]),
    "IndexPutImpl": lambda a, b: aten._index_put_impl(a, [FIRST, TURN], b[0]),
    "UnsafeIndexPut": lambda a, b: aten._unsafe_index_put(a, [FIRST, TURN], b[0]),
    "IndexAdd": lambda a, b: a.index_add(1, AGAIN, b, alpha=2),
    "IndexCopy": lambda a, b: a.index_copy(1, TURN[:2], b[:, :2]),
    "IndexFill": lambda x: x.index_fill(1, TURN[:2], 2.0),
    "IndexFill.1": lambda a, b: a.index_fill(1, TURN[:2], b[0, 0, 0]),
    "Scatter": lambda a, b: a.scatter(1, PLACES.expand(len(a), -1, -1), b),
    "Scatter.1": lambda x: x.scatter(1, PLACES.expand(len(x), -1, -1), 2.0),
    "ScatterAdd": lambda a, b: a.scatter_add(1, PLACES.expand(len(a), -1, -1) // 2, b),
    "MaskedScatter": lambda a, b: a.masked_scatter(MASK, b),
    "MaskedFill": lambda x: x.masked_fill(MASK, 2.0),
    "MaskedFill.1": lambda a, b: a.masked_fill(MASK, b[0, 0, 0]),
    "Fill": lambda x: aten.fill(x, 2.0),
    "Fill.1": lambda a, b: aten.fill(a, b[0, 0, 0]),
    "Fill.2": lambda x: (x * 1).fill_(2.0),
    "Fill.3": lambda a, b: (a * 1).fill_(b[0, 0, 0]),
    "SliceScatter": lambda a, b: a.slice_scatter(b[:, :2], 1, 1, 3),
    "SelectScatter": lambda a, b: a.select_scatter(b[:, 0], 1, 2),
    "DiagonalScatter": lambda a, b: a.diagonal_scatter(b[:, 0, :3], 0, 1, 2),
    "Put": lambda a, b: a.put(TURN, b[0, 0, :3]),
    "Put, accumulated": lambda a, b: a.put(AGAIN, b[0, 0, :3], accumulate=True),
    "Where": lambda a, b: torch.where(MASK, a, b),
    "Zero": lambda x: aten.zero(x),
    "CopySlices": written_in_place,
    "Cat": lambda a, b: torch.cat([a, b], 1),
    "Stack": lambda a, b: torch.stack([a, b], 1),
    "BlockDiag": lambda a, b: torch.block_diag(a[0], b[0]),
    # complex numbers, signals
    "Complex": lambda a, b: torch.complex(a, b),
    "ViewAsReal": lambda a, b: torch.view_as_real(torch.complex(a, b)),
    "ViewAsComplex": lambda x: torch.view_as_complex(x.contiguous().unflatten(-1, (2, 2))),
    "Conj": lambda a, b: torch.complex(a, b).conj(),
    "ConjPhysical": lambda a, b: torch.complex(a, b).conj_physical(),
    "ConjPhysical.1": lambda a, b: torch.complex(a, b).conj_physical_(),
    "FftR2C": lambda x: torch.fft.rfft(x),
    "FftC2C": lambda a, b: torch.fft.ifft(torch.complex(a, b)),
    "FftC2R": lambda a, b: torch.fft.irfft(torch.complex(a, b)),
    "Polar": lambda a, b: torch.polar(positive(a), b),
    "Angle": lambda a, b: torch.angle(torch.complex(a, b)),
    "Abs, complex": lambda a, b: torch.complex(a, b).abs(),
    "Sgn, complex": lambda a, b: torch.complex(a, b).sgn(),
    "ConstantPadNd": lambda x: F.pad(x, (1, 2)),
    "ReflectionPad1D": lambda x: F.pad(x, (1, 2), "reflect"),
    "ReplicationPad1D": lambda x: F.pad(x, (1, 2), "replicate"),
    "UpsampleNearest1D": lambda x: F.interpolate(x, 7),
    "UpsampleNearestExact1D": lambda x: F.interpolate(x, 7, mode="nearest-exact"),
    "UpsampleLinear1D": lambda x: F.interpolate(x, 7, mode="linear"),
    # sparse and nested
    "ToDense": lambda x: x.to_sparse().to_dense(),
    "Values": lambda x: x.to_sparse().values(),
    "ToPaddedTensor": lambda x: torch.nested.as_nested_tensor([*x]).to_padded_tensor(0.0),
    "Linear": lambda x, w: F.linear(torch.nested.as_nested_tensor([*x]), w[0]).to_padded_tensor(0.0),
    # winner takes all
    "Max": lambda x: x.max(1),
    "Max.1": lambda x: x.max(),
    "Min": lambda x: x.min(1),
    "Min.1": lambda x: x.min(),
    "Amax": lambda x: x.amax((0, 2)),
    "Amin": lambda x: x.amin((0, 2)),
    "Aminmax": lambda x: tuple(torch.aminmax(x, dim=1)),
    "Maximum": lambda a, b: torch.maximum(a, b),
    "Minimum": lambda a, b: torch.minimum(a, b),
    "Fmax": lambda a, b: torch.fmax(a, b),
    "Fmin": lambda a, b: torch.fmin(a, b),
    "Topk": lambda x: x.topk(2, 1),
    "Sort": lambda x: x.sort(1),
    "Sort.1": lambda x: x.sort(dim=1, stable=True),
    "Kthvalue": lambda x: x.kthvalue(2, 1),
    "Median": lambda x: x.median(),
    "Median.1": lambda x: x.median(1),
    "Nanmedian": lambda x: x.nanmedian(),
    "Nanmedian.1": lambda x: x.nanmedian(1),
    "Mode": lambda x: x.mode(1),
    "Cummax": lambda x: x.cummax(1),
    "Cummin": lambda x: x.cummin(1),
    "Renorm": lambda x: x.renorm(2, 1, 0.5),
    "Fmod": lambda x: torch.fmod(x, 0.7),
    "Fmod.1": lambda a, b: torch.fmod(a, 2 + positive(b)),
    "Remainder": lambda x: torch.remainder(x, 0.7),
    "Remainder.1": lambda a, b: torch.remainder(a, 2 + positive(b)),
    "Copysign": lambda a, b: torch.copysign(a, b),
    "Copysign.1": lambda x: torch.copysign(x, -1.0),
    # piecewise linear, piecewise constant
    "Relu": lambda x: torch.relu(x),
    "LeakyRelu": lambda x: F.leaky_relu(x, 0.1),
    "LeakyRelu.1": lambda x: F.leaky_relu_(x * 1, 0.1),
    "PreluKernel": lambda x, w: F.prelu(x, parameter(w[0, :, 0])),
    "RreluWithNoise": lambda x: F.rrelu(x),
    "RreluWithNoise.1": lambda x: F.rrelu_(x * 1),
    "Threshold": lambda x: F.threshold(x, 0.1, 2.0),
    "Threshold.1": lambda x: F.threshold_(x * 1, 0.1, 2.0),
    "Abs": lambda x: torch.abs(x),
    "Clamp": lambda x, low, high: x.clamp(low - 1, high + 1),
    "Clamp.1": lambda x: x.clamp(-0.5, 0.7),
    "ClampMin": lambda x: x.clamp_min(-0.5),
    "ClampMin.1": lambda a, b: torch.clamp_min(a, b),
    "ClampMax": lambda x: x.clamp_max(0.5),
    "ClampMax.1": lambda a, b: torch.clamp_max(a, b),
    "NanToNum": lambda x: torch.nan_to_num(x),
    "Sign": lambda x: torch.sign(x),
    "Sgn": lambda x: torch.sgn(x),
    "Round": lambda x: torch.round(x),
    "Round.1": lambda x: torch.round(x, decimals=1),
    "Floor": lambda x: torch.floor(x),
    "Ceil": lambda x: torch.ceil(x),
    "Trunc": lambda x: torch.trunc(x),
    "Frac": lambda x: torch.frac(x),
    "Div.2": lambda a, b: torch.div(a, 2 + positive(b), rounding_mode="floor"),
    "Div.3": lambda x: aten.div.Scalar_mode(x, 2, rounding_mode="trunc"),
    "Nextafter": lambda a, b: torch.nextafter(a, b),
    "Gt": lambda x: (x * 1).gt_(0.1),
    "Gt.1": lambda a, b: (a * 1).gt_(b),
    "Ge": lambda x: (x * 1).ge_(0.1),
    "Ge.1": lambda a, b: (a * 1).ge_(b),
    "Lt": lambda x: (x * 1).lt_(0.1),
    "Lt.1": lambda a, b: (a * 1).lt_(b),
    "Le": lambda x: (x * 1).le_(0.1),
    "Le.1": lambda a, b: (a * 1).le_(b),
    "Eq": lambda x: (x * 1).eq_(0.1),
    "Eq.1": lambda a, b: (a * 1).eq_(b),
    "Ne": lambda x: (x * 1).ne_(0.1),
    "Ne.1": lambda a, b: (a * 1).ne_(b),
    # elementwise
    "Gelu": lambda x: F.gelu(x),
    "Gelu, tanh": lambda x: F.gelu(x, approximate="tanh"),
    "GeLUFunction": bloom_gelu,
    "Silu": F.silu,
    "Silu, in place": lambda x: F.silu(x * 1, inplace=True),
    "Mish": F.mish,
    "Mish, in place": lambda x: F.mish(x * 1, inplace=True),
    "Hardswish": F.hardswish,
    "Hardswish, in place": lambda x: F.hardswish(x * 1, inplace=True),
    "Elu": lambda x: F.elu(x, 1.3),
    "Elu, selu": F.selu,
    "Elu.1": lambda x: F.elu_(x * 1, 1.3),
    "Celu": lambda x: F.celu(x, 1.3),
    "Celu.1": lambda x: F.celu_(x * 1, 1.3),
    "Tanh": lambda x: torch.tanh(x),
    "Hardtanh": lambda x: F.hardtanh(x, -0.5, 0.7),
    "Hardtanh, in place": lambda x: F.hardtanh_(x * 1, -0.5, 0.7),
    "Softshrink": lambda x: F.softshrink(x),
    "Hardshrink": lambda x: F.hardshrink(x),
    "LogSigmoid": lambda x: F.logsigmoid(x),
    "Softplus": lambda x: F.softplus(x, 2.0),
    "Sigmoid": lambda x: torch.sigmoid(x),
    "Hardsigmoid": F.hardsigmoid,
    "Exp": lambda x: torch.exp(x),
    "Exp2": lambda x: torch.exp2(x),
    "Expm1": lambda x: torch.expm1(x),
    "Log": lambda x: torch.log(positive(x)),
    "Log2": lambda x: torch.log2(positive(x)),
    "Log10": lambda x: torch.log10(positive(x)),
    "Log1P": lambda x: torch.log1p(positive(x)),
    "Logit": lambda x: torch.logit(positive(x)),
    "Erf": lambda x: torch.erf(x),
    "Erfc": lambda x: torch.erfc(x),
    "Erfinv": lambda x: torch.erfinv(positive(x)),
    "Sin": lambda x: torch.sin(x),
    "Cos": lambda x: torch.cos(x),
    "Tan": lambda x: torch.tan(positive(x)),
    "Asin": lambda x: torch.asin(positive(x)),
    "Acos": lambda x: torch.acos(positive(x)),
    "Atan": lambda x: torch.atan(x),
    "Sinh": lambda x: torch.sinh(x),
    "Cosh": lambda x: torch.cosh(x),
    "Asinh": lambda x: torch.asinh(x),
    "Acosh": lambda x: torch.acosh(1.5 + positive(x)),
    "Atanh": lambda x: torch.atanh(positive(x)),
    "Sinc": lambda x: torch.sinc(x),
    "Lgamma": lambda x: torch.lgamma(positive(x)),
    "Digamma": lambda x: torch.digamma(positive(x)),
    "I0": lambda x: torch.special.i0(x),
    "SpecialI0E": lambda x: torch.special.i0e(x),
    "SpecialI1": lambda x: torch.special.i1(x),
    "SpecialI1E": lambda x: torch.special.i1e(x),
    "SpecialEntr": lambda x: torch.special.entr(positive(x)),
    "SpecialErfcx": lambda x: torch.special.erfcx(x),
    "SpecialNdtri": lambda x: torch.special.ndtri(positive(x)),
    "SpecialLogNdtr": lambda x: torch.special.log_ndtr(x),
    "Sqrt": lambda x: torch.sqrt(positive(x)),
    "SqrtBoundDerivative": lambda x: griffin_root(positive(x)),
    "Rsqrt": lambda x: torch.rsqrt(positive(x)),
    "Reciprocal": lambda x: torch.reciprocal(positive(x)),
    "Pow": lambda x: x**3,
    "Pow, fraction": lambda x: positive(x) ** -0.5,
    "Pow.1": lambda a, b: positive(a) ** b,
    "Pow.2": lambda x: 2.0**x,
    "Atan2": lambda a, b: torch.atan2(a, b),
    "Hypot": lambda a, b: torch.hypot(a, b),
    "Logaddexp": lambda a, b: torch.logaddexp(a, b),
    "Logaddexp2": lambda a, b: torch.logaddexp2(a, b),
    "Xlogy": lambda a, b: torch.xlogy(a, positive(b)),
    "SpecialXlog1Py": lambda a, b: torch.special.xlog1py(a, positive(b)),
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

# ---- x of shape (batch, 3, 3): square matrices ----------------------------------------------------------------
SQUARES = {
    "LinalgSolveEx": lambda a, b: torch.linalg.solve(invertible(a), b),
    "LinalgSolveEx, from the right": lambda a, b: torch.linalg.solve(invertible(a), b, left=False),
    "LinalgSolveEx, vector": lambda a, b: torch.linalg.solve(invertible(a[0]), b[0, 0]),
    "LinalgSolveTriangular": lambda a, b: torch.linalg.solve_triangular(invertible(a).triu(), b, upper=True),
    "LinalgLstsq": lambda a, b: torch.linalg.lstsq(invertible(a), b).solution,
    "CholeskySolve": lambda a, b: torch.cholesky_solve(a, invertible(b).tril()),
    "LinalgInvEx": lambda x: torch.linalg.inv(invertible(x)),
    "LinalgDet": lambda x: torch.linalg.det(invertible(x)),
    "LinalgSlogdet": lambda x: torch.linalg.slogdet(invertible(x))[1],
    "LinalgCross": lambda a, b: torch.linalg.cross(a, b),
    "LinalgMatrixExp": lambda x: torch.linalg.matrix_exp(x),
}

# ---- x of shape (batch, 4, 4, 4): pictures of four channels, four heads of attention, or volumes of one channel
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

# ---- x of shape (batch, 4, 8, 8) in float32, the only dtype that these operations support ------------------------
SINGLE = {
    "GroupedMm": lambda a, b: F.grouped_mm(parameter(a[:, 0]), parameter(b[:, 0]).mT),
    "MkldnnLinear": lambda x, w, b: torch._C._nn.mkldnn_linear(
        parameter(x[:, 0]).to_mkldnn(), parameter(w[0, 0]), parameter(b[0, 0, 0])
    ).to_dense(),
    "MkldnnAdaptiveAvgPool2D": lambda x: F.adaptive_avg_pool2d(x.to_mkldnn(), 4).to_dense(),
    "MkldnnMaxPool2D": lambda x: F.max_pool2d(x.to_mkldnn(), 2, 2).to_dense(),
    "MkldnnMaxPool3D": lambda x: F.max_pool3d(x[:, None].to_mkldnn(), 2, 2).to_dense(),
}

# The function and the shape of its arguments without the batch, by name.
EXAMPLES = {
    name: (function, shape)
    for functions, shape in ((ROWS, (3, 4)), (SQUARES, (3, 3)), (IMAGES, (4, 4, 4)), (SINGLE, (4, 8, 8)))
    for name, function in functions.items()
}

# Nodes that no forward pass makes on a CPU, and why.
NOT_ON_A_CPU = {
    **dict.fromkeys(
        ("CudnnConvolution", "CudnnBatchNorm", "ScaledDotProductFlashAttention", "ScaledDotProductEfficientAttention",
         "ScaledDotProductCudnnAttention"),
        "made on a CUDA device",
    ),
    "MiopenBatchNorm": "made on a ROCm device",
    "FusedRmsNorm": "made on a CUDA or MPS device; a CPU decomposes it",
    **dict.fromkeys(
        ("ConvolutionOverrideable", "ScaledDotProductFusedAttentionOverrideable"),
        "made by backends outside PyTorch",
    ),
    "Chunk": "made for nested tensors only; Tensor.chunk makes Split",
    "Copy": "not the name of a node: Tensor.copy_ makes CopyBackwards",
}  # fmt: skip
