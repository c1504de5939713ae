"""Every token of a continuation explained: a matrix of generated tokens by the tokens that were read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .html import matrix
from .relevance import Token
from .terminal import continued


@dataclass(frozen=True, repr=False)
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

    def to_dict(self) -> dict:
        """Return everything as plain values, ready for JSON."""
        plain = {name: getattr(self, name) for name in ("text", "continuation", "rules")}
        plain |= {name: getattr(self, name).tolist() for name in ("matrix", "scores", "probabilities")}
        return plain | {"inputs": [token._asdict() for token in self.inputs], "outputs": list(self.outputs)}

    def __repr__(self) -> str:
        outputs, inputs = self.matrix.shape
        shown = self.continuation if len(self.continuation) <= 40 else self.continuation[:40] + "…"
        return f"ContinuationRelevance({shown!r}: {outputs} tokens by {inputs}, {self.rules})"

    def __rich__(self):
        return continued(self)

    def print(self, numbers: bool = False) -> None:
        """Print in a terminal, for each token, what it comes from; with `numbers`, from all tokens."""
        from rich.console import Console

        Console().print(continued(self, numbers=numbers))

    def figure(self):
        """Return the matrix as a figure of matplotlib."""
        from .figures import matrix_figure

        return matrix_figure(self)
