"""Everything that is read from autograd nodes by private name, in one table.

PyTorch's nodes keep what their derivatives need under ``_saved_...`` names, which a release may change. They are
checked before each pass, so that a change is an error that says so, never a wrong number.
"""

from __future__ import annotations

from functools import cache

import torch

from .errors import RelevanceError
from .operations import operation

# By operation, the names without `_saved_`.
READ = {
    # activations
    "Gelu": ("self", "approximate"), "Silu": ("self",), "Tanh": ("result",), "Celu": ("alpha",),
    "Elu": ("alpha", "scale", "input_scale"), "Mish": ("self",), "Hardswish": ("self",),
    "Hardtanh": ("self", "min_val", "max_val"), "Softshrink": ("self", "lambd"), "Hardshrink": ("self", "lambd"),
    "Sigmoid": ("result",), "Hardsigmoid": ("self",), "LogSigmoid": ("self",), "Exp": ("result",),
    "Softplus": ("self", "beta", "threshold"), "Expm1": ("result",), "Log1P": ("self",), "Erf": ("self",),
    "Sin": ("self",), "Cos": ("self",), "Atan": ("self",), "Sinh": ("self",), "Glu": ("dim",),
    "Clamp": ("self",), "ClampMin": ("self",), "ClampMax": ("self",),
    # products and layers
    "Mul": ("self", "other"), "Mm": ("self", "mat2"), "Addmm": ("mat1", "mat2", "alpha", "beta"),
    "Bmm": ("self", "mat2"), "Baddbmm": ("batch1", "batch2", "alpha", "beta"), "Mv": ("self", "vec"),
    "Addmv": ("mat", "vec", "alpha", "beta"),
    "Convolution": ("input", "weight", "bias_sym_sizes_opt", "stride", "padding", "dilation", "transposed",
                    "output_padding", "groups"),
    "Cumprod": ("self", "dim", "result"), "Prod": ("self",),
    "Embedding": ("indices", "padding_idx", "scale_grad_by_freq"),
    "Maximum": ("self", "other"), "Minimum": ("self", "other"), "Fmax": ("self", "other"), "Fmin": ("self", "other"),
    # norms and statistics
    "NativeLayerNorm": ("weight", "normalized_shape", "result2"), "NativeGroupNorm": ("weight", "group", "result2"),
    "FusedRmsNorm": ("weight", "result1"),
    "CudnnBatchNorm": ("training", "input", "weight", "epsilon", "running_mean"),
    "NativeBatchNorm": ("training", "input", "weight", "eps", "running_mean", "running_var"),
    "VarMean": ("self", "dim", "keepdim"), "StdMean": ("self", "dim", "keepdim"),
}  # fmt: skip


def dimension(saved: int, ndim: int) -> int:
    """A dimension that a node keeps: negative ones come out of PyTorch as if they were unsigned."""
    return (saved - 2**64 if saved >= 2**63 else saved) % ndim


@cache
def missing(node_class: type) -> tuple[str, ...]:
    """The names in the table that a class of nodes doesn't have."""
    op = operation(node_class.__name__)
    if op.kind == "linear":  # such as the scalar overload of a product
        return ()
    names = ("exponent",) if op.kind == "power" else READ.get(op.base, ())
    return tuple(name for name in names if not hasattr(node_class, f"_saved_{name}"))


def check_saved(node: torch.autograd.graph.Node) -> None:
    """Raise if a node lacks something that a rule would read."""
    if names := missing(type(node)):
        raise RelevanceError(
            f"{node.name()} has no _saved_{names[0]} in torch {torch.__version__}, which its rule reads. Please report "
            "it; until it is mended, use an older torch, or give the node another rule (rules.for_nodes)"
        )


def self_check() -> dict[str, tuple[str, ...]]:
    """All names that this version of torch lacks, by node: empty where all rules can read what they need."""
    nodes = {name: getattr(torch._C._functions, name) for name in dir(torch._C._functions)}
    return {name: names for name, cls in nodes.items() if isinstance(cls, type) and (names := missing(cls))}
