"""What other values of one-hot input would contribute."""

import numpy as np


def hypothetical_contributions(x: np.ndarray, g: np.ndarray, relevance: np.ndarray) -> np.ndarray:
    """Return what each of A letters would contribute at each of L places, L x A.

    They are those of DeepLIFT (Shrikumar et al. 2017): at the letter that is there, the relevance of the place.

    Parameters
    ----------
    x
        The one-hot input, L x A.
    g
        The coefficients of its relevance, L x A.
    relevance
        Of each place, L: summed over letters.
    """
    return g - (x * g).sum(1, keepdims=True) + relevance[:, None]
