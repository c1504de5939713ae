"""CPU seconds and peak memory, measured so that a noisy machine doesn't distort ratios."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

RESULTS = Path(__file__).parent / "results"
# glibc's allocator keeps freed blocks, in amounts that vary from run to run: return large ones to the system.
SPARING = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}


def cpu_seconds(runs: dict[str, Callable[[], None]], repeats: int) -> dict[str, list[float]]:
    """Return the CPU times of each run: after one warm-up, all in turn, ``repeats`` times."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    for _ in range(repeats):
        for name, run in runs.items():
            before = time.process_time()
            run()
            seconds[name].append(time.process_time() - before)
    return seconds


def median_ratio(a: list[float], b: list[float]) -> float:
    """Return the median of a / b over the rounds, so that a slow phase of the machine affects both."""
    return statistics.median(x / y for x, y in zip(a, b, strict=True))


def resident_mb() -> float:
    """Return the memory in use."""
    return _status("VmRSS")


def peak_mb() -> float:
    """Return the peak memory of this process. (Unlike ru_maxrss, which is inherited from the parent process.)"""
    return _status("VmHWM")


def reset_peak() -> None:
    """Let the peak memory of this process begin from what is in use now."""
    Path("/proc/self/clear_refs").write_text("5")


def cpu_time() -> float:
    """Return the CPU seconds of this process and of those that it started and that ended, such as compilers."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _status(field: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def in_own_process(module: str, *arguments: str, sparing: bool = True) -> dict[str, float]:
    """Run ``python -m module arguments`` and return the JSON it prints last, as memory is only known per process.

    With ``sparing`` the peak is the memory needed at one time, at the cost of speed; without, the peak that users see.
    """
    environment = os.environ | (SPARING if sparing else {}) | {"OMP_NUM_THREADS": "1"}
    process = subprocess.run(
        [sys.executable, "-m", module, *arguments], capture_output=True, text=True, check=True, env=environment
    )
    return json.loads(process.stdout.splitlines()[-1])


def machine() -> str:
    """Return the machine and the versions, in one line."""
    import transformers

    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, transformers {transformers.__version__}"
    return f"{model}, 1 thread; {versions}"


def write(name: str, title: str, rows: list[dict[str, str | float]], notes: str) -> None:
    """Write a table as Markdown and as JSON, and print it."""
    head = list(rows[0])
    lines = [f"# {title}", "", notes, "", f"Measured on {machine()}.", ""]
    lines += ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    lines += ["| " + " | ".join(_cell(row[key]) for key in head) + " |" for row in rows]
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.md").write_text("\n".join(lines) + "\n")
    (RESULTS / f"{name}.json").write_text(json.dumps({"machine": machine(), "rows": rows}, indent=1) + "\n")
    print("\n".join(lines))


def _cell(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}" if value < 100 else f"{value:,.0f}"
