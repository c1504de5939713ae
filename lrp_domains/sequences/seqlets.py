"""Seqlets, short parts of sequences with much relevance; motifs that are averaged from them; and similarity of motifs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..domain import DomainError
from .results import SequenceRelevance


class Seqlet(NamedTuple):
    """A part of sequence number `sequence`, from `start` to `end`, and its relevance."""

    sequence: int
    start: int
    end: int
    relevance: float


class Match(NamedTuple):
    """How similar two motifs are: Pearson's correlation where the second begins at `offset` of the first."""

    correlation: float
    offset: int
    is_reversed: bool


def find_seqlets(
    items: Sequence[SequenceRelevance], null: Sequence[SequenceRelevance], *, width: int = 8, alpha: float = 0.05
) -> list[Seqlet]:
    """Return the parts of sequences whose relevance, summed over `width` letters, exceeds that of null sequences.

    Parts don't overlap; stronger ones precede. Of a sequence that is exchangeable with the null sequences, any part is
    returned with a probability of at most `alpha`: the threshold is the (1 - alpha) quantile of their maxima.

    Parameters
    ----------
    items
        Explained sequences.
    null
        Sequences without signal, such as shuffles of others, explained likewise.
    width, alpha
        Letters of a part, and the error rate per sequence.
    """
    rank = int(np.ceil((len(null) + 1) * (1 - alpha)))
    if not 0 < alpha < 1 or rank > len(null):
        raise DomainError(f"alpha={alpha} requires at least {int(np.ceil(1 / alpha - 1))} null sequences, got {len(null)}")
    threshold = np.sort([_sums(each.relevance, width).max() for each in null])[rank - 1]
    seqlets = []
    for number, item in enumerate(items):
        sums = _sums(item.relevance, width).copy()
        while len(sums) and (best := int(sums.argmax())) >= 0 and sums[best] > threshold:
            seqlets.append(Seqlet(number, best, best + width, float(sums[best])))
            sums[max(0, best - width + 1) : best + width] = -np.inf
    return sorted(seqlets, key=lambda seqlet: -seqlet.relevance)


def motifs(items: Sequence[SequenceRelevance], seqlets: Sequence[Seqlet], count: int, *, least: float = 0.6):
    """Return up to `count` motifs, W x A: mean contributions of seqlets that resemble the strongest one that is left.

    Parameters
    ----------
    items, seqlets
        Explained sequences, and what `find_seqlets` returned for them.
    count
        Of motifs.
    least
        The correlation from which a seqlet is aligned with a motif.
    """
    width = max((seqlet.end - seqlet.start for seqlet in seqlets), default=0)
    padded = [np.pad(items[s.sequence].contributions, ((width, width), (0, 0))) for s in seqlets]
    patches, found = [c[s.start : s.end + 2 * width] for c, s in zip(padded, seqlets, strict=True)], []
    while patches and len(found) < count:
        motif = patches[0][width : 2 * width]
        for _ in range(3):  # the mean of what resembles the seed, then of what resembles that
            matches = [similarity(patch, motif, overhang=0) for patch in patches]
            joined = [(p, m) for p, m in zip(patches, matches, strict=True) if m.correlation >= least] or [
                (patches[0], Match(1.0, width, False))
            ]
            parts = [(p[::-1, ::-1] if m.is_reversed else p)[m.offset : m.offset + width] for p, m in joined]
            motif = np.mean(parts, 0)
        found.append(motif)
        taken = {id(p) for p, _ in joined} | {id(patches[0])}
        patches = [p for p in patches if id(p) not in taken]
    return found


def similarity(motif: np.ndarray, other: np.ndarray, *, overhang: int | None = None) -> Match:
    """Return the best match of two motifs over all shifts, and for letters ACGT over both strands.

    Parameters
    ----------
    motif, other
        W x A numbers, such as contributions, or probabilities times information.
    overhang
        How many letters of the other may lie beyond an end of the first; None: half of it.
    """
    overhang = len(other) // 2 if overhang is None else overhang
    best, strands = Match(-1.0, 0, False), [(motif, False)] + [(motif[::-1, ::-1], True)] * (motif.shape[1] == 4)
    for strand, is_reversed in strands:
        wide = np.pad(strand, ((overhang, overhang), (0, 0)))
        for start in range(len(wide) - len(other) + 1):
            pair = wide[start : start + len(other)].ravel(), other.ravel()
            if min(np.ptp(each) for each in pair) > 0:
                correlation = float(np.corrcoef(*pair)[0, 1])
                best = max(best, Match(correlation, start - overhang, is_reversed), key=lambda match: match.correlation)
    return best


def _sums(relevance: np.ndarray, width: int) -> np.ndarray:
    return np.convolve(relevance, np.ones(width), "valid") if len(relevance) >= width else np.array([-np.inf])
