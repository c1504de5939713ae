"""Memory against the length of the text, with fused attention: ``python -m benchmarks.memory``."""

from __future__ import annotations

import gc
import json
import sys

import torch

from .measure import in_own_process, peak_mb, resident_mb, write
from .methods import EXPLAINED, GRADIENT, METHODS
from .subjects import bert

LENGTHS = (512, 1024, 2048, 4096)
COMPARED = (GRADIENT, EXPLAINED, "CP-LRP")


def memory_of(tokens: int, method: str) -> dict[str, float]:
    subject = bert(1, tokens, positions=max(LENGTHS))
    gc.collect()
    loaded = resident_mb()
    METHODS[method].prepare(subject)()
    return {"extra": peak_mb() - loaded}


def main() -> None:
    rows = []
    for tokens in LENGTHS:
        extra = {name: in_own_process("benchmarks.memory", str(tokens), name)["extra"] for name in COMPARED}
        row: dict[str, str | float] = {"tokens": f"{tokens:,}"}
        row |= {f"{name}, MB": extra[name] for name in COMPARED}
        row |= {"AttnLRP, KB per token": 1024 * extra["AttnLRP"] / tokens}
        rows.append(row)
        print(row, flush=True)

    write(
        "memory",
        "Memory against length",
        rows,
        "BERT-base, one text, peak memory beyond the loaded model. It grows in proportion to the length: a constant "
        "number of KB per token.",
    )


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(0)
    if len(sys.argv) > 1:
        print(json.dumps(memory_of(int(sys.argv[1]), sys.argv[2])))
    else:
        main()
