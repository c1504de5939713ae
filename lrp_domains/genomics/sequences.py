"""Sequences of either kind: records, or variants, which have a sequence for each allele."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..domain import DomainError
from .letters import Alphabet
from .records import Record, read_bed, read_fasta, records_of
from .variants import Variant, read_vcf

FASTA = (".fa", ".fasta", ".fna", ".faa")


def read_sequences(
    path: str | Path, genome: str | Path | None = None, *, length: int | None = None
) -> list[Record] | list[Variant]:
    """Return the records of a FASTA or BED file, or the variants of a VCF file; see `read_bed` and `read_vcf`."""
    suffix = Path(str(path).removesuffix(".gz")).suffix
    if suffix not in (*FASTA, ".bed", ".vcf"):
        raise DomainError(f"'{path}': expected a name that ends in {', '.join(FASTA)}, .bed or .vcf")
    if suffix not in FASTA and genome is None:
        raise DomainError(f"'{path}' has places in a genome: name its FASTA file, genome= (--genome)")
    if suffix == ".vcf" and length is None:
        raise DomainError(f"'{path}' has variants: state how many letters around them are read, length= (--length)")
    read = {".bed": read_bed, ".vcf": read_vcf}
    sequences = read[suffix](path, genome, length=length) if suffix in read else read_fasta(path)
    if not sequences:
        raise DomainError(f"'{path}' has no sequences")
    return sequences


def checked_sequences(sequences: Any, alphabet: Alphabet) -> list[Record] | list[Variant]:
    """Return variants, or records of all other sequences; raise if any letter is not of the alphabet."""
    is_variants = isinstance(sequences, Sequence) and len(sequences) and isinstance(sequences[0], Variant)
    several = list(sequences) if is_variants else records_of(sequences)
    for each in several:
        for record in each[:2] if isinstance(each, Variant) else (each,):
            alphabet.check(record.letters, record.name)
    return several


def read_by_model(sequences: Sequence[Record | Variant]) -> list[Record]:
    """Return what a model reads of sequences: records, and of variants the alternative alleles."""
    return [each.alternative if isinstance(each, Variant) else each for each in sequences]
