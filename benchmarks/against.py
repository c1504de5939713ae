"""Time and memory of an explanation against a reference: ``python -m benchmarks.against``.

``python -m benchmarks.against SUBJECT METHOD`` measures the memory of one method in a separate process.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
from collections.abc import Callable
from functools import partial

import torch

from .measure import cpu_seconds, in_own_process, median_ratio, peak_mb, resident_mb, write
from .methods import METHODS, secant
from .subjects import SUBJECTS, Subject

COMPARED: dict[str, Callable[[Subject], None]] = {
    "gradient x input": METHODS["gradient x input"],
    "AttnLRP": METHODS["AttnLRP"],
    "secants, one reference": secant,
}


def memory_of(subject_name: str, method: str) -> dict[str, float]:
    """Measure the peak memory of one method beyond the loaded model, in MB."""
    subject = SUBJECTS[subject_name]()
    gc.collect()
    loaded = resident_mb()
    COMPARED[method](subject)
    return {"extra": peak_mb() - loaded}


def main() -> None:
    rows = []
    for subject_name, make in SUBJECTS.items():
        subject = make()
        seconds = cpu_seconds({name: partial(run, subject) for name, run in COMPARED.items()}, 5)
        del subject
        extra = {
            name: statistics.median(in_own_process("benchmarks.against", subject_name, name)["extra"] for _ in range(3))
            for name in COMPARED
        }
        for name, times in seconds.items():
            rows.append(
                {
                    "subject": subject_name,
                    "method": name,
                    "CPU s": statistics.median(times),
                    "/ gradient": median_ratio(times, seconds["gradient x input"]),
                    "extra MB": extra[name],
                    "extra / gradient's": extra[name] / extra["gradient x input"],
                }
            )
            print(rows[-1], flush=True)

    write(
        "against",
        "Cost of an explanation against a reference",
        rows,
        "CPU time of the explanation of the batch with all its forward passes; ratios are medians over rounds in which "
        "all methods took turns. Extra memory is the peak beyond the loaded model, the median of three processes.",
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if len(sys.argv) > 1:
        print(json.dumps(memory_of(sys.argv[1], sys.argv[2])))
    else:
        main()
