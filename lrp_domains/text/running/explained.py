"""What is explained of some rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ... import Ledger
from ..tokens.rows import Answer


@dataclass(frozen=True)
class Explained:
    """B rows with their relevance: per row one array per side of the model, its score, and that of its reference."""

    relevance: list[list[np.ndarray]]
    scores: list[float]
    reference_scores: list[float]
    answers: list[Answer]
    ledger: Ledger
