"""Ranking the genes of a million cells that don't fit in memory: ``python -m benchmarks.genes_million``.

``python -m benchmarks.genes_million PART`` measures one part in a separate process. The cohort (1.3 GB) is written once
to the folder for temporary files, and reused from there.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from unittest.mock import patch

import torch

from lrp_domains.domain import Account, parameter_of
from lrp_domains.genes import Explanation, open_cohort, rank, relevance, relevance_on_disk
from lrp_domains.genes.cohorts.values.expression import Expression, dense_batch
from lrp_domains.genes.explanation.cells import batch as batches
from lrp_domains.genes.explanation.cells import explain as explaining
from lrp_domains.genes.explanation.cells.explain import explain_cells
from lrp_domains.genes.explanation.requests.plan import make_plan
from lrp_domains.genes.explanation.results.group_statistics import GroupStatistics
from lrp_domains.genes.models.model import GeneModel, predict

from .genes_cohort import CLASSES, MARKERS, NAMES, make, markers_of, trained
from .measure import cpu_seconds, in_own_process, median_ratio, peak_mb, write

MANY, FEW = 1_000_000, 100_000
ROUNDS = 9
# The timed steps and their functions.
STEPS = {
    "reading": [(Expression, "chunk"), (explaining, "dense_batch")],
    "LRP pass": [(batches, "compute")],
    "statistics": [(GroupStatistics, f"add_{term}") for term in ("relevance", "network", "expression")],
}


def cohort(cells: int) -> Path:
    """Return the path of a cohort; write it if it is missing."""
    path = Path(tempfile.gettempdir()) / f"lrp_domains_{cells}.h5ad"
    if not path.exists():
        unfinished = path.with_suffix(".unfinished")
        make(unfinished, cells)
        unfinished.rename(path)
    return path


def ranking(cells: int) -> dict[str, float]:
    """Rank the genes of each group without keeping the relevance of each cell."""
    path = cohort(cells)
    model, seconds = trained(path), dict.fromkeys([*STEPS, "forward"], 0.0)
    with open_cohort(path) as adata, timed(seconds, model):
        before, wall = time.process_time(), time.perf_counter()
        relevance(adata, model, layer=None)
        table = rank(adata)
        total = {"seconds": time.process_time() - before, "wall": time.perf_counter() - wall}

    top = table[table["rank"] <= MARKERS]
    n_markers = sum(
        gene in {NAMES[i] for i in markers_of(number)}
        for number, (_, rows) in enumerate(top.groupby("group", sort=False))
        for gene in rows["gene"]
    )
    shares = {f"share of {name}": step / total["seconds"] for name, step in seconds.items()}
    return total | shares | {"peak": peak_mb(), "markers": n_markers / len(top)}


def compiled(cells: int) -> dict[str, float]:
    """Rank the genes of each group by explanations that inductor compiles, the compilation included."""
    path = cohort(cells)
    model = trained(path)
    with open_cohort(path) as adata:
        before, wall = time.process_time(), time.perf_counter()
        relevance(adata, model, layer=None, compile="inductor")
        rank(adata)
        return {"seconds": time.process_time() - before, "wall": time.perf_counter() - wall, "peak": peak_mb()}


def layer(cells: int) -> dict[str, float]:
    """Write the cohort with the relevance of each cell."""
    path = cohort(cells)
    model, out = trained(path), path.with_suffix(".explained.h5ad")
    before, wall = time.process_time(), time.perf_counter()
    relevance_on_disk(path, model, out)
    total = {"seconds": time.process_time() - before, "wall": time.perf_counter() - wall}
    gigabytes = out.stat().st_size / 2**30
    out.unlink()
    return total | {"peak": peak_mb(), "gigabytes": gigabytes}


def ratio(cells: int) -> dict[str, float]:
    """Explain and predict in turn, over the same loader."""
    model = trained(cohort(cells))
    network = model.networks[0][0]
    with open_cohort(cohort(cells)) as adata:
        planned = make_plan(adata, model, Explanation())

        def load() -> None:
            for chunk in planned.expression.chunks(planned.size):
                dense_batch(chunk.values, slice(None), parameter_of(network))

        def predicting() -> None:
            for chunk in planned.expression.chunks(planned.size):
                values = dense_batch(chunk.values, slice(None), parameter_of(network))
                predict(model, network, values).argmax(1).numpy()

        def explained() -> None:
            for _ in explain_cells(planned, planned.empty_statistics(), Account()):
                pass

        seconds = cpu_seconds({"load": load, "predict": predicting, "explain": explained}, ROUNDS)

    medians = {name: statistics.median(times) for name, times in seconds.items()}
    return medians | {"ratio": median_ratio(seconds["explain"], seconds["predict"])}


@contextmanager
def timed(seconds: dict[str, float], model: GeneModel) -> Iterator[None]:
    """Temporarily add the CPU time of each step to ``seconds``."""

    def clocked(name: str, function: Callable) -> Callable:
        def run(*arguments, **options):
            before = time.process_time()
            try:
                return function(*arguments, **options)
            finally:
                seconds[name] += time.process_time() - before

        return run

    with ExitStack() as patched:
        forward = {"forward": [(network, "forward") for _, network in model.unseen(-1)]}
        for name, functions in (STEPS | forward).items():
            for owner, function in functions:
                patched.enter_context(patch.object(owner, function, clocked(name, getattr(owner, function))))
        yield


PARTS = {"ranking": (ranking, MANY), "compiled": (compiled, MANY), "layer": (layer, MANY), "ratio": (ratio, FEW)}


def main() -> None:
    for _, cells in PARTS.values():
        cohort(cells)
    measured = (in_own_process("benchmarks.genes_million", part, sparing=False) for part in PARTS)
    ranked, by_inductor, layered, compared = measured
    shares = ", ".join(
        f"{name.removeprefix('share of ')} {share:.0%}" for name, share in ranked.items() if "share" in name
    )
    rows = [
        _row("group rankings, without relevance per cell", MANY, ranked),
        _row("group rankings, explanations compiled by inductor", MANY, by_inductor),
        _row("relevance of each cell written with the cohort", MANY, layered),
        _row("prediction", FEW, {"seconds": compared["predict"]}),
        _row("explanation with sums over groups", FEW, {"seconds": compared["explain"]}),
        _row("the loader alone", FEW, {"seconds": compared["load"]}),
    ]
    write(
        "genes_million",
        "A million cells on disk",
        rows,
        f"{MANY:,} cells x {len(NAMES):,} genes, 8 % of them expressed, in one uncompressed .h5ad of 1.3 GB; a network "
        f"of {len(NAMES):,}, 128 and {len(CLASSES)} units. Time of the group rankings: {shares}, the rest is "
        f"overhead. Explaining takes {compared['ratio']:.2f} times as long as predicting over the same loader (CPU "
        f"time, median of {ROUNDS} rounds in turn). Of the top {MARKERS} genes of each group {ranked['markers']:.0%} "
        f"are its planted markers. The explained cohort is a file of {layered['gigabytes']:.1f} GB.",
    )


def _row(task: str, cells: int, measured: dict[str, float]) -> dict[str, str | float]:
    return {
        "task": task,
        "cells": f"{cells:,}",
        "CPU s": measured["seconds"],
        "cells per CPU second": cells / measured["seconds"],
        "cells per second": cells / measured["wall"] if "wall" in measured else "",
        "peak memory, MB": measured.get("peak", ""),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    if len(sys.argv) > 1:
        measure, n_cells = PARTS[sys.argv[1]]
        print(json.dumps(measure(n_cells)))
    else:
        main()
