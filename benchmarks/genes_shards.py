"""One cohort over several jobs against one job: ``python -m benchmarks.genes_shards [--cells N] [--shards N]``.

Each job is a separate process, as on a cluster; they run one after another here, so that their CPU time is comparable.
The cohort is that of `benchmarks.genes_million`.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
import time
from pathlib import Path

import torch

from lrp_domains.domain import Clock
from lrp_domains.genes import explain_shard, gather_shards, relevance_on_disk

from .genes_cohort import NAMES, trained
from .genes_million import cohort
from .measure import in_own_process, peak_mb, write

FOLDER = Path(tempfile.gettempdir())


def job(name: str, cells: int, shard: int = 1, shards: int = 1) -> dict[str, float | str]:
    """Run one job."""
    path, out = cohort(cells), FOLDER / f"lrp_domains_{cells}.{name}.h5ad"
    folders = [FOLDER / f"lrp_domains_{cells}.{number}" for number in range(1, shards + 1)]
    model = None if name == "gather" else trained(path)
    clock, seconds, wall = Clock(), time.process_time(), time.perf_counter()
    if name == "one":
        relevance_on_disk(path, model, out, resume=False, clock=clock)
    elif name == "shard":
        explain_shard(path, model, folders[shard - 1], shard=shard, shards=shards, resume=False, clock=clock)
    else:
        gather_shards(folders, path, out, clock=clock)
    return {
        "seconds": time.process_time() - seconds,
        "wall": time.perf_counter() - wall,
        "peak": peak_mb(),
        "phases": str(clock),
    }


def main(cells: int, shards: int) -> None:
    cohort(cells)

    def run(*arguments: object) -> dict[str, float | str]:
        return in_own_process("benchmarks.genes_shards", *map(str, arguments), sparing=False)

    one = run("--job", "one", "--cells", cells)
    parts = [run("--job", "shard", "--cells", cells, "--shard", i + 1, "--shards", shards) for i in range(shards)]
    gathered = run("--job", "gather", "--cells", cells, "--shards", shards)
    rows = [_row("one job", one)]
    rows += [_row(f"shard {number} of {shards}", part) for number, part in enumerate(parts, 1)]
    rows += [_row("gather", gathered)]
    for name in ("one", "gather"):
        (FOLDER / f"lrp_domains_{cells}.{name}.h5ad").unlink()
    for number in range(1, shards + 1):
        shutil.rmtree(FOLDER / f"lrp_domains_{cells}.{number}")
    total = sum(row["CPU s"] for row in rows[1:])
    write(
        "genes_shards",
        "A cohort over several jobs",
        rows,
        f"{cells:,} cells x {len(NAMES):,} genes, the relevance of each cell written with the cohort; one thread per "
        f"job. The {shards} shards and the gathering take {total:.0f} s of CPU time, {total / one['seconds']:.2f} "
        f"times that of one job ({one['seconds']:.0f} s), without the start of Python and the training of the network.",
    )


def _row(task: str, measured: dict[str, float | str]) -> dict[str, float | str]:
    return {
        "job": task,
        "CPU s": measured["seconds"],
        "wall s": measured["wall"],
        "peak memory, MB": measured["peak"],
        "time": measured["phases"],
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=1_000_000)
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--shard", type=int, default=1)
    parser.add_argument("--job", choices=("one", "shard", "gather"))
    asked = parser.parse_args()
    if asked.job is None:
        sys.exit(main(asked.cells, asked.shards))
    print(json.dumps(job(asked.job, asked.cells, asked.shard, asked.shards)))
