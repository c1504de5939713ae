"""How far results in half precision are from those in single precision."""

import numpy as np


def relative_distance(values: np.ndarray, expected: np.ndarray) -> float:
    """Return the sum of absolute differences from what is expected, relative to the sum of its absolute values."""
    values, expected = (np.asarray(array, np.float64) for array in (values, expected))
    total = np.abs(expected).sum()
    return float(np.abs(values - expected).sum() / total) if total else float(np.abs(values).sum() > 0)
