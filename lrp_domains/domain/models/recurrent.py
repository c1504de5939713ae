"""Recurrent models run step by step while they are explained."""

from contextlib import AbstractContextManager, nullcontext

from torch import nn

from ... import unfused
from .exported import ExportedNetwork

RECURRENT = {"lstm", "gru", "rnn_tanh", "rnn_relu"}


def is_recurrent(model: nn.Module) -> bool:
    """Return whether a model has recurrent layers, whose fused kernels hide their gates."""
    return any(isinstance(module, nn.RNNBase) or _is_exported_recurrent(module) for module in model.modules())


def _is_exported_recurrent(module: nn.Module) -> bool:
    """Return whether a graph that was exported calls a recurrent layer, as an operation such as ``aten.lstm``."""
    if not isinstance(module, ExportedNetwork):
        return False
    names = {str(node.target).partition(".")[2].partition(".")[0] for node in module.graph.graph.nodes}
    return not names.isdisjoint(RECURRENT)


def step_by_step(model: nn.Module) -> AbstractContextManager[None]:
    """Return the context in which a model runs to be explained; other kernels stay as fast as they are."""
    return unfused() if is_recurrent(model) else nullcontext()
