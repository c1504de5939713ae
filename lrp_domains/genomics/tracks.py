"""Numbers per letter as tracks of a genome browser, and as TF-MoDISco reads them; a few sequences are in memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeAlias

import numpy as np
import pandas as pd

from ..core.warn import warn
from ..domain import DomainError, choices, whole_file
from ..domain.files.arrays import write_stacked
from ..domain.files.lines import read_lines, whole_number
from .letters import Alphabet
from .records import Record, open_fasta

AT_ONCE = 256  # sequences in memory


class Scored(Protocol):
    """A sequence with the relevance of its letters, and for TF-MoDISco that of all letters, L x A."""

    record: Record
    alphabet: str
    relevance: np.ndarray
    hypothetical: np.ndarray | None


Items: TypeAlias = Mapping[int, Scored]


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
        check_contributions(item.alphabet, item.hypothetical is not None)
        lengths.add(len(item.record.letters))
    check_lengths(lengths)
    order, shape = [item.alphabet.index(letter) for letter in "ACGT"], (len(items), 4, *lengths)
    one_hot = (Alphabet("ACGT").one_hot(item.record.letters).T for item in items.values())
    write_stacked(one_hot, shape, sequences)
    write_stacked((item.hypothetical[:, order].T for item in items.values()), shape, contributions)


def write_files(
    items: Items,
    *,
    genome: str | Path | None = None,
    bigwig: str | Path | None = None,
    bedgraph: str | Path | None = None,
    modisco: str | Path | None = None,
) -> None:
    """Write the tracks that are named, and what TF-MoDISco reads to a folder; `genome` is the FASTA file for sizes."""
    if bigwig is not None:
        if genome is None:
            raise DomainError("a bigWig file has the sizes of chromosomes: name the FASTA file, genome= (--genome)")
        with open_fasta(genome) as fasta:
            sizes = {chromosome.name: len(chromosome) for chromosome in fasta}
        write_bigwig(items, bigwig, sizes)
    if bedgraph is not None:
        write_bedgraph(items, bedgraph)
    if modisco is not None:
        write_modisco(items, Path(modisco, "sequences.npz"), Path(modisco, "contributions.npz"))


def check_contributions(alphabet: str, of_all_letters: bool) -> None:
    """Raise if TF-MoDISco can't read contributions, as they aren't those of all letters of DNA."""
    if set(alphabet) != set("ACGT") or not of_all_letters:
        raise DomainError("TF-MoDISco reads contributions of all letters of DNA: explain one-hot encoded DNA")


def check_lengths(lengths: Iterable[int]) -> None:
    """Raise if sequences are of several lengths, which TF-MoDISco can't read."""
    if len(set(lengths)) > 1:
        raise DomainError("TF-MoDISco reads sequences of one length: cut them, or give intervals a length")


def check_places(records: Sequence[Record]) -> None:
    """Raise if none of some sequences has a place in a genome, so that they make no track."""
    if all(record.chromosome is None for record in records):
        raise _without_place(records[0].name)


def _without_place(name: str) -> DomainError:
    return DomainError(
        f"'{name}' has no place in a genome: only sequences of intervals, and substitutions, make a track"
    )


def _places(items: Items, sizes: Mapping[str, int] | None = None) -> pd.DataFrame:
    """Return where sequences, or their regions, are within their chromosomes, one row each, in the order of starts.

    Unknown letters beyond the ends, by which sequences are padded, have no place, nor have insertions and deletions.
    """
    rows, without = [], []
    for number, item in items.items():
        record, unknown = item.record, Alphabet(item.alphabet).unknown
        if (chromosome := record.chromosome) is None:
            without.append(record.name)
            continue
        if sizes is not None and chromosome not in sizes:
            raise DomainError(f"there is no size of chromosome '{chromosome}'; {choices(chromosome, sizes)}")
        letters = record.letters.upper() if record.strand == "+" else record.letters.upper()[::-1]
        start, end = record.start, record.start + len(letters)
        # Where no size is known, unknown letters at the end are taken for those beyond it.
        size = start + len(letters.rstrip(unknown)) if sizes is None else int(sizes[chromosome])
        beyond = letters[: max(0, -start)] + letters[max(0, size - start) :]
        if beyond.strip(unknown):
            bases = "begins at 0" if sizes is None else f"has {size:,} bases"
            raise DomainError(f"'{chromosome}' {bases}, but '{record.name}' reaches from {start:,} to {end:,}")
        first, last = record.region or (start, end)
        rows.append((chromosome, max(0, first), min(size, last), number))
    if not rows:
        raise _without_place(without[0])
    if without:
        message = f"{len(without):,} of {len(items):,} sequences have no place in a genome, as insertions and deletions"
        warn(f"left out of the track: {message}; the first is '{without[0]}'")
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
        warn(f"sequences overlap in {overlaps:,} bases, which have the mean of their relevance")
