"""Relevance as tracks of a genome browser, and as TF-MoDISco reads it; sequences are read a few at a time."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import pandas as pd

from ..domain import DomainError, choices, whole_file
from ..domain.files.arrays import write_stacked
from ..domain.files.lines import read_lines, whole_number
from .letters import Alphabet

if TYPE_CHECKING:
    from .results import SequenceRelevance

AT_ONCE = 256  # sequences in memory
Items: TypeAlias = Mapping[int, "SequenceRelevance"]


def write_bigwig(items: Items, path: str | Path, sizes: str | Path | Mapping[str, int]) -> None:
    """Write relevance per base; where sequences overlap their mean."""
    import pyBigWig

    if not isinstance(sizes, Mapping):
        lines = read_lines(sizes, ["chromosome", "size"], 2)
        sizes = {row["chromosome"]: whole_number(row["size"], "size", line) for line, row in lines}
    places = _places(items, sizes)
    with whole_file(path) as temporary, pyBigWig.open(str(temporary), "w") as file:
        file.addHeader([(name, int(size)) for name, size in sizes.items()])
        # In the order of the header, as the format requires.
        for chromosome, starts, values in _track(items, places, sizes):
            names, ends = [chromosome] * len(starts), starts + 1
            file.addEntries(names, starts.tolist(), ends=ends.tolist(), values=values.tolist())


def write_bedgraph(items: Items, path: str | Path) -> None:
    """Write relevance per base; where sequences overlap their mean."""
    places = _places(items)
    with whole_file(path) as temporary:
        for chromosome, starts, values in _track(items, places, sorted(set(places["chromosome"]))):
            columns = {"chromosome": chromosome, "start": starts, "end": starts + 1, "relevance": values}
            table = pd.DataFrame(columns)
            table.to_csv(temporary, sep="\t", header=False, index=False, mode="a", float_format="%.6g")


def write_modisco(items: Items, sequences: str | Path, contributions: str | Path) -> None:
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


def _places(items: Items, sizes: Mapping[str, int] | None = None) -> pd.DataFrame:
    """Return where sequences are within their chromosomes, one row per sequence, in the order of their starts.

    Unknown letters beyond the ends, by which sequences are padded, have no place, nor have insertions and deletions.
    """
    rows, without = [], []
    for number, item in items.items():
        chromosome, start, end = item.record.chromosome, item.record.start, item.record.start + len(item.sequence)
        if chromosome is None:
            without.append(item.name)
            continue
        if sizes is not None and chromosome not in sizes:
            raise DomainError(f"there is no size of chromosome '{chromosome}'; {choices(chromosome, sizes)}")
        size = end if sizes is None else int(sizes[chromosome])
        forward = item.sequence if item.record.strand == "+" else item.sequence[::-1]
        beyond = forward[: max(0, -start)] + forward[max(0, size - start) :]
        if beyond.upper().strip(Alphabet(item.alphabet).unknown):
            bases = "begins at 0" if sizes is None else f"has {size:,} bases"
            raise DomainError(f"'{chromosome}' {bases}, but '{item.name}' reaches from {start:,} to {end:,}")
        rows.append((chromosome, max(0, start), min(size, end), number))
    if not rows:
        raise DomainError(
            f"'{without[0]}' has no place in a genome: only sequences of intervals, and substitutions, make a track"
        )
    if without:
        message = f"{len(without):,} of {len(items):,} sequences have no place in a genome, as insertions and deletions"
        warnings.warn(f"left out of the track: {message}; the first is '{without[0]}'", stacklevel=4)
    return pd.DataFrame(rows, columns=["chromosome", "start", "end", "number"]).sort_values("start", kind="stable")


def _track(
    items: Items, places: pd.DataFrame, chromosomes: Iterable[str]
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield a chromosome, the starts of some of its bases in order, and their relevance, averaged over sequences."""
    overlaps = 0
    for chromosome in chromosomes:
        of_chromosome, unfinished = places[places["chromosome"] == chromosome], []
        for first in range(0, len(of_chromosome), AT_ONCE):
            for place in of_chromosome.iloc[first : first + AT_ONCE].itertuples():
                item = items[place.number]
                values = {"relevance": item.relevance.astype(float), "sequences": 1}
                of_letters = pd.DataFrame(values, index=np.array(item.record.positions()))
                unfinished.append(of_letters[(of_letters.index >= place.start) & (of_letters.index < place.end)])
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
