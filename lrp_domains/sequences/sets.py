"""Sets of sequences checked, explained to files in parts that resume, and written as tracks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ..domain import DomainError, SampleSet
from ..genomics.records import Record
from ..genomics.sequences import checked_sequences, read_by_model
from ..genomics.tracks import write_files
from ..genomics.variants import Variant
from .explainer import SequenceExplainer
from .results import SequenceRelevance, open_explained
from .windows import explain_windows, variant_effect


def check_set(
    explainer: SequenceExplainer,
    sequences: Any,
    *,
    target: Any = None,
    against: Any = None,
    window: int | None = None,
    stride: int | None = None,
) -> dict[str, Any]:
    """Check all sequences and explain the first, before any long computation; return a summary.

    The arguments are those of `explain_set`. Raise `lrp_domains.domain.DomainError` if a sequence has other letters, if
    a label or a target is not that of a class, or if the first can't be explained.
    """
    several = checked_sequences(sequences, explainer.alphabet)
    _, summary = _set_of(explainer, several, target, against, window, stride).check([0])
    return summary | {"longest": max(len(record.letters) for record in read_by_model(several))}


def explain_set(
    explainer: SequenceExplainer,
    sequences: Any,
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
        From `read_sequences`, or as in a call of the explainer. Of variants, the effect is explained.
    out
        The table to write; its columns are those of `lrp_domains.domain.Outcome`.
    key
        Identifies what is known of the model beside its modules and weights, such as its tokenizer, for resuming.
    window, stride
        Explain in windows, see `explain_windows`.
    options
        ``shard``, ``part``, ``verify`` and ``progress``, as in `lrp_domains.domain.explain_parts`.

    Returns
    -------
    The number of sequences that an interrupted run had explained before.
    """
    several = checked_sequences(sequences, explainer.alphabet)

    def arrays(_: Sequence[int], results: Sequence[SequenceRelevance]) -> list[Any]:
        return [result.to_array() for result in results]

    names = ("one_hot", "layout", "length", "score", "reference", "references", "seed")
    settings = [getattr(explainer, name) for name in names]
    of_set = _set_of(explainer, several, target, against, window, stride)
    return of_set.explain_to(out, arrays, request=(several, window, stride, settings, key), **options)


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
        write_files(items, genome=genome, bigwig=bigwig, bedgraph=bedgraph, modisco=modisco)


def _set_of(
    explainer: SequenceExplainer,
    several: Sequence[Record | Variant],
    target: Any,
    against: Any,
    window: int | None,
    stride: int | None,
) -> SampleSet:
    if window is None and stride is not None:
        raise DomainError("a stride is from one window to the next: state window= (--window) too")
    is_variants = isinstance(several[0], Variant)
    if is_variants and window is not None:
        raise DomainError("variants are read in one piece: state its length= (--length), not a window")

    def explain(rows: Sequence[int], targets: list[Any]) -> Sequence[SequenceRelevance]:
        part = [several[row] for row in rows]
        if is_variants:
            return variant_effect(explainer, part, targets, against=against)
        if window is None:
            return explainer(part, targets, against=against)
        return explain_windows(explainer, part, targets, window=window, stride=stride, against=against)

    records = read_by_model(several)
    names, labels = [record.name for record in records], [record.label for record in records]
    return SampleSet(explainer.tensors, explain, names, labels, target, against)
