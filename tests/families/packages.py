"""Optional packages: a test that needs one is skipped, with the reason, where it cannot be imported.

PyPI's torchvision is built for CUDA. With a CPU build of torch its operators are missing, so importing it fails, and
with it the packages that import torchvision if it is installed (timm, diffusers, transformers). The models of these
tests don't use the missing operators, so they are only declared.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType

import pytest
import torch

MISSING = ("nms", "qnms")
DECLARED = torch.library.Library("torchvision", "FRAGMENT")  # declarations last as long as this object


@cache
def declare_operators() -> None:
    """Make torchvision importable if it is installed and only its operators are missing."""
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
    """Import a package, or skip the test that needs it."""
    try:
        declare_operators()
        return import_module(name)
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"{name} cannot be imported: {error}")
