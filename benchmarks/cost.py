"""Time and memory of an explanation, a plain gradient and a prediction: ``python -m benchmarks.cost``.

``python -m benchmarks.cost SUBJECT METHOD`` measures the memory of one method in a separate process.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from functools import partial

import torch

from .measure import cpu_seconds, in_own_process, median_ratio, peak_mb, resident_mb, write
from .methods import METHODS
from .subjects import SUBJECTS

# Slow methods run only once: they take tens of times as long as the others.
ONCE = ("integrated gradients, 50 steps",)


def time_of(subject_name: str) -> dict[str, dict[str, float]]:
    subject = SUBJECTS[subject_name]()
    repeats = 21 if "1 x 16" in subject_name else 5
    quick = {name: partial(run, subject) for name, run in METHODS.items() if name not in ONCE}
    seconds = cpu_seconds(quick, repeats)
    return {
        name: {
            "seconds": statistics.median(times),
            "gradient": median_ratio(times, seconds["gradient x input"]),
            "prediction": median_ratio(times, seconds["prediction"]),
        }
        for name, times in seconds.items()
    }


def memory_of(subject_name: str, method: str) -> dict[str, float]:
    """Measure one method: memory of the loaded model and peak memory, in MB, and CPU seconds."""
    subject = SUBJECTS[subject_name]()
    gc.collect()
    loaded = resident_mb()
    before = time.process_time()
    METHODS[method](subject)
    return {"loaded": loaded, "peak": peak_mb(), "seconds": time.process_time() - before}


def main() -> None:
    rows = []
    for subject_name in SUBJECTS:
        times = time_of(subject_name)
        memory = {}
        for name in METHODS:
            runs = [in_own_process("benchmarks.cost", subject_name, name) for _ in range(1 if name in ONCE else 3)]
            memory[name] = statistics.median(run["peak"] for run in runs)
            if name in ONCE:
                seconds = runs[0]["seconds"]
                times[name] = {
                    "seconds": seconds,
                    "gradient": seconds / times["gradient x input"]["seconds"],
                    "prediction": seconds / times["prediction"]["seconds"],
                }

        for name in METHODS:
            rows.append(
                {
                    "subject": subject_name,
                    "method": name,
                    "CPU s": times[name]["seconds"],
                    "/ gradient": times[name]["gradient"],
                    "/ prediction": times[name]["prediction"],
                    "peak MB": memory[name],
                    "peak / gradient's": memory[name] / memory["gradient x input"],
                }
            )
            print(rows[-1], flush=True)

    write(
        "cost",
        "Cost of an explanation",
        rows,
        "CPU time of one forward pass and one explanation of the batch. Ratios are medians over rounds in which all "
        "methods took turns (integrated gradients ran once). Peak memory is that of a whole process, model included; "
        "median of three processes.",
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if len(sys.argv) > 1:
        print(json.dumps(memory_of(*sys.argv[1:])))
    else:
        main()
