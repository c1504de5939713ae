"""Every token of a continuation explained: a matrix of generated tokens, or words, by what was read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ..errors import TextError, choices
from .html import matrix
from .relevance import Token, Word
from .terminal import continued

KINDS = ("words", "tokens")


@dataclass(frozen=True)
class RelevanceMatrix:
    """The relevance of n words, or tokens, that were read for each of m that were generated.

    Attributes
    ----------
    inputs
        What was read: words, and the tokens that the tokenizer added; or tokens. Their ``relevance`` is 0: the matrix
        has it.
    outputs
        What was generated.
    relevance
        m x n (float64); 0 where nothing was read.
    read
        Whether what is generated in a row comes after what was read in a column, m x n.
    scores
        Of what was generated, given what was before it.
    """

    inputs: tuple[Token | Word, ...]
    outputs: tuple[str, ...]
    relevance: np.ndarray
    read: np.ndarray
    scores: np.ndarray

    def strongest(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of the columns with the most relevance, `count` at most, and of the others, in order."""
        strongest = np.argsort(-np.abs(self.relevance).sum(0), kind="stable")
        return np.sort(strongest[:count]), np.sort(strongest[count:])


@dataclass(frozen=True, repr=False)
class ContinuationRelevance:
    """A text and its continuation, with the relevance of all that was read for each generated token.

    Attributes
    ----------
    text, continuation
        The text, and what the model generated after it, or was given.
    tokens
        The relevance of the tokens that the model read, which are those of the text, then those of the continuation
        but its last, for each token that was generated. A token of the continuation explains only those after it.
    words
        The same summed to words, in rows and columns; None if the places of the tokens are unknown.
    probabilities
        Of each generated token, given those before it.
    rules
        The name of the rule set.
    notes
        What is special about this text: that it was cut, or contains something unknown to the model.
    """

    text: str
    continuation: str
    tokens: RelevanceMatrix
    words: RelevanceMatrix | None
    probabilities: np.ndarray
    rules: str
    notes: tuple[str, ...] = ()

    @property
    def inputs(self) -> tuple[Token, ...]:
        """The n tokens that the model read."""
        return self.tokens.inputs

    @property
    def outputs(self) -> tuple[str, ...]:
        """The m tokens that were generated."""
        return self.tokens.outputs

    @property
    def matrix(self) -> np.ndarray:
        """Relevance of tokens, m x n (float64)."""
        return self.tokens.relevance

    @property
    def scores(self) -> np.ndarray:
        """Of each generated token, given those before it."""
        return self.tokens.scores

    def of(self, kind: str = "words") -> RelevanceMatrix:
        """Return the relevance of ``"words"``, or of tokens if there are no words, or of ``"tokens"``."""
        if kind not in KINDS:
            raise TextError(f"of={kind!r} is not a matrix; {choices(kind, KINDS)}")
        return self.tokens if kind == "tokens" or self.words is None else self.words

    def to_frame(self, of: str = "words") -> pd.DataFrame:
        """Return one row per pair of a generated word and a word that was read; or of tokens (``of="tokens"``).

        The relevance is NaN where what was read comes after what was generated.
        """
        pairs = self.of(of)
        output, read = np.indices(pairs.relevance.shape).reshape(2, -1)
        return pd.DataFrame(
            {
                "output": output,
                "said": np.array(pairs.outputs, object)[output],
                "input": read,
                "read": np.array([item.text for item in pairs.inputs], object)[read],
                "part": np.array([item.part for item in pairs.inputs], object)[read],
                "relevance": np.where(pairs.read, pairs.relevance, np.nan).ravel(),
            }
        )

    def to_html(self, of: str = "words") -> str:
        """Return the matrix of words, or of tokens, as a coloured table, to be placed in a page."""
        return matrix(self, of)

    def _repr_html_(self) -> str:
        return matrix(self)

    def to_dict(self) -> dict:
        """Return everything as plain values, ready for JSON; the matrix is that of tokens."""
        plain = {name: getattr(self, name) for name in ("text", "continuation", "rules")}
        plain |= {name: getattr(self, name).tolist() for name in ("matrix", "scores", "probabilities")}
        plain |= {"inputs": [token._asdict() for token in self.inputs], "outputs": list(self.outputs)}
        return plain | {"notes": list(self.notes)}

    def __repr__(self) -> str:
        outputs, inputs = self.matrix.shape
        shown = self.continuation if len(self.continuation) <= 40 else self.continuation[:40] + "…"
        return f"ContinuationRelevance({shown!r}: {outputs} tokens by {inputs}, {self.rules})"

    def __rich__(self):
        return continued(self)

    def print(self, numbers: bool = False) -> None:
        """Print in a terminal, for each word, what it comes from; with `numbers`, from all words."""
        from rich.console import Console

        Console().print(continued(self, numbers=numbers))

    def figure(self, of: str = "words"):
        """Return the matrix of words, or of tokens, as a figure of matplotlib.

        Of a long text, those with the most relevance are shown, and the sum of the others.
        """
        from .figures import matrix_figure

        return matrix_figure(self, of)
