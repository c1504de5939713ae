"""Relevance as tracks of a genome browser, and as TF-MoDISco reads it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from ..domain import DomainError, choices, whole_file

if TYPE_CHECKING:
    from .results import SequenceRelevance


def write_bigwig(items: Sequence[SequenceRelevance], path: str | Path, sizes: str | Path | Mapping[str, int]) -> None:
    """Write relevance per base; where sequences overlap their mean."""
    import pyBigWig

    if not isinstance(sizes, Mapping):
        table = pd.read_csv(sizes, sep="\t", header=None, usecols=[0, 1], dtype={0: str, 1: int})
        sizes = dict(table.itertuples(index=False))
    tracks = dict(_tracks(items))
    for chromosome, (starts, _) in tracks.items():
        if chromosome not in sizes:
            raise DomainError(f"there is no size of chromosome '{chromosome}'; {choices(chromosome, sizes)}")
        if starts[-1] >= sizes[chromosome]:
            raise DomainError(
                f"'{chromosome}' has {sizes[chromosome]:,} bases, but a sequence ends at {starts[-1] + 1:,}"
            )
    with whole_file(path) as temporary, pyBigWig.open(str(temporary), "w") as file:
        file.addHeader([(name, int(size)) for name, size in sizes.items()])
        for chromosome in filter(tracks.__contains__, sizes):  # in the order of the header, as the format requires
            starts, values = tracks[chromosome]
            file.addEntries(
                [chromosome] * len(starts), starts.tolist(), ends=(starts + 1).tolist(), values=values.tolist()
            )


def write_bedgraph(items: Sequence[SequenceRelevance], path: str | Path) -> None:
    """Write relevance per base; where sequences overlap their mean."""
    with whole_file(path) as temporary:
        for chromosome, (starts, values) in sorted(_tracks(items)):
            columns = {"chromosome": chromosome, "start": starts, "end": starts + 1, "relevance": values}
            table = pd.DataFrame(columns)
            table.to_csv(temporary, sep="\t", header=False, index=False, mode="a", float_format="%.6g")


def write_modisco(items: Sequence[SequenceRelevance], sequences: str | Path, contributions: str | Path) -> None:
    """Write one-hot sequences and hypothetical contributions, N x 4 x L, each as ``arr_0`` of a file."""
    if set(items[0].alphabet) != set("ACGT") or any(item.hypothetical is None for item in items):
        raise DomainError("TF-MoDISco reads contributions of all letters of DNA: explain one-hot encoded DNA")
    if len({len(item.sequence) for item in items}) > 1:
        raise DomainError("TF-MoDISco reads sequences of one length: cut them, or give intervals a length")
    order = [items[0].alphabet.index(letter) for letter in "ACGT"]
    arrays = [item.one_hot for item in items], [item.hypothetical for item in items]
    for path, values in zip((sequences, contributions), arrays, strict=True):
        with whole_file(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, np.stack(values)[:, :, order].transpose(0, 2, 1).astype(np.float32))


def _tracks(items: Sequence[SequenceRelevance]) -> Iterator[tuple[str, tuple[np.ndarray, np.ndarray]]]:
    """Yield each chromosome's starts of bases in order, and their relevance, averaged where sequences overlap."""
    placed: dict[str, list[SequenceRelevance]] = {}
    for item in items:
        if item.record.chromosome is None:
            raise DomainError(f"'{item.name}' has no place in a genome: only sequences of intervals make a track")
        placed.setdefault(item.record.chromosome, []).append(item)
    overlaps = 0
    for chromosome, of_chromosome in placed.items():
        starts = np.concatenate([item.record.positions() for item in of_chromosome])
        values = np.concatenate([item.relevance for item in of_chromosome])
        unique, places, counts = np.unique(starts, return_inverse=True, return_counts=True)
        overlaps += int((counts > 1).sum())
        yield chromosome, (unique, np.bincount(places, values) / counts)
    if overlaps:
        warnings.warn(f"sequences overlap in {overlaps:,} bases, which have the mean of their relevance", stacklevel=4)
