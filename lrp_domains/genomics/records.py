"""Sequences with their names and places, of FASTA files and of intervals (BED)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..domain import DomainError, check_whole, choices, reason
from ..domain.files.lines import read_lines, whole_number
from .letters import reverse_complement

BED = ["chromosome", "start", "end", "name", "score", "strand"]


@dataclass(frozen=True)
class Record:
    """A sequence with its name and, if known, its place (start from 0, strand + or -) and its label.

    `region` is the part of the chromosome, start and end, that its track has values for: None for all of the sequence.
    """

    letters: str
    name: str
    chromosome: str | None = None
    start: int = 0
    strand: str = "+"
    label: str | None = None
    region: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.strand not in ("+", "-"):
            raise DomainError(f"sequence '{self.name}' is on the strand {self.strand!r}, not '+' or '-'")
        if not isinstance(self.name, str):
            raise DomainError(f"the name of a sequence is {self.name!r}: pass a string")

    def positions(self) -> range:
        """Return the position of each letter on its chromosome, from 0."""
        forward = range(self.start, self.start + len(self.letters))
        return forward if self.strand == "+" else forward[::-1]

    def part(self, start: int, end: int) -> Record:
        """Return the letters from `start` to `end` of this sequence."""
        first = self.start + (start if self.strand == "+" else len(self.letters) - end)
        return replace(self, letters=self.letters[start:end], start=first)


def records_of(sequences: str | Record | Mapping[str, str] | Iterable[str | Record]) -> list[Record]:
    """Return sequences of any kind as records; those without a name are numbered."""
    if isinstance(sequences, Mapping):
        return [Record(letters, str(name)) for name, letters in sequences.items()]
    if not isinstance(sequences, str | Record | Iterable):
        raise DomainError(f"sequences are of type {type(sequences).__name__}: pass strings, or what read_fasta returns")
    several = [sequences] if isinstance(sequences, str | Record) else list(sequences)
    if not several:
        raise DomainError("there are no sequences to explain")
    return [each if isinstance(each, Record) else Record(each, str(number)) for number, each in enumerate(several)]


def open_fasta(path: str | Path) -> Any:
    """Open a FASTA file by pyfaidx, which writes an index beside it; raise if there is an index that doesn't fit."""
    import pyfaidx

    try:
        fasta = pyfaidx.Fasta(str(path), as_raw=True)
    except (pyfaidx.FastaNotFoundError, FileNotFoundError):
        raise DomainError(f"there is no file '{path}'") from None
    except ImportError as error:
        raise DomainError(
            f"'{path}' is compressed: gunzip it, or compress it by bgzip and install biopython"
        ) from error
    except (pyfaidx.FastaIndexingError, pyfaidx.UnsupportedCompressionFormat, ValueError, OSError) as error:
        raise DomainError(f"'{path}' could not be read as FASTA: {reason(error)}") from error
    except RuntimeError as error:  # whose message asks to report it to pyfaidx
        raise DomainError(f"'{path}' could not be read as FASTA: remove the blank lines after a sequence") from error
    if Path(path).suffix != ".gz" and not _is_index_of(fasta.faidx.index, path):
        fasta.close()
        raise DomainError(
            f"'{path}.fai' is not the index of '{path}': delete it, so that it is made anew; if it doesn't fit then "
            "either, all lines of a sequence but the last must have the same length"
        )
    return fasta


def _is_index_of(index: Mapping[str, Any], path: str | Path) -> bool:
    """Return whether a FASTA file has each sequence where its index says; pyfaidx compares only their times."""
    with open(path, "rb") as file:
        for name, place in index.items():
            file.seek(place.prev_bend)
            header = file.read(max(0, place.offset - place.prev_bend))
            if not re.search(rb"(?m)^>\s*" + re.escape(name.encode()) + rb"(\s.*)?\n\Z", header):
                return False
        breaks = max(0, place.rlen - 1) // max(1, place.lenc) * (place.lenb - place.lenc)
        file.seek(place.offset + place.rlen + breaks)
        return not file.read(100).strip()


def read_fasta(path: str | Path) -> list[Record]:
    """Return the sequences of a FASTA file; ``label=NAME`` after the name of a sequence is its label."""
    with open_fasta(path) as fasta:
        labels = [re.search(r"\blabel=(\S+)", each.long_name) for each in fasta]
        return [Record(each[:], each.name, label=of and of[1]) for each, of in zip(fasta, labels, strict=True)]


def read_bed(path: str | Path, genome: str | Path, *, length: int | None = None) -> list[Record]:
    """Return the sequences of intervals, those on the strand - reverse complemented.

    Parameters
    ----------
    path
        A BED file, plain or .gz; the columns name, score and strand may be missing.
    genome
        A FASTA file with all chromosomes.
    length
        Of each sequence, around the middle of its interval; beyond an end of the chromosome it has N. None for the
        interval itself.
    """
    if length is not None:
        check_whole("length", length, 1)
    records = []
    with open_fasta(genome) as fasta:
        for line, row in read_lines(path, BED, 3):
            start, end = (whole_number(row[name], name, line) for name in ("start", "end"))
            if not 0 <= start < end:
                raise DomainError(f"{line}: the interval {start}-{end} has no base; BED counts from 0, end excluded")
            if row["strand"] not in ("", ".", "+", "-"):
                raise DomainError(f"{line}: the strand is '{row['strand']}', not +, - or . for none")
            chromosome = row["chromosome"]
            check_place(fasta, chromosome, start, end, line)
            if length is not None:
                start = (start + end - length) // 2
                end = start + length
            letters = letters_of(fasta, chromosome, start, end)
            if row["strand"] == "-":
                letters = reverse_complement(letters)
            place = f"{chromosome}:{max(0, start)}-{min(end, len(fasta[chromosome]))}"
            name = place if row["name"] in ("", ".") else row["name"]
            records.append(Record(letters, name, chromosome, start, "-" if row["strand"] == "-" else "+"))
    return records


def check_place(fasta: Any, chromosome: str, start: int, end: int, line: str) -> None:
    """Raise unless a genome has a chromosome, and it the bases from `start` to `end`."""
    if chromosome not in fasta:
        raise DomainError(f"{line}: the genome has no chromosome '{chromosome}'; {choices(chromosome, fasta.keys())}")
    if not 0 <= start < end <= (size := len(fasta[chromosome])):
        raise DomainError(f"{line}: {chromosome}:{start}-{end} is not within the chromosome, which has {size:,} bases")


def letters_of(fasta: Any, chromosome: str, start: int, end: int) -> str:
    """Return letters of a chromosome, and N for those beyond its ends."""
    size = len(fasta[chromosome])
    inside = range(max(0, start), max(0, min(end, size)))
    letters = fasta[chromosome][inside.start : inside.stop] if inside else ""
    return "N" * min(end - start, max(0, -start)) + letters + "N" * min(end - start, max(0, end - max(size, start)))
