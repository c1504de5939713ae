"""The contract of heads whose explanations can be compiled: scores from tensors alone."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from ..tokens.rows import Answer, Row, have_references


@runtime_checkable
class InTensors(Protocol):
    """A head that computes scores from tensors alone, so that explanations can be compiled."""

    @abstractmethod
    def subjects(self, rows: Sequence[Row], first: np.ndarray) -> tuple[Tensor, ...]:
        """Return what is explained of each row; the arguments are those of `Head.scores`."""

    @abstractmethod
    def scores_of(
        self, outputs: Any, subjects: Sequence[Tensor], *, count: int, constant: bool
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Compute the number to explain per row.

        Parameters
        ----------
        outputs
            What the model returned.
        subjects
            What is explained, on the device of the outputs.
        count
            The number of rows.
        constant
            Whether the weights of log-odds are constant.

        Returns
        -------
        scores
            `count` numbers, with their graph.
        predicted
            What `answers` reads.
        """

    @abstractmethod
    def answers(self, rows: Sequence[Row], predicted: Sequence[Tensor]) -> list[Answer]:
        """Return what the model predicts for each row."""

    def scores(self, outputs: Any, rows: Sequence[Row], first: np.ndarray) -> tuple[Tensor, list[Answer]]:
        """Compute the number to explain per row, and what the model predicts; see `Head.scores`."""
        device = _device_of(outputs)
        subjects = [subject.to(device) for subject in self.subjects(rows, first)]
        constant = not have_references(rows)
        scores, predicted = self.scores_of(outputs, subjects, count=len(rows), constant=constant)
        return scores, self.answers(rows, predicted)


def _device_of(outputs: Any) -> torch.device | None:
    logits = outputs if isinstance(outputs, Tensor) else getattr(outputs, "logits", None)
    return None if logits is None else logits.device
