"""Time and memory of an explanation beside a plain gradient and a prediction: ``python -m benchmarks.cost``.

``python -m benchmarks.cost SUBJECT METHOD`` measures the memory of one method in a process of its own.
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

# A slow method is run but once; it is tens of times dearer than the others.
ONCE = ("integrated gradients, 50 steps",)


def time_of(subject_name: str) -> dict[str, dict[str, float]]:
    subject = SUBJECTS[subject_name]()
    repeats = 21 if "1 x 16" in subject_name else 5
    quick = {name: partial(run, subject) for name, run in METHODS.items() if name not in ONCE}
    seconds = cpu_seconds(quick, repeats)
    return {
        name: {
            "seconds": statistics.median(taken),
            "gradient": median_ratio(taken, seconds["gradient x input"]),
            "prediction": median_ratio(taken, seconds["prediction"]),
        }
        for name, taken in seconds.items()
    }


def memory_of(subject_name: str, method: str) -> dict[str, float]:
    """Peak memory beyond the loaded model, in MB, of one method."""
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
                taken = runs[0]["seconds"]
                times[name] = {
                    "seconds": taken,
                    "gradient": taken / times["gradient x input"]["seconds"],
                    "prediction": taken / times["prediction"]["seconds"],
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
        "CPU time of one forward and one explanation of the batch; ratios are medians over rounds in which all methods "
        "took turns (integrated gradients ran once). Peak memory is that of a whole process, model included, the "
        "median of three.",
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if len(sys.argv) > 1:
        print(json.dumps(memory_of(*sys.argv[1:])))
    else:
        main()
