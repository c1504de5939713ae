"""What results depend on, as text that is the same in every process: parts of another request aren't reused."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from reprlib import recursive_repr
from types import CodeType, FunctionType, MethodType

import numpy as np
import torch


@recursive_repr()  # of what contains itself
def identity_of(value: object) -> str:
    """Return a text that identifies what was asked, its settings and its data.

    Tensors, arrays and pictures are identified by their content, files by their name, size and time, functions by their
    name, their code, and the values that they hold, but not by the global names that they use; dataclasses, and objects
    without a ``repr`` of their own, by their attributes; anything else, also in lists and mappings, by its ``repr``.
    """
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{identity_of(name)}: {identity_of(each)}' for name, each in value.items())}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(identity_of, value))}]"
    if isinstance(value, set | frozenset):
        return identity_of(sorted(map(identity_of, value)))
    if isinstance(value, partial):
        return identity_of([value.func, value.args, value.keywords])
    if isinstance(value, MethodType):
        return identity_of([value.__func__, value.__self__])
    if isinstance(value, FunctionType):
        held = [cell.cell_contents for cell in value.__closure__ or ()]
        return identity_of([value.__qualname__, value.__code__, held, value.__defaults__, value.__kwdefaults__])
    if isinstance(value, CodeType):
        return identity_of([value.co_code, value.co_names, value.co_consts])
    if isinstance(value, Path):
        state = value.stat() if value.is_file() else None
        return repr((value.name, state and (state.st_size, state.st_mtime_ns)))
    if isinstance(value, torch.Tensor):
        value = _array(value.detach())
    if hasattr(value, "__array_interface__"):  # arrays, and pictures of PIL
        array = np.ascontiguousarray(value)
        if array.dtype.hasobject:
            return identity_of(array.tolist())
        return repr((array.dtype.str, array.shape, hashlib.sha256(array.tobytes()).hexdigest()))
    if is_dataclass(value) and not isinstance(value, type):
        return identity_of([type(value).__qualname__, [getattr(value, field.name) for field in fields(value)]])
    if type(value).__repr__ is object.__repr__:
        return identity_of([type(value).__qualname__, getattr(value, "__dict__", {})])
    return without_addresses(repr(value))


def _array(tensor: torch.Tensor) -> np.ndarray:
    """Return the values of a tensor of any kind, such as those of quantised weights."""
    tensor = tensor.dequantize() if tensor.is_quantized else tensor.to_dense()
    tensor = torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor
    return tensor.to("cpu", torch.float64).numpy()


def weights_of(model: torch.nn.Module) -> str:
    """Return a digest of the weights and buffers of a model."""
    return hashlib.sha256(identity_of(model.state_dict()).encode()).hexdigest()


def without_addresses(text: str) -> str:
    """Return a text in which functions are the same in every process."""
    return re.sub(r" at 0x[0-9a-f]+", "", text)
