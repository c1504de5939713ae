"""torchvision, timm and zennit, from a folder of their own beside the virtual environment's packages."""

import importlib.util
import sys
from pathlib import Path

import pytest
import torch

# The operators that a torchvision built for another PyTorch lacks, and looks for when it is imported. Classifiers
# don't use them.
_MISSING = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_defined = []  # a library's operators last as long as the library


def require_vision(*names: str) -> None:
    """Make torchvision, timm and zennit importable; skip the test, or the file, where one of `names` isn't there."""
    folder = Path(sys.prefix) / "vision"
    if importlib.util.find_spec("torchvision") is None and folder.is_dir():
        sys.path.append(str(folder))
    for name in names:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed: make .venv/.installed", allow_module_level=True)
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        library = torch.library.Library("torchvision", "FRAGMENT")
        for schema in _MISSING:
            if not hasattr(torch.ops.torchvision, schema.partition("(")[0]):
                library.define(schema)
        _defined.append(library)
