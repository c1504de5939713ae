"""Sequences longer than a model reads, in windows; and the effect of variants."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..domain import DomainError, Progress, check_whole, no_progress
from ..domain.results.windows import merged_outcome, merged_windows, window_starts
from ..domain.runs.tensors import targets_of
from ..genomics.records import Record, records_of
from ..genomics.variants import Variant
from .explainer import SequenceExplainer
from .results import SequenceRelevance, SequenceRelevances


def explain_windows(
    explainer: SequenceExplainer,
    sequences: Any,
    target: Any = None,
    *,
    window: int,
    stride: int | None = None,
    progress: Progress = no_progress,
    **options: Any,
) -> SequenceRelevances:
    """Explain long sequences in overlapping windows, with memory for a batch of windows.

    The relevance of a letter is the mean over the windows that cover it, weighted by its distance from the nearer end
    of the window (1 for the first and the last letter); hypothetical contributions likewise. Scores are means of
    windows.

    Parameters
    ----------
    explainer
        Of a model that reads a window.
    sequences, target, options
        As in a call of the explainer. The target may only be None if all windows of a sequence have one prediction.
    window, stride
        Letters per window, and from one window to the next (None: half a window). The last one ends with the sequence.
    progress
        Wraps the iteration over sequences.
    """
    check_whole("window", window, 1)
    stride = max(1, window // 2) if stride is None else stride
    check_whole("stride", stride, 1)
    if stride > window:
        raise DomainError(f"a stride of {stride} between windows of {window} letters: pass 1 to {window}")
    items, records = [], records_of(sequences)
    targets = targets_of(target, len(records), "sequences")
    for record, of_record in progress(list(zip(records, targets, strict=True)), "Explaining"):
        starts = window_starts(len(record.letters), window, stride)
        explained = explainer([record.part(start, start + window) for start in starts], of_record, **options)
        items.append(_merged(record, explained, starts) if len(starts) > 1 else explained[0])
    return SequenceRelevances(tuple(items))


def _merged(record: Record, parts: Sequence[SequenceRelevance], starts: Sequence[int]) -> SequenceRelevance:
    merged = {
        name: merged_windows([getattr(part, name) for part in parts], starts, len(record.letters))
        for name in ("relevance", "hypothetical")
        if getattr(parts[0], name) is not None
    }
    units = float(merged["relevance"].sum())
    note = f"read in {len(parts)} windows of {len(parts[0].sequence):,} letters"
    return merged_outcome(parts, record.name, record=record, units=units, notes=(*parts[0].notes, note), **merged)


def variant_effect(
    explainer: SequenceExplainer, variants: Iterable[Variant], target: Any = None, **options: Any
) -> SequenceRelevances:
    """Explain what the alternative allele changes: its score minus that of the reference allele, letter by letter.

    Parameters
    ----------
    explainer
        Its own reference is not used.
    variants
        From `read_vcf`.
    target, options
        As in a call of the explainer. None: the class that is predicted for the alternative allele.

    Returns
    -------
    The sequences with the alternative alleles: ``score`` is theirs, ``reference_score`` that of the reference alleles,
    and relevance sums to the difference; in a track, that of a substitution is at its letters alone. An insertion or
    deletion moves the letters after it, which then differ too: only the sum is its effect, as a note says.
    """
    variants = list(variants)
    if others := {type(each).__name__ for each in variants if not isinstance(each, Variant)}:
        raise DomainError(f"variants are of type {min(others)}: pass those that read_vcf returns")
    # Not by what records hold, as several reference alleles may have the same alternative.
    reference_of = {id(variant.alternative): variant.reference.letters for variant in variants}
    alternatives = [variant.alternative for variant in variants]
    explained = explainer(alternatives, target, reference=lambda record: reference_of[id(record)], **options)
    note = ("not a substitution: the letters after it are moved, only the sum of relevance is its effect",)
    items = [
        _at_its_place(result, variant.reference.letters)
        if variant.is_substitution
        else replace(result, notes=result.notes + note)
        for result, variant in zip(explained, variants, strict=True)
    ]
    return SequenceRelevances(tuple(items))


def _at_its_place(effect: SequenceRelevance, reference: str) -> SequenceRelevance:
    """Return the effect of a substitution with the region that has it: in a track, variants nearby don't dilute it."""
    record = effect.record
    substituted = np.array([one != other for one, other in zip(record.letters.upper(), reference.upper(), strict=True)])
    changed = np.flatnonzero(substituted | (effect.relevance != 0))  # tokens share theirs with unchanged letters
    if not len(changed):
        return effect
    region = record.start + int(changed[0]), record.start + int(changed[-1]) + 1
    return replace(effect, record=replace(record, region=region))
