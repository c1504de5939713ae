"""Ranking the genes of a million cells that don't fit in memory: ``python -m benchmarks.genes_million``.

``python -m benchmarks.genes_million PART`` measures one part in a process of its own. The cohort (1.3 GB) is made once,
in the folder for temporary files, and found there again.
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
from lrp_domains.genes.cohorts.expression import Expression, dense_batch
from lrp_domains.genes.explanation import explain as explaining
from lrp_domains.genes.explanation.explain import explain_cells
from lrp_domains.genes.explanation.group_statistics import GroupStatistics
from lrp_domains.genes.explanation.plan import make_plan
from lrp_domains.genes.models.model import GeneModel, predict

from .genes_cohort import CLASSES, MARKERS, NAMES, make, markers_of, trained
from .measure import cpu_seconds, in_own_process, median_ratio, peak_mb, write

MANY, FEW = 1_000_000, 100_000
ROUNDS = 9
# What time is spent on, and the functions that spend it.
SPENT = {
    "reading": [(Expression, "chunk"), (explaining, "dense_batch")],
    "LRP pass": [(explaining, "explain")],
    "statistics": [(GroupStatistics, f"add_{what}") for what in ("relevance", "network", "expression")],
}


def cohort(cells: int) -> Path:
    """Return the path of a cohort, which is written if it is missing."""
    path = Path(tempfile.gettempdir()) / f"lrp_domains_{cells}.h5ad"
    if not path.exists():
        unfinished = path.with_suffix(".unfinished")
        make(unfinished, cells)
        unfinished.rename(path)
    return path


def ranking(cells: int) -> dict[str, float]:
    """Rank the genes of each group without keeping the relevance of each cell."""
    path = cohort(cells)
    model, seconds = trained(path), dict.fromkeys([*SPENT, "forward"], 0.0)
    with open_cohort(path) as adata, timed(seconds, model):
        before, wall = time.process_time(), time.perf_counter()
        relevance(adata, model, layer=None)
        table = rank(adata)
        taken = {"seconds": time.process_time() - before, "wall": time.perf_counter() - wall}
    first = table[table["rank"] <= MARKERS]
    found = sum(
        gene in {NAMES[i] for i in markers_of(number)}
        for number, (_, rows) in enumerate(first.groupby("group", sort=False))
        for gene in rows["gene"]
    )
    shares = {f"share of {name}": spent / taken["seconds"] for name, spent in seconds.items()}
    return taken | shares | {"peak": peak_mb(), "found": found / len(first)}


def layer(cells: int) -> dict[str, float]:
    """Write the cohort with the relevance of each cell."""
    path = cohort(cells)
    model, out = trained(path), path.with_suffix(".explained.h5ad")
    before, wall = time.process_time(), time.perf_counter()
    relevance_on_disk(path, model, out)
    taken = {"seconds": time.process_time() - before, "wall": time.perf_counter() - wall}
    gigabytes = out.stat().st_size / 2**30
    out.unlink()
    return taken | {"peak": peak_mb(), "gigabytes": gigabytes}


def ratio(cells: int) -> dict[str, float]:
    """Explain and predict by turns, over the same loader."""
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
    medians = {name: statistics.median(taken) for name, taken in seconds.items()}
    return medians | {"ratio": median_ratio(seconds["explain"], seconds["predict"])}


@contextmanager
def timed(seconds: dict[str, float], model: GeneModel) -> Iterator[None]:
    """Add up what time is spent on."""

    def clocked(name: str, function: Callable) -> Callable:
        def run(*arguments, **named):
            before = time.process_time()
            try:
                return function(*arguments, **named)
            finally:
                seconds[name] += time.process_time() - before

        return run

    with ExitStack() as patched:
        forward = {"forward": [(network, "forward") for _, network in model.unseen(-1)]}
        for name, functions in (SPENT | forward).items():
            for holder, function in functions:
                patched.enter_context(patch.object(holder, function, clocked(name, getattr(holder, function))))
        yield


PARTS = {"ranking": (ranking, MANY), "layer": (layer, MANY), "ratio": (ratio, FEW)}


def main() -> None:
    for _, cells in PARTS.values():
        cohort(cells)
    ranked, layered, compared = (in_own_process("benchmarks.genes_million", part, sparing=False) for part in PARTS)
    shares = ", ".join(f"{name.removeprefix('share of ')} {of:.0%}" for name, of in ranked.items() if "share" in name)
    rows = [
        _row("group rankings, no relevance of single cells", MANY, ranked),
        _row("relevance of each cell written beside the cohort", MANY, layered),
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
        f"bookkeeping. Explaining takes {compared['ratio']:.2f} times as long as predicting over the same loader (CPU "
        f"time, median of {ROUNDS} rounds by turns). Of the first {MARKERS} genes of each group {ranked['found']:.0%} "
        f"are its planted markers. The explained cohort is a file of {layered['gigabytes']:.1f} GB.",
    )


def _row(what: str, cells: int, taken: dict[str, float]) -> dict[str, str | float]:
    return {
        "what": what,
        "cells": f"{cells:,}",
        "CPU s": taken["seconds"],
        "cells a CPU second": cells / taken["seconds"],
        "cells a second": cells / taken["wall"] if "wall" in taken else "",
        "peak memory, MB": taken.get("peak", ""),
    }


if __name__ == "__main__":
    torch.set_num_threads(1)
    if len(sys.argv) > 1:
        measured, many = PARTS[sys.argv[1]]
        print(json.dumps(measured(many)))
    else:
        main()
