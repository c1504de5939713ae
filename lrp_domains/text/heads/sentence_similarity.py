"""The similarity of two texts: which words make a model find them alike?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..errors import TextError, choices
from ..tokens.encoding import Encoding
from ..tokens.location import refuse_place
from ..tokens.rows import Answer, Row
from .scores import Scores

POOLINGS = ("mean", "first", "last")


@dataclass(frozen=True)
class SentenceSimilarity:
    """Explains the cosine of two texts' vectors, each pooled from its tokens'.

    The cosine is a product of the two, so each text gets half of it.
    """

    pooling: str
    in_windows = False
    apart = True
    cut_side = "right"

    def __post_init__(self) -> None:
        if self.pooling not in POOLINGS:
            raise TextError(f"pooling={self.pooling!r}; {choices(self.pooling, POOLINGS)}")

    def parts(self, encoding: Encoding) -> tuple[str, ...]:
        """What the texts are called."""
        return ("first", "second")

    def read(self, encoding: Encoding, windows: list[np.ndarray], target: Any, at: Any) -> tuple[Encoding, list[Row]]:
        """A row for each of the two texts."""
        refuse_place(at, "the similarity of two texts is that of the whole")
        if target is not None:
            raise TextError(f"target={target!r}: the similarity of two texts is one number; leave it out")
        second = encoding.starts[1]
        halves = np.arange(second), np.arange(second, len(encoding))
        return encoding, [
            Row({name: values[pick] for name, values in encoding.inputs.items()}, (pick,)) for pick in halves
        ]

    def scores(self, outputs: Any, rows: Sequence[Row], first: np.ndarray) -> tuple[Scores, list[Answer]]:
        """Half of a pair's cosine for each of its two rows."""
        states = getattr(outputs, "last_hidden_state", None)
        if states is None:
            raise TextError("the model gave no last_hidden_state: load it without a head, by AutoModel")
        vectors = self.pooled(states, np.array([len(row) for row in rows]), first)
        unit = vectors / vectors.norm(dim=1, keepdim=True)
        cosine = (unit[0::2] * unit[1::2]).sum(1)
        halves = cosine.repeat_interleave(2) / 2
        said = [Answer(one, None, "cosine similarity") for one in cosine.detach().cpu().tolist() for _ in range(2)]
        return Scores(halves, torch.zeros_like(halves.detach())), said

    def pooled(self, states: Tensor, lengths: np.ndarray, first: np.ndarray) -> Tensor:
        """One vector for each row, B x H, from B x T x H."""
        column = torch.arange(states.shape[1])
        start, end = torch.from_numpy(first)[:, None], torch.from_numpy(first + lengths)[:, None]
        chosen = {"mean": (column >= start) & (column < end), "first": column == start, "last": column == end - 1}
        weight = chosen[self.pooling].to(states.device, states.dtype)
        return (states * (weight / weight.sum(1, keepdim=True))[:, :, None]).sum(1)
