"""The alleles of VCF files: sequences, and what stands for an alternative that has none."""

import re

from ..domain import DomainError

BASES = re.compile("[ACGTN]+")
NO_SEQUENCE = re.compile(
    r"\.|\*"  # missing; removed by a deletion that begins earlier
    r"|<[^<>\s]+>"  # symbolic, such as <DEL>, and <NON_REF> of gVCF
    r"|[ACGTN.]+([\[\]])[^\[\]]+\1|([\[\]])[^\[\]]+\2[ACGTN.]+|\.[ACGTN]+|[ACGTN]+\."  # breakends
)
AMBIGUOUS = dict(zip("RYSWKMBDHV", ("AG", "CT", "CG", "AT", "GT", "AC", "CGT", "AGT", "ACT", "ACG"), strict=True))


def alternatives(text: str, line: str) -> tuple[list[str], list[str]]:
    """Return the alternative alleles of a line that are sequences, in capitals, and those that have none."""
    sequences, others = [], []
    for allele in text.strip().split(","):
        if BASES.fullmatch(allele.upper()):
            sequences.append(allele.upper())
        elif NO_SEQUENCE.fullmatch(allele.upper()):
            others.append(allele)
        else:
            raise DomainError(f"{line}: the alternative allele '{allele}' is not a sequence of A, C, G, T: remove it")
    return sequences, others


def check_reference(allele: str, present: str, line: str) -> None:
    """Raise if a reference allele is not what the genome has; where it has an ambiguous letter, VCF names one base."""
    if not BASES.fullmatch(allele):
        raise DomainError(
            f"{line}: the reference allele '{allele}' is not a sequence of A, C, G, T; for an ambiguous letter of the "
            "genome, VCF requires the first base in the alphabet that it stands for"
        )
    if any(
        base != letter and base not in AMBIGUOUS.get(letter, "") for base, letter in zip(allele, present, strict=True)
    ):
        raise DomainError(f"{line}: the reference allele is {allele}, but the genome has {present} there")
