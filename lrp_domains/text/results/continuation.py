"""Every token of a continuation explained: a matrix of the tokens said by the tokens read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch

from ... import relevance
from ..document import tokens_of
from ..heads.token_scores import Positions, scores_at, sequence_logits
from ..models.network import Network
from ..settings import Settings
from ..tokens.encoding import Encoding
from ..tokens.padding import pad
from ..tokens.rows import Row
from ..tokens.vocabulary import shown
from .html import matrix
from .relevance import Token


@dataclass(frozen=True)
class ContinuationRelevance:
    """A text that was continued, with the relevance of all that was read for each token that was said.

    Attributes
    ----------
    text, continuation
        What was given, and what the model made of it (or was told to).
    inputs
        The n tokens that the model read: those of the text, then those of the continuation but its last. (Their own
        ``relevance`` is 0: it stands in the matrix.)
    outputs
        The m tokens that it said.
    matrix
        Relevance, m x n (float64). A token of the continuation explains only those said after it.
    scores, probabilities
        Of each token said, given those before it.
    rules
        The rule set.
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
        """One row for each pair of a token said and a token read."""
        said, read = np.indices(self.matrix.shape).reshape(2, -1)
        return pd.DataFrame(
            {
                "output": said,
                "said": np.array(self.outputs, object)[said],
                "input": read,
                "read": np.array([token.text for token in self.inputs], object)[read],
                "part": np.array([token.part for token in self.inputs], object)[read],
                "relevance": self.matrix.ravel(),
            }
        )

    def to_html(self) -> str:
        """The matrix as a coloured table, for a page of yours."""
        return matrix(self)

    def _repr_html_(self) -> str:
        return matrix(self)

    def figure(self):
        """The matrix as a figure of matplotlib."""
        from .figures import matrix_figure

        return matrix_figure(self)


def explain_continuation(
    network: Network, encoding: Encoding, row: Row, head: Any, settings: Settings
) -> ContinuationRelevance:
    """Explain each of a row's positions by a pass of its own over one graph.

    ``encoding`` holds the text and the continuation, ``row`` what the model is given, and ``row.wanted`` the positions.
    """
    tensors, first = pad([row.inputs], {}, "right", network.device)
    with torch.enable_grad():
        done = network.run(tensors)
    logits, wanted = sequence_logits(done.outputs, [row], "generation"), row.wanted
    matrix = np.zeros((len(wanted.columns), len(encoding)))
    scores, probabilities = np.zeros((2, len(matrix)))
    for number, (column, target) in enumerate(zip(wanted.columns, wanted.targets, strict=True)):
        with torch.enable_grad():
            found, (said,) = scores_at(logits, [Positions.at(column, target)], first, settings.score)
        scores[number], probabilities[number] = (found.explained + found.spread).item(), said.given[0]
        parts = relevance(
            found.explained, done.embeddings, rules=settings.rules, model=network.module, unknown=settings.unknown,
            retain_graph=True,
        )  # fmt: skip
        for own, places in zip(done.by_token(parts), row.places, strict=True):
            np.add.at(matrix[number], places, own[0])
    return ContinuationRelevance(
        text=encoding.texts[0],
        continuation=encoding.texts[1],
        inputs=tokens_of(encoding, np.zeros(len(encoding)), head.parts(encoding)),
        outputs=tuple(shown(head.tokenizer, int(one)) for one in wanted.targets),
        matrix=matrix,
        scores=scores,
        probabilities=probabilities,
        rules=settings.rules.name,
    )
