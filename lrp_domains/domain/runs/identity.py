"""What results depend on, as text that is the same in every process: parts of another request aren't reused."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch


def identity_of(value: object) -> str:
    """Return a text that identifies what was asked, its settings and its data.

    Tensors, arrays and pictures are identified by their content, files by their name, size and time, functions by their
    name; anything else, also in lists and mappings, by its ``repr``.
    """
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{identity_of(name)}: {identity_of(each)}' for name, each in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(identity_of, value))}]"
    if isinstance(value, Path):
        state = value.stat() if value.is_file() else None
        return repr((value.name, state and (state.st_size, state.st_mtime_ns)))
    if isinstance(value, torch.Tensor):
        value = value.detach().to("cpu", torch.float64).numpy()
    if hasattr(value, "__array_interface__"):  # arrays, and pictures of PIL
        array = np.ascontiguousarray(value)
        if array.dtype.hasobject:
            return identity_of(array.tolist())
        return repr((array.dtype.str, array.shape, hashlib.sha256(array.tobytes()).hexdigest()))
    return without_addresses(repr(value))


def without_addresses(text: str) -> str:
    """Return a text in which functions are the same in every process."""
    return re.sub(r" at 0x[0-9a-f]+", "", text)
