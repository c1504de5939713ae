"""Packages that need not be here: a test that needs one is skipped, with the reason, where it cannot be imported.

PyPI's torchvision is built for CUDA. Beside a CPU build of torch it has no operators and cannot even be imported, nor
can what imports it if it is there (timm, diffusers, transformers): it describes two operators that do not exist. No
model here needs them, so they are declared.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import pytest
import torch

MISSING = ("nms", "qnms")
DECLARED = torch.library.Library("torchvision", "FRAGMENT")  # while it lives, so does what is declared


@cache
def declare_operators() -> None:
    """Make torchvision importable, if it is installed and only lacks its operators."""
    if find_spec("torchvision") is None:
        return
    try:
        import_module("torchvision")
    except RuntimeError as error:
        if "operator torchvision::nms does not exist" not in str(error):
            raise
        for name in MISSING:
            DECLARED.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def package(name: str) -> ModuleType:
    """Return a package, or skip the test that asks for it."""
    try:
        declare_operators()
        return import_module(name)
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"{name} cannot be imported: {error}")
