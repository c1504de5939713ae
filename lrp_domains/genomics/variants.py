"""Sequences with both alleles of variants (VCF)."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ..core.warn import warn
from ..domain import DomainError, check_whole
from ..domain.files.lines import read_lines, whole_number
from .alleles import alternatives, check_reference
from .records import Record, check_place, letters_of, open_fasta

VCF = ["chromosome", "position", "id", "reference", "alternative"]


class Variant(NamedTuple):
    """The sequences with both alleles of a variant, and whether they have as many letters.

    Only that of a substitution has its place, as an insertion or deletion moves the letters after it.
    """

    reference: Record
    alternative: Record
    is_substitution: bool


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
            end = at + len(reference)
            check_place(fasta, chromosome, at, end, line)
            check_reference(reference, letters_of(fasta, chromosome, at, end).upper(), line)
            start = at - length // 2
            left = letters_of(fasta, chromosome, start, at)
            right = letters_of(fasta, chromosome, end, end + length)
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
        message = (
            f"alleles without a sequence (symbolic, breakends, * or .): {len(left_out):,}, the first {left_out[0]}"
        )
        if not variants:
            raise DomainError(f"there is nothing to explain: {message}")
        warn(f"left out: {message}")
    return variants
