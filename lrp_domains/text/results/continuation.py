"""Every token of a continuation explained: a matrix of generated tokens by the tokens that were read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .html import matrix
from .relevance import Token


@dataclass(frozen=True)
class ContinuationRelevance:
    """A text and its continuation, with the relevance of all that was read for each generated token.

    Attributes
    ----------
    text, continuation
        The text, and what the model generated after it, or was given.
    inputs
        The n tokens that the model read: those of the text, then those of the continuation but its last. Their
        ``relevance`` is 0: the matrix has it.
    outputs
        The m tokens that were generated.
    matrix
        Relevance, m x n (float64). A token of the continuation explains only those after it.
    scores, probabilities
        Of each generated token, given those before it.
    rules
        The name of the rule set.
    """

    text: str
    continuation: str
    inputs: tuple[Token, ...]
    outputs: tuple[str, ...]
    matrix: np.ndarray
    scores: np.ndarray
    probabilities: np.ndarray
    rules: str

    def to_frame(self) -> pd.DataFrame:
        """Return one row per pair of a generated token and a token that was read."""
        output, read = np.indices(self.matrix.shape).reshape(2, -1)
        return pd.DataFrame(
            {
                "output": output,
                "said": np.array(self.outputs, object)[output],
                "input": read,
                "read": np.array([token.text for token in self.inputs], object)[read],
                "part": np.array([token.part for token in self.inputs], object)[read],
                "relevance": self.matrix.ravel(),
            }
        )

    def to_html(self) -> str:
        """Return the matrix as a coloured table, to be placed in a page."""
        return matrix(self)

    def _repr_html_(self) -> str:
        return matrix(self)

    def figure(self):
        """Return the matrix as a figure of matplotlib."""
        from .figures import matrix_figure

        return matrix_figure(self)
