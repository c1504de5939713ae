"""Files of sequences checked, explained to files in parts that resume, and written as tracks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..domain import DomainError, explain_parts
from ..domain.runs.tensors import targets_of
from .explainer import SequenceExplainer
from .files import Record, Variant, open_fasta, read_bed, read_fasta, read_vcf, records_of
from .results import SequenceRelevances, open_explained
from .tracks import write_bedgraph, write_bigwig, write_modisco
from .windows import explain_windows, variant_effect

FASTA = (".fa", ".fasta", ".fna", ".faa")


def read_sequences(path: str | Path, genome: str | Path | None = None, *, length: int | None = None) -> list[Any]:
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


def check_file(explainer: SequenceExplainer, sequences: Sequence[Record | Variant], **request: Any) -> dict[str, Any]:
    """Check all sequences and explain the first, before any long computation; return a summary."""
    sequences = _checked(explainer, sequences)
    target = targets_of(request.pop("target", None), len(sequences), "sequences")[:1]
    _explained(explainer, sequences[:1], target=target, **request)
    first = [each.alternative if isinstance(each, Variant) else each for each in sequences]
    labels = Counter(record.label for record in first if record.label is not None)
    return {"samples": len(sequences), "longest": max(len(r.letters) for r in first), "labels": dict(labels)}


def explain_file(
    explainer: SequenceExplainer,
    sequences: Sequence[Record | Variant],
    out: str | Path,
    *,
    key: str = "",
    target: Any = None,
    against: Any = None,
    window: int | None = None,
    stride: int | None = None,
    **options: Any,
) -> int:
    """Explain sequences to a table, ``.parquet``, and arrays next to it, ``.npz``; an interrupted run resumes.

    `read_explained` reads them.

    Parameters
    ----------
    explainer, target, against
        As in a call of the explainer.
    sequences
        From `read_sequences`. Of variants, the effect is explained.
    out
        The table to write; its columns are those of `lrp_domains.domain.Outcome`.
    key
        Identifies the model and its settings, for resuming.
    window, stride
        Explain in windows, see `explain_windows`.
    options
        ``shard``, ``part``, ``verify`` and ``progress``, as in `lrp_domains.domain.explain_parts`.

    Returns
    -------
    The number of sequences that an interrupted run had explained before.
    """
    sequences = _checked(explainer, sequences)
    targets = targets_of(target, len(sequences), "sequences")
    asked = {"against": against, "window": window, "stride": stride}

    def explain(rows: Sequence[int]):
        part = [sequences[row] for row in rows]
        results = _explained(explainer, part, target=[targets[row] for row in rows], **asked)
        return results.items, [result.to_array() for result in results]

    request = repr((sequences, targets, asked, key))
    return explain_parts(explain, range(len(sequences)), out, request=request, **options)


def write_tracks(
    explained: str | Path,
    *,
    genome: str | Path | None = None,
    bigwig: str | Path | None = None,
    bedgraph: str | Path | None = None,
    modisco: str | Path | None = None,
) -> None:
    """Write tracks of explained sequences, and what TF-MoDISco reads; memory doesn't grow with their number.

    Parameters
    ----------
    explained
        The table of explained sequences.
    genome
        The FASTA file with all chromosomes, whose sizes a bigWig file has.
    bigwig, bedgraph
        The files to write; None: none.
    modisco
        The folder to write ``sequences.npz`` and ``contributions.npz`` to.
    """
    with open_explained(explained) as items:
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


def _checked(explainer: SequenceExplainer, sequences: Any) -> list[Any]:
    """Return variants, or records of all other sequences; raise if letters of any are unknown."""
    is_variants = isinstance(sequences, Sequence) and len(sequences) and isinstance(sequences[0], Variant)
    several = list(sequences) if is_variants else records_of(sequences)
    for each in several:
        for record in each[:2] if isinstance(each, Variant) else (each,):
            explainer.alphabet.check(record.letters, record.name)
    return several


def _explained(
    explainer: SequenceExplainer,
    part: Sequence[Any],
    *,
    window: int | None = None,
    stride: int | None = None,
    **asked: Any,
) -> SequenceRelevances:
    if window is None and stride is not None:
        raise DomainError("a stride is from one window to the next: state window= (--window) too")
    if isinstance(part[0], Variant):
        if window is not None:
            raise DomainError("variants are read in one piece: state its length= (--length), not a window")
        return variant_effect(explainer, part, **asked)
    if window is None:
        return explainer(part, **asked)
    return explain_windows(explainer, part, window=window, stride=stride, **asked)
