"""Batches that are explained from recordings: padded to one of a few sizes, with all that differs in tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from ... import Ledger
from ...domain import Computed, compiled, compute
from ..errors import TextError
from ..heads.in_tensors import InTensors
from ..models.kept_logits import INPUT, KeptLogits
from ..models.text_model import TextModel
from ..settings import Settings
from ..tokens.rows import Answer, Row

# For how many sizes of batches, rows and columns, recordings are kept.
SIZES = 64
Tensors = dict[str, Tensor]


class NonFiniteScore(TextError):
    """The score of a row, by its number in the batch, isn't finite."""

    def __init__(self, number: int, score: float) -> None:
        super().__init__(f"the score of row {number} is {score}")
        self.number, self.score = number, score


@dataclass(frozen=True)
class CompiledBatches:
    """Explains batches of one model from recordings.

    Attributes
    ----------
    model, settings
        What is explained, and how.
    functions
        The compiled function by the names of the model's inputs.
    """

    model: TextModel
    settings: Settings
    functions: dict[tuple[str, ...], Callable] = field(default_factory=dict)

    @property
    def is_possible(self) -> bool:
        """Whether the model can be explained from recordings: its head computes scores from tensors."""
        return isinstance(self.model.head, InTensors) and not self.model.network.in_pieces

    def filled(self, rows: Sequence[Row], most: int) -> list[Row]:
        """Return rows with others of weight 0, such that batches have one of a few sizes, up to `most` rows."""
        return [*rows, *[replace(rows[-1], weight=0.0)] * (min(_size(len(rows)), most) - len(rows))]

    def columns(self, rows: Sequence[Row]) -> dict[str, int]:
        """Return the number of columns to pad to, by name of the input: one of a few, as far as the model reads it."""
        longest = {name: max(len(row.inputs[name]) for row in rows) for name in rows[0].inputs}
        most = self.model.longest
        return {n: max(count, min(_size(count), most or _size(count))) for n, count in longest.items()}

    def explain(
        self, rows: Sequence[Row], tensors: Mapping[str, Tensor], first: np.ndarray
    ) -> tuple[list[np.ndarray], Tensor, list[Answer], Ledger]:
        """Explain filled rows.

        Returns
        -------
        Relevance per side of the model, rows x columns; the scores; what the model predicts; the ledger.
        """
        head, device = self.model.head, self.model.network.device
        tensors, subjects = dict(tensors), [head.subjects(rows, first)]
        kept = KeptLogits.of(rows, first) if self.model.network.keeps_logits else None
        if kept is not None:
            more = _size(max(len(kept.columns), len(rows))) - len(kept.columns)
            kept = replace(kept, columns=np.pad(kept.columns, (0, more), mode="edge"))
            tensors[INPUT] = kept.tensor(device)
            subjects.append(head.subjects(*kept.seen_by_head(rows, first)))
        weights = torch.tensor([row.weight for row in rows])

        names, count = tuple(tensors), len(subjects[0])
        if names not in self.functions:
            function = partial(_computed, self.model, self.settings, names, count)
            self.functions[names] = compiled(function, self.settings.compile, shapes=SIZES)
        arguments = (*tensors.values(), weights, *(subject for of_all in subjects for subject in of_all))
        (sides,), ledger, others = self.functions[names](*(argument.to(device) for argument in arguments))
        relevance = [side.cpu().numpy() for side in sides]
        return relevance, others["scores"], head.answers(rows, others["predicted"]), ledger


def _computed(model: TextModel, settings: Settings, names: tuple[str, ...], count: int, *tensors: Tensor) -> Computed:
    """Explain a batch: the model's inputs, the weights of rows, and what is explained, `count` tensors.

    If only some logits are computed, `count` more tensors follow, which count positions among these.
    """
    batch, (weights, *subjects) = dict(zip(names, tensors, strict=False)), tensors[len(names) :]
    with torch.enable_grad():
        read = model.network.run(batch)
        is_kept = INPUT in batch and read.outputs.logits.shape[1] == len(batch[INPUT])
        chosen = subjects[count:] if is_kept else subjects[:count]
        scores, predicted = model.head.scores_of(read.outputs, chosen, count=len(weights), constant=True)
        scores = scores * weights.to(scores)
    finite = scores.detach().isfinite()
    if not bool(finite.all()):
        number = int(finite.logical_not().nonzero()[0])
        raise NonFiniteScore(number, float(scores[number].detach()))
    rules = settings.rule_set(against_reference=False)
    computed = compute(scores, [read], rules=rules, model=model.network.module, unknown=settings.unknown)
    return replace(computed, others={"scores": scores.detach(), "predicted": predicted})


def _size(count: int) -> int:
    """Return the next of 1, 2, 3, 4, 6, 8, 12, 16, 24, ...: at most half as much again."""
    power = 1 << max(count - 1, 0).bit_length()
    return power * 3 // 4 if count <= power * 3 // 4 and power >= 4 else power
