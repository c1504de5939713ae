"""What results depend on, as text that is the same in every process: parts of another request aren't reused."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from pathlib import Path
from types import CodeType, FunctionType, MethodType

import numpy as np
import torch


def identity_of(value: object, within: tuple[int, ...] = ()) -> str:
    """Return a text that identifies what was asked, its settings and its data.

    Tensors, arrays and pictures are identified by their content, files by their name, size and time, functions by their
    name, their code and the values that they hold; anything else, also in lists, mappings and dataclasses, by its
    ``repr``. The values of global variables that a function reads are not seen. `within` are the ``id`` of what the
    value is a part of.
    """
    if isinstance(value, str | bytes | int | float | None):
        return repr(value)
    if isinstance(value, Mapping):
        several = (f"{identity_of(name)}: {identity_of(each, within)}" for name, each in value.items())
        return f"{{{', '.join(several)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(identity_of(each, within) for each in value)}]"
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
    if id(value) not in within and (parts := _parts(value)) is not None:
        return f"{type(value).__qualname__}{identity_of(parts, (*within, id(value)))}"
    return without_addresses(repr(value))


def _parts(value: object) -> list[object] | dict[str, object] | None:
    """Return what a function, or an object whose ``repr`` may not show all of it, consists of; None for others."""
    if isinstance(value, FunctionType):
        held = [cell.cell_contents for cell in value.__closure__ or ()]
        return [value.__qualname__, value.__code__, value.__defaults__, value.__kwdefaults__, held]
    if isinstance(value, CodeType):
        return [value.co_code, value.co_names, value.co_consts]
    if isinstance(value, partial):
        return [value.func, value.args, value.keywords]
    if isinstance(value, MethodType):
        return [value.__func__, value.__self__]
    if isinstance(value, frozenset):  # whose order differs between processes
        return sorted(map(identity_of, value))
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return dict(vars(value)) if type(value).__repr__ is object.__repr__ and hasattr(value, "__dict__") else None


def without_addresses(text: str) -> str:
    """Return a text in which functions are the same in every process."""
    return re.sub(r" at 0x[0-9a-f]+", "", text)
