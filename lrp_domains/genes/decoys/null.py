"""p-values of genes: how often decoys of like level and variance score as high."""

import numpy as np
from scipy.spatial import cKDTree
from scipy.stats import rankdata

# The pool of a gene: this share of all genes, and at least this many.
SHARE, LEAST = 0.1, 200
ROWS = 256  # genes whose pools are compared at a time


def p_values(scores: np.ndarray, decoys: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Compute the share of decoys of like genes, over all draws, that score at least as high as a gene.

    ``p = (1 + sum_d [c (d - m) + m >= s]) / (1 + D)``, *where* ``s`` is the gene's mean score over the draws, and ``d``
    runs over the `D` decoys of like genes in all draws, with mean ``m``.

    Each draw trains new networks, so the mean over draws has less of their noise than a decoy has, whose permutation is
    new in each. ``c`` corrects for it: ``c^2 = 1 - (1 - 1 / M) v / w`` *where* ``v`` and ``w`` are the medians over the
    like genes of the variance between the `M` draws, of a gene and of its decoys. With one draw ``c = 1``.

    Parameters
    ----------
    scores, decoys
        Draws x genes: the score of each gene, and of its decoy.
    like
        Genes x number of like genes, from `like_genes`.

    Returns
    -------
    One p-value per gene: 1 / (1 + D) is the smallest.
    """
    draws = len(scores)
    mean = scores.mean(0)
    noise = np.zeros(len(mean)) if draws == 1 else scores.var(0, ddof=1)
    spread = np.ones(len(mean)) if draws == 1 else decoys.var(0, ddof=1)

    p = np.empty(len(mean))
    for start in range(0, len(mean), ROWS):
        rows = slice(start, start + ROWS)
        pool = np.moveaxis(decoys[:, like[rows]], 0, 1).reshape(len(like[rows]), -1)
        centre = pool.mean(1, keepdims=True)
        wide = np.median(spread[like[rows]], axis=1)
        share = np.divide(np.median(noise[like[rows]], axis=1), wide, out=np.zeros_like(wide), where=wide > 0)
        shrink = np.sqrt(np.clip(1 - (1 - 1 / draws) * share, 1 / draws, 1))[:, None]
        as_high = (centre + shrink * (pool - centre) >= mean[rows, None]).sum(1)
        p[rows] = (1 + as_high) / (1 + pool.shape[1])
    return p


def like_genes(mean: np.ndarray, deviation: np.ndarray, seed: int = 0) -> np.ndarray:
    """Find for each gene those of like level and variance, itself included.

    Parameters
    ----------
    mean, deviation
        Of each gene's expression over all cells.
    seed
        Orders genes that tie, such as those of z-scores.

    Returns
    -------
    Genes x number: a tenth of the genes, at least 200, next to one another by the ranks of level and deviation.
    """
    random = np.random.default_rng(seed)
    number = min(len(mean), max(LEAST, round(SHARE * len(mean))))
    places = np.stack([_ordered(values, random) for values in (mean, deviation)], axis=1)
    near = cKDTree(places).query(places, k=number)[1]
    return near.reshape(len(mean), number)


def _ordered(values: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return ranks; those of ties are much the same, in random order."""
    return rankdata(values) + random.uniform(0, 1e-3, len(values))
