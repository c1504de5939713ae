"""DeepLIFT, by captum."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn

from .rival import Problem, Rival, Tensors


def deeplift() -> Rival:
    """Return DeepLIFT with the rescale rule (Shrikumar et al. 2017, ICML), as captum computes it.

    It has rules for the modules of PyTorch that are elementwise, pool or take a softmax; what a model computes by
    functions, such as attention, gets its derivative.
    """
    return Rival("DeepLIFT", _deeplift, 2)


class _Scored(nn.Module):
    """The function as a module that contains the model, in which captum looks for layers."""

    def __init__(self, of: Problem) -> None:
        super().__init__()
        self.model, self.score = of.model, of.score

    def forward(self, *inputs: Tensor) -> Tensor:
        return self.score(*inputs)


def _deeplift(of: Problem) -> Tensors:
    from captum.attr import DeepLift

    inputs = tuple(x.detach().requires_grad_() for x in of.inputs)
    with torch.enable_grad(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Setting forward, backward hooks")  # they are removed afterwards
        return DeepLift(_Scored(of)).attribute(inputs, of.references)
