"""The head of a sentence encoder: which words make two texts similar?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...domain import check_choice
from ..arguments import Request
from ..errors import TextError
from ..tokens.encoding import Encoding
from ..tokens.location import refuse_location
from ..tokens.rows import Answer, Row, row_of, with_decoder_copy
from .head import Head
from .pooling import POOLINGS, pooled


@dataclass(frozen=True)
class SentenceSimilarity(Head):
    """Explains the cosine of two texts' vectors, each pooled from the vectors of its tokens.

    The cosine is a product of the two vectors, so each text gets half of it.
    """

    pooling: str | None
    two_sides: bool = False
    labels = None
    apart = True

    def __post_init__(self) -> None:
        if self.pooling is not None:
            check_choice("pooling", self.pooling, POOLINGS)

    def check_contrast(self, request: Request) -> None:
        """Raise if a contrast was passed."""
        if request.against is not None:
            raise TextError(f"against={request.against!r}: the similarity of two texts is one number; leave it out")

    def rows(self, encoding: Encoding, windows: list[np.ndarray], request: Request) -> tuple[Encoding, list[Row]]:
        """Return one row per text of the pair."""
        if len(encoding.starts) != 2:
            raise TextError("similarity requires two texts: pass a tuple of two")
        refuse_location(request.at, "two texts are compared as a whole")
        if request.target is not None:
            raise TextError(f"target={request.target!r}: the similarity of two texts is one number; leave it out")
        second = encoding.starts[1]
        halves = np.arange(second), np.arange(second, len(encoding))
        rows = [row_of(encoding, half, subject=None, group=2, two_sides=self.two_sides) for half in halves]
        return with_decoder_copy(encoding) if self.two_sides else encoding, rows

    def scores(self, outputs: Any, rows: Sequence[Row], first: np.ndarray) -> tuple[Tensor, list[Answer]]:
        """Compute half of a pair's cosine for each of its two rows."""
        vectors = self._vectors(outputs, np.array([len(row) for row in rows]), first)
        unit = vectors / vectors.norm(dim=1, keepdim=True)
        cosine = (unit[0::2] * unit[1::2]).sum(1)
        answers = [Answer(value, None, "cosine similarity") for value in cosine.detach().cpu().tolist()]
        return cosine.repeat_interleave(2) / 2, [answer for answer in answers for _ in range(2)]

    def _vectors(self, outputs: Any, lengths: np.ndarray, first: np.ndarray) -> Tensor:
        """Return one vector per row, B x H: the model's, or pooled from the states of its tokens, B x T x H."""
        if (vectors := getattr(outputs, "sentence_embedding", None)) is not None:
            return vectors
        states = getattr(outputs, "last_hidden_state", None)
        if states is None:
            raise TextError("the model returned no last_hidden_state: load it without a head, by AutoModel")
        column = torch.arange(states.shape[1])
        start, end = torch.from_numpy(first)[:, None], torch.from_numpy(first + lengths)[:, None]
        return pooled(states, (column >= start) & (column < end), [self.pooling or "mean"])


def sentence_similarity(model: Any, pooling: str | None, *, two_sides: bool) -> SentenceSimilarity:
    """Return the head for a model; raise if it has a decoder that must be given tokens apart from the text.

    Of other models with a decoder, such as BART, its states are pooled: those are the model's.
    """
    inner = getattr(model, "transformer", model)  # that of a sentence encoder
    # The configuration of an encoder alone may still be that of the whole model.
    two_sides = two_sides and hasattr(inner, "decoder")
    if two_sides:
        _check_decoder(inner)
    return SentenceSimilarity(pooling, two_sides)


def _check_decoder(model: Any) -> None:
    """Raise if a decoder doesn't read the text again, by a trial on one token."""
    import transformers

    token = torch.zeros(1, 1, dtype=torch.int64, device=next(model.parameters()).device)
    try:
        with torch.no_grad():
            model(input_ids=token)
    except ValueError as error:
        encoder = f"transformers.{type(model).__name__.removesuffix('Model')}EncoderModel"
        known = hasattr(transformers, encoder.partition(".")[2])
        advice = f"load the model as {encoder}" if known else "pass its encoder, model.get_encoder()"
        raise TextError(f"{type(model).__name__} has a decoder, which doesn't read the text: {advice}") from error
