"""Quantised layers of other packages: linear maps whose weights are unpacked by a Python Function, read here.

Such a Function records ``x @ W + b`` as one node with the inputs x, the packed weights and, if there is one, the bias.
Its backward multiplies by the unpacked weights, so it is a dense layer like any other. The weights are frozen.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

Tensor = torch.Tensor
# The names under which the vocabulary asks for the input and the weights of a quantised layer.
INPUT, WEIGHT = "quantised_input", "quantised_weight"
BIAS = 2  # the slot of the bias


@dataclass(frozen=True)
class Packing:
    """How a Function keeps its layer.

    Attributes
    ----------
    packed
        Returns the tensor with the packed weights.
    unpacked
        Returns the weights that its backward uses, outputs x inputs.
    input
        Returns the layer's input; None if it keeps none.
    """

    packed: Callable[[Any], Tensor]
    unpacked: Callable[[Any], Tensor]
    input: Callable[[Any], Tensor] | None = None


def _unpacked_4bit(node: Any) -> Tensor:
    # The core requires only PyTorch; where there is such a node, the package is loaded.
    return sys.modules["bitsandbytes.functional"].dequantize_4bit(node.tensors[1], node.state).to(node.dtype_A)


def _unpacked_8bit(node: Any) -> Tensor:
    state = node.state
    return state.CB.to(node.dtype_A, copy=True).mul_(state.SCB.unsqueeze(1).mul(1 / 127))


_QUANTO = Packing(
    lambda node: node.saved_tensors[1],
    lambda node: node.saved_tensors[1].dequantize(),
    lambda node: node.saved_tensors[0],
)
PACKINGS = {
    # bitsandbytes: Linear4bit, Linear8bitLt
    "MatMul4Bit": Packing(lambda node: node.tensors[1], _unpacked_4bit),
    "MatMul8bitLt": Packing(
        lambda node: node.state.CB, _unpacked_8bit, lambda node: node.tensors[2].reshape(node.grad_shape)
    ),
    "MatMul8bitFp": Packing(lambda node: node.state.CB, _unpacked_8bit, lambda node: node.A),
    # optimum-quanto
    "QuantizedLinearFunction": _QUANTO,
    "WeightQBytesLinearFunction": _QUANTO,
}


def packing(node: Any) -> Packing:
    """Return how a node of a quantised layer keeps it."""
    return PACKINGS[node.name().removesuffix("Backward")]


def kept(node: Any, name: str) -> Tensor | None:
    """Return the input or the weights (inputs x outputs) of a quantised layer; None if it doesn't keep the input."""
    if name == WEIGHT:
        return packing(node).unpacked(node).detach().mT
    read = packing(node).input
    return None if read is None else read(node).detach()


def memory(node: Any) -> Tensor:
    """Return the tensor with the packed weights of a quantised layer."""
    return packing(node).packed(node)


def handed_back(node: Any, g: Tensor) -> tuple[Tensor | None, ...]:
    """Return what a quantised layer passes back to its input, weights and bias for g at its output."""
    return (g @ kept(node, WEIGHT).mT.to(g.dtype), None, g)[: len(node.next_functions)]
