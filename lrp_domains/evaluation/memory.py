"""The memory that a computation takes at its peak, measured without slowing it down."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
PROCESS = Path("/proc/self")
MIB = 2**20


def with_peak_memory(function: Callable[[], T]) -> tuple[T, float]:
    """Return the result of a function, and the peak of the memory that it took beyond what was held before, in MiB.

    That is what PyTorch allocated on GPUs; if it allocated nothing there, the growth of the process's resident memory,
    of which freed memory is no part, as it is returned to the system before. NaN where the system doesn't report it,
    as only Linux with glibc does.
    """
    on_gpus = _peak_on_gpus()
    resident = _resident_peak()
    result = function()
    return result, on_gpus() or resident()


def _peak_on_gpus() -> Callable[[], float]:
    """Return a function that returns how much GPUs have allocated at the peak since now."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return lambda: 0.0
    before = {}
    for device in range(torch.cuda.device_count()):
        torch.cuda.reset_peak_memory_stats(device)
        before[device] = torch.cuda.memory_allocated(device)
    return lambda: sum(torch.cuda.max_memory_allocated(device) - held for device, held in before.items()) / MIB


def _resident_peak() -> Callable[[], float]:
    """Return a function that returns how much the resident memory has grown at the peak since now."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
        (PROCESS / "clear_refs").write_text("5")  # the peak begins from what is resident now
        before = _status("VmRSS")
    except (OSError, AttributeError, TypeError):
        return lambda: float("nan")
    return lambda: max(_status("VmHWM") - before, 0.0)


def _status(field: str) -> float:
    """Return an amount of memory of this process, in MiB."""
    lines = (PROCESS / "status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))
