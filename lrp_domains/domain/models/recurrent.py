"""Recurrent models run step by step while they are explained."""

from contextlib import AbstractContextManager, nullcontext

from torch import nn

from ... import unfused


def is_recurrent(model: nn.Module) -> bool:
    """Return whether a model has recurrent layers, whose fused kernels hide their gates."""
    return any(isinstance(module, nn.RNNBase) for module in model.modules())


def step_by_step(model: nn.Module) -> AbstractContextManager[None]:
    """Return the context in which a model runs to be explained; other kernels stay as fast as they are."""
    return unfused() if is_recurrent(model) else nullcontext()
