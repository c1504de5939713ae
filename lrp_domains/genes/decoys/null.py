"""p-values of genes: how often decoys score as high, on the scale of their level and variance."""

import numpy as np
from scipy import stats
from scipy.spatial import cKDTree

# The genes whose decoys tell how large a gene's score is by chance: this share of all, and at least this many.
SHARE, LEAST = 0.02, 50
LARGEST = 0.99  # of a p-value that is combined with others


def p_values(scores: np.ndarray, decoys: np.ndarray, like: np.ndarray) -> np.ndarray:
    """Compute how often decoys score as high as a gene, on the scale of their level, and combine the draws.

    ``p_m = (1 + #{d / c >= s_m / c}) / (1 + D)``, *where* ``s_m`` is the gene's score in draw `m`, ``d`` runs over all
    `D` decoys of all draws, and ``c`` is each one's scale: the root mean square over the decoys of genes of like level
    and variance but the gene's own, because the size of relevance follows the level of expression.

    A gene without a signal scores as a decoy in each draw. The draws agree on what the labels favour by chance and
    differ in the noise of their networks, so that their mean would be narrower than decoys are. Cauchy's combination is
    valid for p-values that depend on one another (Liu, Xie 2020, JASA 115:393): ``p = P(C >= mean_m tan((1/2 - p_m)
    pi))`` with ``C`` of the Cauchy distribution. With one draw it is ``p_1``.

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
    squares = (decoys**2).mean(0)
    # Without its own decoys, which would make themselves small, and not the gene.
    scale = np.sqrt((squares[like].sum(1) - squares).clip(min=0) / max(like.shape[1] - 1, 1))
    scale = np.where(scale > 0, scale, 1.0)
    pool = np.sort((decoys / scale).ravel())
    as_high = len(pool) - np.searchsorted(pool, scores / scale, side="left")
    p = (1 + as_high) / (1 + len(pool))
    return p[0] if len(p) == 1 else _combined(p)


def _combined(p: np.ndarray) -> np.ndarray:
    """Combine the p-values of several draws, draws x genes; one close to 1 doesn't outweigh the others."""
    return stats.cauchy.sf(np.tan((0.5 - np.minimum(p, LARGEST)) * np.pi).mean(0))


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
    Genes x number: 2 % of the genes, at least 50, next to one another by the ranks of level and deviation.
    """
    random = np.random.default_rng(seed)
    number = min(len(mean), max(LEAST, round(SHARE * len(mean))))
    places = np.stack([_ordered(values, random) for values in (mean, deviation)], axis=1)
    near = cKDTree(places).query(places, k=number)[1]
    return near.reshape(len(mean), number)


def _ordered(values: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Return ranks; those of ties are much the same, in random order."""
    return stats.rankdata(values) + random.uniform(0, 1e-3, len(values))
