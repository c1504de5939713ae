"""Sequences of FASTA files, of intervals (BED), and of both alleles of variants (VCF)."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from ..domain import DomainError, check_whole, choices, reason
from ..domain.files.lines import read_lines, whole_number
from .alleles import alternatives, check_reference
from .letters import reverse_complement

BED = ["chromosome", "start", "end", "name", "score", "strand"]
VCF = ["chromosome", "position", "id", "reference", "alternative"]


@dataclass(frozen=True)
class Record:
    """A sequence with its name and, if known, its place (start from 0, strand + or -) and its label."""

    letters: str
    name: str
    chromosome: str | None = None
    start: int = 0
    strand: str = "+"
    label: str | None = None

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


class Variant(NamedTuple):
    """The sequences with both alleles of a variant, and whether they have as many letters.

    Only that of a substitution has its place, as an insertion or deletion moves the letters after it.
    """

    reference: Record
    alternative: Record
    is_substitution: bool


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
    """Open a FASTA file by pyfaidx, which writes an index beside it."""
    import pyfaidx

    try:
        return pyfaidx.Fasta(str(path), as_raw=True)
    except (pyfaidx.FastaNotFoundError, FileNotFoundError):
        raise DomainError(f"there is no file '{path}'") from None
    except ImportError as error:
        raise DomainError(
            f"'{path}' is compressed: gunzip it, or compress it by bgzip and install biopython"
        ) from error
    except (pyfaidx.FastaIndexingError, pyfaidx.UnsupportedCompressionFormat, ValueError, OSError) as error:
        raise DomainError(f"'{path}' could not be read as FASTA: {reason(error)}") from error


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
        Of each sequence, around the middle of its interval; None for the interval itself.
    """
    if length is not None:
        check_whole("length", length, 1)
    records = []
    with open_fasta(genome) as fasta:
        for line, row in read_lines(path, BED, 3):
            start, end = (whole_number(row[name], name, line) for name in ("start", "end"))
            if not 0 <= start < end:
                raise DomainError(f"{line}: the interval {start}-{end} has no base; BED counts from 0, end excluded")
            if length is not None:
                start = (start + end - length) // 2
                end = start + length
            if row["strand"] not in ("", ".", "+", "-"):
                raise DomainError(f"{line}: the strand is '{row['strand']}', not +, - or . for none")
            letters = _slice(fasta, row["chromosome"], start, end, line)
            if row["strand"] == "-":
                letters = reverse_complement(letters)
            place = f"{row['chromosome']}:{start}-{end}"
            name = place if row["name"] in ("", ".") else row["name"]
            records.append(Record(letters, name, row["chromosome"], start, "-" if row["strand"] == "-" else "+"))
    return records


def read_vcf(path: str | Path, genome: str | Path, *, length: int) -> list[Variant]:
    """Return the sequences around variants.

    Parameters
    ----------
    path
        A VCF file, plain or .gz. Each of several alternative alleles is a variant; those without a sequence (``<DEL>``,
        ``*``, breakends) are left out with a warning.
    genome
        The FASTA file that its reference alleles are of.
    length
        Of the sequences, with the variant in the middle; beyond an end of the chromosome they have N.
    """
    check_whole("length", length, 1)
    variants, left_out = [], []
    with open_fasta(genome) as fasta:
        for line, row in read_lines(path, VCF, 5):
            alleles, others = alternatives(row["alternative"], line)
            left_out += [f"'{allele}' in {line}" for allele in others]
            if not alleles:
                continue
            chromosome, at = row["chromosome"], whole_number(row["position"], "position", line) - 1
            if at < 0:
                raise DomainError(f"{line}: the position is 0, but VCF counts from 1")
            reference = row["reference"].upper()
            check_reference(reference, _slice(fasta, chromosome, at, at + len(reference), line).upper(), line)
            start = at - length // 2
            left = _slice(fasta, chromosome, start, at, line, pad=True)
            right = _slice(fasta, chromosome, at + len(reference), at + len(reference) + length, line, pad=True)
            for allele in alleles:
                if (longest := max(len(reference), len(allele))) > length - length // 2:  # cut, alleles look alike
                    raise DomainError(
                        f"{line}: an allele has {longest:,} letters, more than half of length={length}: raise it"
                    )
                name = f"{chromosome}:{at + 1}{reference}>{allele}"
                name = name if row["id"] in ("", ".") else f"{row['id']} {name}"
                is_substitution = len(reference) == len(allele)
                present, changed = ((left + letters + right)[:length] for letters in (reference, allele))
                place = (chromosome, start) if is_substitution else ()
                both = Record(present, name, chromosome, start), Record(changed, name, *place)
                variants.append(Variant(*both, is_substitution=is_substitution))
    if left_out:
        message = f"{len(left_out):,} alleles have no sequence (symbolic, breakends, * or .), the first {left_out[0]}"
        if not variants:
            raise DomainError(f"there is nothing to explain: {message}")
        warnings.warn(f"left out: {message}", stacklevel=2)
    return variants


def _slice(fasta: Any, chromosome: str, start: int, end: int, line: str, *, pad: bool = False) -> str:
    """Return letters of a chromosome; raise where it has none, or with `pad` return N for them."""
    if chromosome not in fasta:
        raise DomainError(f"{line}: the genome has no chromosome '{chromosome}'; {choices(chromosome, fasta.keys())}")
    size = len(fasta[chromosome])
    if not pad and not 0 <= start < end <= size:
        raise DomainError(f"{line}: {chromosome}:{start}-{end} is not within the chromosome, which has {size:,} bases")
    inside = range(max(0, start), max(0, min(end, size)))
    letters = fasta[chromosome][inside.start : inside.stop] if inside else ""
    return "N" * min(end - start, max(0, -start)) + letters + "N" * min(end - start, max(0, end - max(size, start)))
