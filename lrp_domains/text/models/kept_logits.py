"""Logits only where they are explained: of a long prompt, the vocabulary at every token is most of the memory."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..heads.token_scores import Positions
from ..tokens.rows import Row

INPUT = "logits_to_keep"  # transformers' name for the columns


@dataclass(frozen=True)
class KeptLogits:
    """The columns of a batch whose logits are computed.

    Attributes
    ----------
    columns
        Ascending.
    """

    columns: np.ndarray

    @classmethod
    def of(cls, rows: Sequence[Row], first: np.ndarray) -> "KeptLogits | None":
        """Return the columns that rows explain; None if they are not explained at positions."""
        if not all(isinstance(row.subject, Positions) for row in rows):
            return None
        columns = [row.subject.columns + start for row, start in zip(rows, first, strict=True)]
        return cls(np.unique(np.concatenate(columns)))

    def tensor(self, device: torch.device) -> Tensor:
        """Return the columns as an input of the model."""
        return torch.from_numpy(self.columns).to(device)

    def are_of(self, outputs: Any) -> bool:
        """Return whether a model computed these logits only, rather than all."""
        logits = getattr(outputs, "logits", None)
        return logits is not None and logits.ndim == 3 and logits.shape[1] == len(self.columns)

    def seen_by_head(self, rows: Sequence[Row], first: np.ndarray) -> tuple[list[Row], np.ndarray]:
        """Return rows whose positions are counted among the kept columns, and the column of each one's first token."""
        counted = []
        for row, start in zip(rows, first, strict=True):
            columns = np.searchsorted(self.columns, row.subject.columns + start)
            counted.append(replace(row, subject=replace(row.subject, columns=columns)))
        return counted, np.zeros_like(first)
