"""Examples of every operation in the vocabulary: functions whose graph contains the operation's node.

An example has the name of its node, ``Addmm`` for ``AddmmBackward0``, with the digit of other overloads, ``Pow.1`` for
``PowBackward1``. The text after a comma distinguishes examples of one node. All arguments of a function have the same
shape, with a batch of any size in front.
"""

from .arguments import fixed
from .elementwise import ELEMENTWISE
from .images import IMAGES
from .linear import LINEAR
from .piecewise import PIECEWISE
from .products import PRODUCTS
from .single_precision import SINGLE
from .square_matrices import SQUARES

__all__ = ["EXAMPLES", "NOT_ON_A_CPU", "ROWS", "SINGLE", "fixed"]

# x of shape (batch, 3, 4): rows of numbers, or one-dimensional signals of three channels.
ROWS = LINEAR | PIECEWISE | ELEMENTWISE | PRODUCTS

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
