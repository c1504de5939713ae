"""Recurrent models run step by step while they are explained."""

from contextlib import AbstractContextManager, nullcontext

from torch import nn

from ... import unfused
from .exported import ExportedNetwork

OPERATIONS = {f"aten::{name}" for name in ("lstm", "gru", "rnn_tanh", "rnn_relu")}  # of exported layers


def is_recurrent(model: nn.Module) -> bool:
    """Return whether a model has recurrent layers, whose fused kernels hide their gates."""
    return any(map(_hides_gates, model.modules()))


def _hides_gates(module: nn.Module) -> bool:
    if isinstance(module, ExportedNetwork):
        return not OPERATIONS.isdisjoint(module.operations)
    return isinstance(module, nn.RNNBase)


def step_by_step(model: nn.Module) -> AbstractContextManager[None]:
    """Return the context in which a model runs to be explained; other kernels stay as fast as they are."""
    return unfused() if is_recurrent(model) else nullcontext()
