"""Smooth elementwise functions of one or two tensors."""

import torch
from torch.nn import functional as F

from .arguments import positive


def bloom_gelu(x: torch.Tensor) -> torch.Tensor:
    from transformers.models.bloom.modeling_bloom import GeLUFunction

    return GeLUFunction.apply(x)


def griffin_root(x: torch.Tensor) -> torch.Tensor:
    from transformers.models.recurrent_gemma.modeling_recurrent_gemma import SqrtBoundDerivative

    return SqrtBoundDerivative.apply(x)


ELEMENTWISE = {
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
}
