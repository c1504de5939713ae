"""Relevance as tracks of a genome browser, and as TF-MoDISco reads it; sequences are read a few at a time."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..domain import DomainError, choices, whole_file
from ..domain.files.arrays import write_stacked

if TYPE_CHECKING:
    from .results import SequenceRelevance

AT_ONCE = 256  # sequences in memory


def write_bigwig(
    items: Mapping[int, SequenceRelevance], path: str | Path, sizes: str | Path | Mapping[str, int]
) -> None:
    """Write relevance per base; where sequences overlap their mean."""
    import pyBigWig

    if not isinstance(sizes, Mapping):
        table = pd.read_csv(sizes, sep="\t", header=None, usecols=[0, 1], dtype={0: str, 1: int})
        sizes = dict(table.itertuples(index=False))
    places = _places(items)
    for chromosome, of_chromosome in places.groupby("chromosome"):
        if chromosome not in sizes:
            raise DomainError(f"there is no size of chromosome '{chromosome}'; {choices(chromosome, sizes)}")
        first, last = of_chromosome["start"].min(), of_chromosome["end"].max()
        if first < 0 or last > sizes[chromosome]:
            raise DomainError(
                f"'{chromosome}' has {sizes[chromosome]:,} bases, but sequences reach from {first:,} to {last:,}"
            )
    with whole_file(path) as temporary, pyBigWig.open(str(temporary), "w") as file:
        file.addHeader([(name, int(size)) for name, size in sizes.items()])
        # In the order of the header, as the format requires.
        for chromosome, starts, values in _track(items, places, sizes):
            names, ends = [chromosome] * len(starts), starts + 1
            file.addEntries(names, starts.tolist(), ends=ends.tolist(), values=values.tolist())


def write_bedgraph(items: Mapping[int, SequenceRelevance], path: str | Path) -> None:
    """Write relevance per base; where sequences overlap their mean."""
    places = _places(items)
    with whole_file(path) as temporary:
        for chromosome, starts, values in _track(items, places, sorted(set(places["chromosome"]))):
            columns = {"chromosome": chromosome, "start": starts, "end": starts + 1, "relevance": values}
            table = pd.DataFrame(columns)
            table.to_csv(temporary, sep="\t", header=False, index=False, mode="a", float_format="%.6g")


def write_modisco(items: Mapping[int, SequenceRelevance], sequences: str | Path, contributions: str | Path) -> None:
    """Write one-hot sequences and hypothetical contributions, N x 4 x L, each as ``arr_0`` of a file."""
    lengths = set()
    for item in items.values():
        if set(item.alphabet) != set("ACGT") or item.hypothetical is None:
            raise DomainError("TF-MoDISco reads contributions of all letters of DNA: explain one-hot encoded DNA")
        lengths.add(len(item.sequence))
    if len(lengths) > 1:
        raise DomainError("TF-MoDISco reads sequences of one length: cut them, or give intervals a length")
    order, shape = [item.alphabet.index(letter) for letter in "ACGT"], (len(items), 4, *lengths)
    write_stacked((item.one_hot[:, order].T for item in items.values()), shape, sequences)
    write_stacked((item.hypothetical[:, order].T for item in items.values()), shape, contributions)


def _places(items: Mapping[int, SequenceRelevance]) -> pd.DataFrame:
    """Return where sequences are, one row per sequence, in the order of their starts."""
    rows = []
    for number, item in items.items():
        if item.record.chromosome is None:
            raise DomainError(f"'{item.name}' has no place in a genome: only sequences of intervals make a track")
        start = item.record.start
        rows.append((item.record.chromosome, start, start + len(item.sequence), number))
    return pd.DataFrame(rows, columns=["chromosome", "start", "end", "number"]).sort_values("start", kind="stable")


def _track(
    items: Mapping[int, SequenceRelevance], places: pd.DataFrame, chromosomes: Iterable[str]
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield a chromosome, the starts of some of its bases in order, and their relevance, averaged over sequences."""
    overlaps = 0
    for chromosome in chromosomes:
        of_chromosome, unfinished = places[places["chromosome"] == chromosome], []
        for first in range(0, len(of_chromosome), AT_ONCE):
            for number in of_chromosome["number"].iloc[first : first + AT_ONCE]:
                item = items[number]
                values = {"relevance": item.relevance.astype(float), "sequences": 1}
                unfinished.append(pd.DataFrame(values, index=np.array(item.record.positions())))
            sums = pd.concat(unfinished).groupby(level=0).sum()
            # Bases before the next sequence are done.
            following = of_chromosome["start"].iloc[first + AT_ONCE :].min()
            done = sums[~(sums.index >= following)]
            unfinished = [sums.drop(done.index)]
            overlaps += int((done["sequences"] > 1).sum())
            if len(done):
                yield chromosome, done.index.to_numpy(), (done["relevance"] / done["sequences"]).to_numpy()
    if overlaps:
        warnings.warn(f"sequences overlap in {overlaps:,} bases, which have the mean of their relevance", stacklevel=4)
