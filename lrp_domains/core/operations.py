"""The vocabulary: every autograd node the engine knows, in one table.

PyTorch names a node after the operation that made it: ``AddmmBackward0`` for ``torch.addmm``. The digit tells
overloads apart, which share their mathematics, so the table is keyed by what stands before ``Backward``.
A name that stands nowhere here is unknown, and unknown is an error: nothing is passed over in silence.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import torch

Node = torch.autograd.graph.Node

# fmt: off

# ---- Linear in the carriers: LRP-0 is the derivative. Every input is a summand. ------------------------------
LINEAR = frozenset("""
    Add Sub Rsub Neg Sum Nansum Mean Cumsum Trace
    View UnsafeView ReshapeAlias ReshapeCopy Expand Squeeze Unsqueeze Transpose T Permute AsStrided Alias Clone
    LazyClone ToCopy Copy CopyBackwards Lift LiftFresh ViewAsReal ViewAsComplex Complex Conj ConjPhysical NegView
    Slice Select NarrowCopy Split SplitWithSizes UnsafeSplit UnsafeSplitWithSizes Chunk Unbind Unfold
    Index UnsafeIndex IndexSelect Gather Take MaskedSelect Diagonal Tril Triu DiagEmbed
    Cat Stack Repeat Roll Flip Rot90 Im2Col Col2Im PackPaddedSequence
    IndexPut IndexPutImpl UnsafeIndexPut IndexAdd IndexCopy IndexFill Scatter ScatterAdd MaskedScatter MaskedFill Fill
    SliceScatter SelectScatter DiagonalScatter Put Where Zero
    ConstantPadNd ReflectionPad1D ReflectionPad2D ReflectionPad3D ReplicationPad1D ReplicationPad2D
    ReplicationPad3D PixelShuffle PixelUnshuffle ChannelShuffle
    AvgPool2D AvgPool3D AdaptiveAvgPool2D AdaptiveAvgPool3D MkldnnAdaptiveAvgPool2D
    UpsampleNearest1D UpsampleNearest2D UpsampleNearest3D UpsampleNearestExact1D UpsampleNearestExact2D
    UpsampleNearestExact3D UpsampleLinear1D UpsampleBilinear2D UpsampleBicubic2D UpsampleTrilinear3D
    UpsampleBilinear2DAa UpsampleBicubic2DAa FftR2C FftC2C FftC2R
""".split())

# ---- Winner takes all, or linear piece by piece: the derivative sends relevance where the value came from. ---
PIECEWISE = frozenset("""
    Relu LeakyRelu PreluKernel RreluWithNoise Threshold Abs Clamp ClampMin ClampMax NanToNum
    Max Min Maximum Minimum Fmax Fmin Amax Amin Aminmax Topk Sort Kthvalue Median Nanmedian Mode Cummax Cummin
    MaxPool2DWithIndices MaxPool3DWithIndices MkldnnMaxPool2D MkldnnMaxPool3D AdaptiveMaxPool2D AdaptiveMaxPool3D
    FractionalMaxPool2D FractionalMaxPool3D MaxUnpool2D MaxUnpool3D
""".split())

# ---- Elementwise f(x): the identity rule hands on relevance as it is. See activations.py. --------------------
ACTIVATION = frozenset("""
    Gelu Silu Tanh Elu Celu Mish Hardswish Hardtanh Softshrink Hardshrink Expm1 Log1P Sin Cos Atan Sinh
    LogSigmoid GeLUFunction
""".split())

# ---- Elementwise, and a gate where it feeds a product; an activation elsewhere. See gates.py. ----------------
GATE = frozenset("Sigmoid Exp Erf Softplus Hardsigmoid".split())

# ---- The scale of a norm or a distance: constant where it divides or multiplies. See gates.py. ---------------
STATISTIC = frozenset("Sqrt Rsqrt Reciprocal Std Var LinalgVectorNorm Norm VarMean StdMean".split())

# ---- Products, with the slots of their factors; what stands in other slots is added. -------------------------
PRODUCT = {
    "Mul": (0, 1), "Bmm": (0, 1), "Mm": (0, 1), "Mv": (0, 1), "Dot": (0, 1), "Vdot": (0, 1),
    "Linear": (0, 1), "GroupedMm": (0, 1), "Addmm": (1, 2), "Addmv": (1, 2), "Baddbmm": (1, 2), "Addbmm": (1, 2),
    "Addr": (1, 2), "SparseAddmm": (1, 2), "Addcmul": (1, 2), "Convolution": (0, 1), "ConvolutionOverrideable": (0, 1),
    "CudnnConvolution": (0, 1), "MkldnnLinear": (0, 1), "Trilinear": (0, 1, 2),
    "EmbeddingBag": (0, 1),  # its table, and the weights of the samples where there are any
}
# Among the products, the layers: one factor carries relevance, the other is a weight. See layers.py.
DENSE = frozenset({"Mm", "Addmm", "Bmm", "Baddbmm", "Mv", "Addmv"})
CONVOLUTION = frozenset({"Convolution"})

# ---- Norms as one node: their scale is constant. See norms.py. -----------------------------------------------
NORM = frozenset({"NativeLayerNorm", "NativeGroupNorm", "FusedRmsNorm"})
BATCH_NORM = frozenset({"NativeBatchNorm", "CudnnBatchNorm", "MiopenBatchNorm"})

# ---- Fused attention: softmax(q k / sqrt(d)) v as one node. See attention.py. --------------------------------
ATTENTION = frozenset(
    f"ScaledDotProduct{kernel}" for kernel in (
        "FlashAttention", "FlashAttentionForCpu", "EfficientAttention", "CudnnAttention", "FusedAttentionOverrideable"))

_LOSSES = (
    "NllLoss", "NllLoss2D", "MseLoss", "BinaryCrossEntropy", "BinaryCrossEntropyWithLogits", "SmoothL1Loss",
    "HuberLoss", "SoftMarginLoss", "MultiMarginLoss", "MultilabelMarginLoss", "CtcLoss", "CudnnCtcLoss",
)

# ---- Refused by name, each with its remedy. ------------------------------------------------------------------
REFUSED = {
    **dict.fromkeys(_LOSSES, "explain the model's output, a logit or a prediction, not its loss"),
    **dict.fromkeys(("Log", "Log2", "Log10"), "a logarithm has no value at 0 to share from: write torch.log1p where its"
                    " argument is 1 + x, or explain what the logarithm is taken of"),
    **dict.fromkeys(("Cdist", "EuclideanDist", "Pdist", "Dist"), "write the distance out, such as"
                    " torch.linalg.vector_norm(a[:, None] - b[None], dim=-1)"),
    "LogSoftmax": "explain a logit or a difference of logits, not a log-probability (a contrast such as"
                  " logits[:, a] - logits[:, b] is what a probability depends on)",
    "Logsumexp": "explain a logit or a difference of logits, not a log-probability",
    "CudnnRnn": "run the forward pass inside lrp_domains.unfused(), which lets PyTorch record the cell step by step",
    "MiopenRnn": "run the forward pass inside lrp_domains.unfused()",
    "MkldnnRnnLayer": "run the forward pass inside lrp_domains.unfused()",
    "ThnnFusedLstmCell": "run this model on the CPU inside lrp_domains.unfused(); the fused CUDA cell hides its gates",
    "ThnnFusedGruCell": "run this model on the CPU inside lrp_domains.unfused(); the fused CUDA cell hides its gates",
    "CompiledFunction": "explain the model before torch.compile (compiled_model._orig_mod): a compiled graph hides its"
                        " operations",
    "CheckpointFunction": "use checkpoint(..., use_reentrant=False): the reentrant kind hides its graph",
    "BackwardHookFunction": "remove the modules' full backward hooks (register_full_backward_hook) before the forward"
                            " pass: they would take relevance for a gradient",
    "NativeDropout": "call model.eval() before the forward pass: dropout is active",
    "Error": "this operation has no derivative",
    "NotImplemented": "this operation has no derivative",
}
# fmt: on


@dataclass(frozen=True)
class Operation:
    """What the engine knows of a node.

    Attributes
    ----------
    base
        The operation's name, ``Addmm`` for ``AddmmBackward0``.
    kind
        The row of a rule set that meets it: a key of ``_KINDS`` below, ``power``, or ``unknown``.
    factors
        Slots of the node's inputs that are multiplied with one another, or that scale: never summands.
    """

    base: str
    kind: str
    factors: tuple[int, ...] = ()


@cache
def operation(name: str) -> Operation:
    """The table's row for a node's name, such as ``"AddmmBackward0"``."""
    base = re.sub(r"Backward\d*$", "", name.rsplit("::", 1)[-1])
    match base, name[-1]:  # operations whose overloads differ in kind
        case "Pow", "0":  # a tensor to a constant power
            return Operation(base, "power")
        case ("Lerp", "0") | ("Mul" | "Div", "1"):  # a constant weight, factor, divisor
            return Operation(base, "linear")
    for kind, names in _KINDS.items():
        if base in names:
            return Operation(base, kind, _FACTORS.get(base, ()))
    return Operation(base, "unknown")


_KINDS = {
    "linear": LINEAR,
    "piecewise": PIECEWISE,
    "activation": ACTIVATION,
    "gate": GATE,
    "glu": {"Glu"},
    "embedding": {"Embedding"},
    "in_place": {"CopySlices"},
    "statistic": STATISTIC,
    "product": PRODUCT.keys(),
    "running_product": {"Prod", "Cumprod"},
    "division": {"Div", "Addcdiv", "LinalgSolveTriangular"},
    "softmax": {"Softmax", "SafeSoftmax"},
    "norm": NORM,
    "batch_norm": BATCH_NORM,
    "attention": ATTENTION,
    "refused": REFUSED.keys(),
}
_FACTORS = (
    PRODUCT
    | dict.fromkeys(NORM | BATCH_NORM | {"PreluKernel", "Div"}, (1,))
    | dict.fromkeys(ATTENTION, (0, 1, 2, 3))
    | {"Addcdiv": (2,), "LinalgSolveTriangular": (0,)}
)
