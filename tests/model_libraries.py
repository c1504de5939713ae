"""torchvision, timm and other libraries of models, from a folder of their own beside the environment's packages."""

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


def require(*names: str) -> None:
    """Make the libraries importable; skip the test, or the file, where one of `names` isn't there."""
    folder = Path(sys.prefix) / "models"
    if importlib.util.find_spec("torchvision") is None and folder.is_dir():
        sys.path.append(str(folder))
    for name in names:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed: make .venv/.installed", allow_module_level=True)
    if importlib.util.find_spec("torchvision") is None:
        return
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
