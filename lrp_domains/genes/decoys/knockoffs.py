"""q-values of genes: the false discovery rate of those that beat their decoys as clearly."""

import numpy as np


def q_values(scores: np.ndarray, decoys: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Compute the q-value of each gene in every draw, and return their median over the draws.

    A gene is selected at the rate `q` if its q-value is at most `q`: if it is selected in half of the draws, as in
    derandomised knockoffs (Ren, Wei, Candes 2023, JASA 118:948).

    A gene and its decoy are compared on the scale of their level: the decoys of a few highly expressed genes, whose
    relevance is large by chance, would hide all others.

    Parameters
    ----------
    scores, decoys
        Draws x genes: the score of each gene, and of its decoy.
    like
        Genes x number of like genes, from `like_genes`.
    """
    scale = scale_of(scores, decoys, like)
    draws = zip(scores / scale, decoys / scale, strict=True)
    return np.median([knockoff_q_values(*draw) for draw in draws], axis=0)


def scale_of(scores: np.ndarray, decoys: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Return how large the scores of like genes and their decoys are, one number per gene.

    The difference of a gene and its decoy may be scaled by whatever stays the same when genes and their decoys change
    places, such as the sizes of both together. The median of like genes isn't changed much by the signals of some.
    """
    sizes = np.concatenate([np.abs(scores), np.abs(decoys)]).mean(0)
    scale = np.median(sizes[like], axis=1)
    return np.where(scale > 0, scale, 1.0)


def knockoff_q_values(scores: np.ndarray, decoys: np.ndarray) -> np.ndarray:
    """Compute the lowest rate at which the knockoff+ threshold selects each gene (Barber, Candes 2015, Ann Stat 43).

    ``W = score - score of the decoy``; the threshold at rate `q` is the smallest ``t > 0`` with
    ``(1 + #{W <= -t}) / #{W >= t} <= q``. So ``q = min_{0 < t <= W} (1 + #{W <= -t}) / #{W >= t}``; 1 for a gene that
    doesn't beat its decoy. No rate below ``1 / k`` selects fewer than `k` genes.
    """
    difference = scores - decoys
    size = np.abs(difference)
    order = np.argsort(-size, kind="stable")
    lost = np.cumsum(difference[order] < 0)
    won = np.cumsum(difference[order] > 0)

    # Of differences of one size all are counted, wherever they stand in the order.
    last = np.searchsorted(-size[order], -size[order], side="right") - 1
    rates = (1 + lost[last]) / np.maximum(won[last], 1)
    lowest = np.minimum.accumulate(rates[::-1])[::-1]

    q = np.ones(len(size))
    q[order] = np.where(difference[order] > 0, np.minimum(lowest, 1), 1)
    return q
