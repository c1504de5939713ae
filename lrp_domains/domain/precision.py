"""The precision that a model computes in, and how far its relevance is from that in single precision."""

import copy
from typing import Literal

import numpy as np
import torch
from torch import nn

from .messages import check_choice

Precision = Literal["fp32", "bf16", "fp16"]

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""The precisions by name, and their dtypes."""


def check_precision(precision: str | None) -> None:
    """Raise if a precision is unknown; None is that of the model's weights."""
    if precision is not None:
        check_choice("precision", precision, PRECISIONS)


def in_precision(model: nn.Module, precision: str | None) -> nn.Module:
    """Return a copy of a model with weights of another precision; the model itself where nothing would change."""
    dtype = None if precision is None else PRECISIONS[precision]
    tensors = [*model.parameters(), *model.buffers()]
    if dtype is None or all(tensor.dtype == dtype for tensor in tensors if tensor.is_floating_point()):
        return model
    return copy.deepcopy(model).to(dtype)


def relative_distance(values: np.ndarray, expected: np.ndarray) -> float:
    """Return the sum of absolute differences from what is expected, relative to the sum of its absolute values."""
    values, expected = (np.asarray(array, np.float64) for array in (values, expected))
    total = np.abs(expected).sum()
    return float(np.abs(values - expected).sum() / total) if total else float(np.abs(values).sum() > 0)
