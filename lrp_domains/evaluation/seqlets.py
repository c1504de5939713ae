"""Seqlets, short parts of sequences with much relevance, and motifs averaged from them, against a known truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..domain import DomainError
from .measures import Measures, Relevance


class Seqlet(NamedTuple):
    """A part of sequence number `sequence`, from `start` to `end`, and its relevance."""

    sequence: int
    start: int
    end: int
    relevance: float


class Match(NamedTuple):
    """The best match of two motifs: Pearson's correlation where the second begins at `offset` of the first.

    `is_reversed` says whether it is the first motif's reverse complement that matches.
    """

    correlation: float
    offset: int
    is_reversed: bool


def find_seqlets(relevance: Relevance, null: Relevance, *, width: int = 8, alpha: float = 0.05) -> list[Seqlet]:
    """Return the parts of sequences whose relevance, summed over `width` units, exceeds that of null sequences.

    Parts don't overlap; stronger ones precede. Of a sequence that is exchangeable with the null sequences, any part is
    returned with a probability of at most `alpha`: the threshold is the (1 - alpha) quantile of their maxima.

    Parameters
    ----------
    relevance
        Of each sequence's units: bases, residues, words.
    null
        That of sequences without signal, such as shuffles of others, explained likewise.
    width
        Units of a part.
    alpha
        The error rate per sequence.
    """
    rank = int(np.ceil((len(null) + 1) * (1 - alpha)))
    if not 0 < alpha < 1 or rank > len(null):
        raise DomainError(
            f"alpha={alpha} requires at least {int(np.ceil(1 / alpha - 1))} null sequences, got {len(null)}"
        )
    threshold = np.sort([_sums(amounts, width).max() for amounts in null])[rank - 1]
    seqlets = []
    for number, amounts in enumerate(relevance):
        sums = _sums(amounts, width)
        while sums.max() > threshold:
            best = int(sums.argmax())
            seqlets.append(Seqlet(number, best, best + width, float(sums[best])))
            sums[max(0, best - width + 1) : best + width] = -np.inf
    return sorted(seqlets, key=lambda seqlet: -seqlet.relevance)


def sites_found(sites: Sequence[Sequence[tuple[int, int]]], *, alpha: float = 0.05) -> Measures:
    """Return the measures of agreement of seqlets with known sites, all of one width.

    Parameters
    ----------
    sites
        Of each sequence, where they begin and end. Sequences without sites are the null of `find_seqlets`.
    alpha
        As there.

    Returns
    -------
    Measures of each sequence that has sites, NaN for the others: ``precision``, the share of its seqlets of which half
    is in one site (NaN without seqlets), and ``recall``, the share of its sites that half of a seqlet is in.
    """
    widths = {end - start for of in sites for start, end in of}
    if len(widths) != 1:
        raise DomainError(f"expected sites of one width, got those of {sorted(widths)}")
    width, nothing = widths.pop(), [number for number, of in enumerate(sites) if not of]

    def measures(relevance: Relevance) -> dict[str, np.ndarray]:
        seqlets = find_seqlets(relevance, [relevance[number] for number in nothing], width=width, alpha=alpha)
        values = {name: np.full(len(sites), np.nan) for name in ("precision", "recall")}
        for number, of in enumerate(sites):
            found = [seqlet for seqlet in seqlets if seqlet.sequence == number]
            hits = [
                (s, site) for s in found for site in of if 2 * (min(s.end, site[1]) - max(s.start, site[0])) >= width
            ]
            if of:
                values["recall"][number] = len({site for _, site in hits}) / len(of)
            if of and found:
                values["precision"][number] = len({seqlet for seqlet, _ in hits}) / len(found)
        return values

    return measures


def average_motifs(
    contributions: Sequence[np.ndarray], seqlets: Sequence[Seqlet], count: int, *, least: float = 0.6
) -> list[np.ndarray]:
    """Return up to `count` motifs, W x A: mean contributions of seqlets that resemble the strongest one that is left.

    Parameters
    ----------
    contributions
        Of each sequence, L x A: relevance in the column of the letter that is there, 0 elsewhere.
    seqlets
        What `find_seqlets` returned for them.
    count
        Of motifs.
    least
        The correlation from which a seqlet is aligned with a motif.
    """
    width, found = max((seqlet.end - seqlet.start for seqlet in seqlets), default=0), []
    padded = [np.pad(contributions[seqlet.sequence], ((width, width), (0, 0))) for seqlet in seqlets]
    left = [letters[seqlet.start : seqlet.end + 2 * width] for letters, seqlet in zip(padded, seqlets, strict=True)]
    while left and len(found) < count:
        motif = left[0][width : 2 * width]
        for _ in range(3):  # the mean of what resembles the strongest, then of what resembles that
            matches = [motif_similarity(part, motif, overhang=0) for part in left]
            is_like = [match.correlation >= least for match in matches]
            if not any(is_like):
                break
            aligned = [
                part[::-1, ::-1] if match.is_reversed else part for part, match in zip(left, matches, strict=True)
            ]
            cut = [part[match.offset : match.offset + width] for part, match in zip(aligned, matches, strict=True)]
            motif = np.mean([part for part, like in zip(cut, is_like, strict=True) if like], 0)
        found.append(motif)
        left = [part for number, part in enumerate(left) if number and not is_like[number]]
    return found


def motif_similarity(motif: np.ndarray, other: np.ndarray, *, overhang: int | None = None) -> Match:
    """Return the best match of two motifs over all shifts, and for four letters, ACGT, over both strands.

    Parameters
    ----------
    motif, other
        W x A numbers, such as contributions, or probabilities times information.
    overhang
        How many letters of the other may lie beyond an end of the first; None: half of it.
    """
    overhang = len(other) // 2 if overhang is None else overhang
    best, strands = (
        Match(-1.0, 0, False),
        [(motif, False), (motif[::-1, ::-1], True)][: 2 if motif.shape[1] == 4 else 1],
    )
    for strand, is_reversed in strands:
        wide = np.pad(strand, ((overhang, overhang), (0, 0)))
        for start in range(len(wide) - len(other) + 1):
            pair = wide[start : start + len(other)].ravel(), other.ravel()
            if all(np.ptp(values) > 0 for values in pair):
                match = Match(float(np.corrcoef(*pair)[0, 1]), start - overhang, is_reversed)
                best = max(best, match)
    return best


def _sums(relevance: np.ndarray, width: int) -> np.ndarray:
    """Return the sums over all parts of so many units."""
    if len(relevance) < width:
        return np.array([-np.inf])
    return np.convolve(relevance, np.ones(width), "valid")
