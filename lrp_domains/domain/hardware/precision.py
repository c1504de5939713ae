"""The precision that a model computes in."""

import copy
from typing import Literal

import torch
from torch import nn

from ..messages import DomainError, check_choice

Precision = Literal["fp32", "bf16", "fp16"]

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
"""The precisions by name, and their dtypes."""


def check_precision(precision: str | None) -> None:
    """Raise if a precision is unknown; None is that of the model's weights."""
    if precision is not None:
        check_choice("precision", precision, PRECISIONS)


def in_precision(model: nn.Module, precision: str | None) -> nn.Module:
    """Return a copy of a model with weights of another precision; the model itself where nothing would change.

    Raises
    ------
    DomainError
        The model is quantised, as its configuration by transformers says.
    """
    if precision is not None and getattr(getattr(model, "config", None), "quantization_config", None) is not None:
        raise DomainError(f"precision={precision!r}: the model is quantised, which fixes its precision; leave it out")
    dtype = None if precision is None else PRECISIONS[precision]
    tensors = [*model.parameters(), *model.buffers()]
    if dtype is None or all(tensor.dtype == dtype for tensor in tensors if tensor.is_floating_point()):
        return model
    return copy.deepcopy(model).to(dtype)
