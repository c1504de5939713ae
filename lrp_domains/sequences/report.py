"""The report of explained sets of sequences: one self-contained HTML page."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..domain import write_sections
from ..domain.page import drawing
from ..domain.results.outcomes import by_explained
from ..evaluation import average_motifs, find_seqlets
from ..evaluation.page import read_comparison
from ..evaluation.section import section
from ..genomics.logos import logo_figure
from .results import read_explained

LEDGER = {"units": "letters", "rest": "rest: biases, positions, special tokens, residue"}
MOST = 300  # sequences of a class that motifs are averaged over


def write_report(
    folders: Iterable[str | Path],
    path: str | Path,
    *,
    title: str = "Letters that decided the predictions",
    examples: int = 8,
) -> None:
    """Write one self-contained HTML report, `path`, of explained sets of sequences.

    `folders` are those of results, each with ``explained.parquet`` and ``explained.npz``, and perhaps a ``comparison``.
    `examples` is the number of sequences of each kind: most confident, most wrong, closest calls.
    """
    packages = (__package__, "lrp_domains.evaluation")
    options = {"show": _shown, "unit": "sequences", "ledger": LEDGER, "examples": examples}
    write_sections(folders, path, packages, title=title, **options)


def _shown(outcomes: pd.DataFrame, examples: dict[str, list[int]], arrays: Path) -> dict[str, Any]:
    """Return the examples with their logos, the motifs of each class, and the comparison of methods if there is one."""
    table = arrays.with_suffix(".parquet")
    comparison = read_comparison(table.parent / "comparison") if (table.parent / "comparison").is_dir() else None
    return {
        "examples": {
            kind: [(i, drawing(i.logo())) for i in read_explained(table, of)] for kind, of in examples.items()
        },
        "motifs": {words: _motifs(table, of["sample"].tolist()) for words, of in by_explained(outcomes)},
        "comparison": None if comparison is None else section(comparison),
    }


def _motifs(table: Path, numbers: list[int]) -> list[Any]:
    """Return drawn motifs of sequences: means of parts with more relevance than the same letters in random order."""
    results, random = read_explained(table, numbers[:MOST]), np.random.default_rng(0)
    relevance = [result.relevance for result in results]
    if len(results) < 19:  # of which no 5 % quantile is known
        return []
    seqlets = find_seqlets(relevance, [random.permutation(each) for each in relevance])
    motifs = average_motifs([result.contributions for result in results], seqlets, 3)
    return [drawing(logo_figure(each, results[0].alphabet)) for each in motifs]
