"""The vocabulary: every autograd node that the engine knows, one row per operation.

PyTorch names a node after the operation that made it: ``AddmmBackward0`` for ``torch.addmm``. The digit distinguishes
overloads, which mostly share their mathematics, so a row is found by the name before ``Backward``, unless the overload
has a separate row. A name without a row is unknown and raises an error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import cache

import torch

from .functions import FUNCTIONS, Function
from .quantised import INPUT, PACKINGS, WEIGHT

Node = torch.autograd.graph.Node


@dataclass(frozen=True)
class Operation:
    """What the engine knows about a node.

    Attributes
    ----------
    base
        The operation's name, ``Addmm`` for ``AddmmBackward0``.
    kind
        The row of a rule set that applies to it, or ``unknown``.
    factors
        Slots of the node's inputs that are multiplied with each other, or that scale: never summands.
    tensors
        The name under which autograd keeps the tensor at each slot, or None.
    settings
        The names of everything else that rules read.
    function
        The elementwise function that it computes, if it is one.
    """

    base: str
    kind: str
    factors: tuple[int, ...] = ()
    tensors: tuple[str | None, ...] = ()
    settings: tuple[str, ...] = ()
    function: Function | None = None

    def slot_kept(self, slot: int) -> str | None:
        """Return the name under which autograd keeps the tensor at a slot, if it does."""
        return self.tensors[slot] if slot < len(self.tensors) else None


def _rows(kind: str, names: str, factors: tuple[int, ...] = ()) -> dict[str, Operation]:
    return {base: Operation(base, kind, factors) for base in names.split()}


def _row(kind: str, base: str, factors: tuple[int, ...], tensors: str, settings: str = "") -> dict[str, Operation]:
    names = tuple(None if name == "-" else name for name in tensors.split())
    return {base: Operation(base, kind, factors, names, tuple(settings.split()))}


# Nodes that only rearrange, copy or cast their one input: a parameter behind them is still that parameter.
COPIES = frozenset("Clone LazyClone ToCopy Alias CopyBackwards Lift LiftFresh".split())
RESHAPES = frozenset("View UnsafeView ReshapeAlias ReshapeCopy Squeeze Unsqueeze".split())
VIEWS = COPIES | RESHAPES | frozenset(
    """T Transpose Permute Expand Slice Select Split SplitWithSizes UnsafeSplit UnsafeSplitWithSizes Unbind Chunk
    AsStrided Unfold Repeat Diagonal Flip Rot90 Roll NarrowCopy""".split()
)  # fmt: skip

# ---- Linear in the inputs that carry relevance: LRP-0 is the derivative, every input is a summand -------------
_LINEAR = """
    Add Sub Rsub Neg Sum Nansum Mean Cumsum Trace
    ViewAsReal ViewAsComplex Complex Conj ConjPhysical NegView ToDense ToPaddedTensor Values
    Index UnsafeIndex IndexSelect Gather Take MaskedSelect Tril Triu DiagEmbed BlockDiag
    Cat Stack Im2Col Col2Im UnfoldBackward PackPaddedSequence Deg2Rad Rad2Deg
    IndexPut IndexPutImpl UnsafeIndexPut IndexAdd IndexCopy IndexFill Scatter ScatterAdd MaskedScatter MaskedFill Fill
    SliceScatter SelectScatter DiagonalScatter Put Where Zero
    ConstantPadNd ReflectionPad1D ReflectionPad2D ReflectionPad3D ReplicationPad1D ReplicationPad2D
    ReplicationPad3D PixelShuffle PixelUnshuffle ChannelShuffle
    AvgPool2D AvgPool3D AdaptiveAvgPool2D AdaptiveAvgPool3D MkldnnAdaptiveAvgPool2D
    UpsampleNearest1D UpsampleNearest2D UpsampleNearest3D UpsampleNearestExact1D UpsampleNearestExact2D
    UpsampleNearestExact3D UpsampleLinear1D UpsampleBilinear2D UpsampleBicubic2D UpsampleTrilinear3D
    UpsampleBilinear2DAa UpsampleBicubic2DAa FftR2C FftC2C FftC2R AffineGridGenerator
"""

# ---- Winner takes all: the derivative sends relevance to where the value came from ----------------------------
_PIECEWISE = """
    Max Min Amax Amin Aminmax Topk Sort Kthvalue Median Nanmedian Mode Cummax Cummin Renorm Fmod Remainder Copysign
    Frac
    MaxPool2DWithIndices MaxPool3DWithIndices MkldnnMaxPool2D MkldnnMaxPool3D AdaptiveMaxPool2D AdaptiveMaxPool3D
    FractionalMaxPool2D FractionalMaxPool3D MaxUnpool2D MaxUnpool3D
"""

# ---- Piecewise constant: the derivative is 0 ------------------------------------------------------------------
_STEP = "Sign Sgn Round Floor Ceil Trunc Gt Ge Lt Le Eq Ne Nextafter"

_LOSSES = """
    NllLoss NllLoss2D MseLoss BinaryCrossEntropy BinaryCrossEntropyWithLogits SmoothL1Loss HuberLoss SoftMarginLoss
    MultiMarginLoss MultilabelMarginLoss CtcLoss CudnnCtcLoss
"""

# ---- Refused by name, each with a remedy ----------------------------------------------------------------------
_ON_THE_CPU = "run this model on the CPU inside lrp_domains.unfused(); the fused CUDA cell hides its gates"
REFUSED = {
    **dict.fromkeys(_LOSSES.split(), "explain the model's output, a logit or a prediction, not its loss"),
    **dict.fromkeys(("Cdist", "EuclideanDist", "Pdist", "Dist"), "write the distance out, such as"
                    " torch.linalg.vector_norm(a[:, None] - b[None], dim=-1)"),
    "LogSoftmax": "explain a logit or a difference of logits, not a log-probability (a contrast such as"
                  " logits[:, a] - logits[:, b] is what a probability depends on)",
    "Logsumexp": "explain a logit or a difference of logits, not a log-probability",
    "CudnnRnn": "run the forward pass inside lrp_domains.unfused(), which lets PyTorch record the cell step by step",
    "MiopenRnn": "run the forward pass inside lrp_domains.unfused()",
    "MkldnnRnnLayer": "run the forward pass inside lrp_domains.unfused()",
    "ThnnFusedLstmCell": _ON_THE_CPU,
    "ThnnFusedGruCell": _ON_THE_CPU,
    "CompiledFunction": "explain the model before torch.compile (compiled_model._orig_mod): a compiled graph hides its"
                        " operations",
    "DifferentiableGraph": "explain the model before torch.jit.script: a scripted graph hides its operations",
    "WarnNotImplemented": "explain the model before this quantisation, whose layers have no derivative",
    "CheckpointFunction": "use checkpoint(..., use_reentrant=False): the reentrant kind hides its graph",
    "BackwardHookFunction": "remove the modules' full backward hooks (register_full_backward_hook) before the forward"
                            " pass: they would take relevance for a gradient",
    "NativeDropout": "call model.eval() before the forward pass: dropout is active",
    "Error": "this operation has no derivative",
    "NotImplemented": "this operation has no derivative; write a step as a comparison, such as (x > 0).to(x.dtype)",
}  # fmt: skip
BARE_LOGARITHM = (
    "a logarithm has no value at 0 to share from: write torch.log1p where its argument is 1 + x, or explain what the "
    "logarithm is taken of"
)

# ---- The table ------------------------------------------------------------------------------------------------
QUERY, KEY, VALUE, MASK = range(4)  # the slots of a fused attention
_NORM = "weight normalized_shape result1 result2"
_GEOMETRY = "bias_sym_sizes_opt stride padding dilation transposed output_padding groups"
_FUSED = {  # the kernels of a fused attention, and the name of the mask that each adds to the scores
    "FlashAttention": None,
    "FlashAttentionForCpu": "attn_mask",
    "EfficientAttention": "attn_bias",
    "CudnnAttention": "attn_bias",
    "FusedAttentionOverrideable": "attn_bias",
}
OPERATIONS: dict[str, Operation] = {
    **_rows("linear", _LINEAR),
    **_rows("linear", " ".join(VIEWS)),
    **_rows("piecewise", _PIECEWISE),
    **_rows("step", _STEP),
    **_row("linear", "Split", (), "", "dim split_size"),
    **_row("linear", "SplitWithSizes", (), "", "dim split_sizes"),
    **_row("linear", "Select", (), "", "dim index"),
    **_row("linear", "Permute", (), "", "dims"),
    **_row("linear", "Transpose", (), "", "dim0 dim1"),
    **_row("linear", "Slice", (), "", "dim start end step"),
    **{base: Operation(base, "activation", (), f.tensors, f.settings, f) for base, f in FUNCTIONS.items()},
    # ---- Products. The tensors are those of the slots, in order; a slot that is not a factor is added.
    **_row("product", "Mul", (0, 1), "self other"),
    **_row("product", "Mm", (0, 1), "self mat2"),
    **_row("product", "Bmm", (0, 1), "self mat2"),
    **_row("product", "Mv", (0, 1), "self vec"),
    **_row("product", "Dot", (0, 1), "self tensor"),
    **_row("product", "Addmm", (1, 2), "- mat1 mat2", "alpha beta"),
    **_row("product", "Baddbmm", (1, 2), "- batch1 batch2", "alpha beta"),
    **_row("product", "Addmv", (1, 2), "- mat vec", "alpha beta"),
    **_row("product", "SparseAddmm", (1, 2), "- mat1 mat2", "alpha beta"),
    **_row("product", "Addcmul", (1, 2), "- tensor1 tensor2", "value"),
    **_row("product", "Convolution", (0, 1), "input weight", _GEOMETRY),
    **_row("product", "GroupedMm", (0, 1), "self mat2"),
    **_row("product", "EmbeddingBag", (0, 1), "weight per_sample_weights", "indices result1"),
    **_row("product", "Trilinear", (0, 1, 2), "i1 i2 i3", "expand1 expand2 expand3 sumdim"),
    **_row("interpolation", "Lerp1", (2,), "self end weight"),
    **_rows("product", "Vdot Linear MkldnnLinear ConvolutionOverrideable CudnnConvolution ConvTbc LinalgCross", (0, 1)),
    **_rows("product", "Addbmm Addr", (1, 2)),
    # Layers of other packages, whose weights are packed.
    **{base: Operation(base, "product", (0, 1), (INPUT, WEIGHT)) for base in PACKINGS},
    **_row("product", "Prod", (), "self"),
    **_row("product", "Cumprod", (), "self", "dim result"),
    "Div": Operation(
        "Div", "product", (0, 1), ("self", "other"), function=Function(torch.div, tensors=("self", "other"))
    ),
    # ---- Linear in one argument; the others, such as the points where a grid is sampled, count as constant.
    **_rows("scaling", "GridSampler2D GridSampler3D Polar", (1,)),
    **_row("scaling", "Ldexp", (1,), "- other", "result"),
    **_row("scaling", "LinalgSolveEx", (0,), "A", "left result"),
    **_row("scaling", "LinalgSolveTriangular", (0,), "self", "left upper unitriangular result"),
    **_rows("scaling", "LinalgLstsq", (0,)),
    **_rows("scaling", "CholeskySolve", (1,)),
    **_row("scaling", "Addcdiv", (2,), "- tensor1 tensor2", "value"),
    # ---- Statistics of many values, homogeneous of some degree
    **_row("statistic", "Std", (), "self", "result"),
    **_row("statistic", "Var", (), "self"),
    **_row("statistic", "StdMean", (), "self", "dim keepdim result0"),
    **_row("statistic", "VarMean", (), "self", "dim keepdim"),
    **_row("statistic", "LinalgVectorNorm", (), "self", "ord dim keepdim result"),
    **_row("statistic", "Norm", (), "self", "p result"),
    # ---- Reductions by index
    **_row("reduction", "ScatterReduce", (), "self src", "reduce index dim include_self result"),
    **_row("reduction", "IndexReduce", (), "self source", "reduce index dim include_self result"),
    **_row("reduction", "SegmentReduce", (), "data", "reduce"),
    # ---- Norms and attention as one node
    **_row("norm", "NativeLayerNorm", (1,), "input", _NORM),
    **_row("norm", "NativeGroupNorm", (1,), "input", "weight group result1 result2"),
    **_row("norm", "FusedRmsNorm", (1,), "input", "weight normalized_shape result1"),
    **_row("batch_norm", "NativeBatchNorm", (1,), "input", "training weight eps running_mean running_var"),
    **_row("batch_norm", "NativeBatchNormLegitNoTraining", (1,), "input", "weight eps running_mean running_var"),
    **_row("batch_norm", "CudnnBatchNorm", (1,), "input", "training weight epsilon running_mean running_var"),
    **_row("batch_norm", "MiopenBatchNorm", (1,), "input", "training weight epsilon running_mean running_var"),
    **{
        f"ScaledDotProduct{kernel}": Operation(
            f"ScaledDotProduct{kernel}",
            "attention",
            (0, 1, 2, 3),
            ("query", "key", "value", mask),
            ("dropout_p", "is_causal", "scale"),
        )
        for kernel, mask in _FUSED.items()
    },
    **_row("softmax", "Softmax", (), "", "dim result"),
    **_row("softmax", "SafeSoftmax", (), "", "dim result"),
    **_row("softmax", "MaskedSoftmax", (), "", "dim result"),
    **_row("glu", "Glu", (), "", "dim"),
    **_row("embedding", "Embedding", (), "", "indices padding_idx scale_grad_by_freq"),
    **_rows("in_place", "CopySlices"),
    **_rows("refused", " ".join(REFUSED)),
    **_row("refused", "MseLoss", (), "self target", "reduction"),
}
OPERATIONS["PreluKernel"] = replace(OPERATIONS["PreluKernel"], factors=(1,))
OPERATIONS["RreluWithNoise"] = replace(OPERATIONS["RreluWithNoise"], settings=("lower", "upper", "training"))

# Overloads that are other operations: a number in place of a tensor, a tensor in place of a number, rounding division.
OVERLOADS = {
    "PowBackward1": OPERATIONS["Pow1"],
    "PowBackward2": OPERATIONS["Pow2"],
    "MulBackward1": Operation("Scale", "linear"),
    "DivBackward1": Operation("Scale", "linear"),
    "DivBackward2": Operation("Div", "step"),
    "DivBackward3": Operation("Div", "step"),
    "LerpBackward0": Operation("Lerp", "linear"),
    "LerpBackward1": OPERATIONS["Lerp1"],
}


def operation_of(node: Node) -> Operation:
    """Return the table's row for a node."""
    return _operation_of_class(type(node)) or operation(node.name())


@cache
def _operation_of_class(node_class: type) -> Operation | None:
    """Return the row of all nodes of a class; None for the class of those that C++ extensions define."""
    return None if has_many_names(node_class) else operation(node_class.__name__)


def has_many_names(node_class: type) -> bool:
    """Return whether nodes of a class differ in their operation: PyTorch has one class for all that it doesn't know."""
    return node_class.__name__ == "CppFunction"


@cache
def operation(name: str) -> Operation:
    """Return the table's row for a node's name, such as ``"AddmmBackward0"``."""
    name = name.rsplit("::", 1)[-1]
    base = re.sub(r"Backward\d*(_copy)?$", "", name)
    return OVERLOADS.get(name) or OPERATIONS.get(base) or Operation(base, "unknown")
