"""The head of a multiple choice: why this answer of several?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..arguments import Request
from ..errors import TextError, excerpt
from ..tokens.encoding import Encoding
from ..tokens.rows import Row
from .choices import Choices
from .labels import Labels


@dataclass(frozen=True)
class MultipleChoice(Choices):
    """Explains the log-odds of one choice, or one against another, by the words of the prompt and of all choices."""

    def parts(self, encoding: Encoding) -> tuple[str, ...]:
        """Return the names of the prompt and of its choices, numbered from 0."""
        return ("prompt", *(f"choice {number}" for number in range(len(encoding.texts) - 1)))

    def items(self, request: Request) -> list[tuple[str, ...]]:
        """Return the prompt with each choice."""
        self.labels_of(request)
        prompt, *choices = request.texts
        return [(prompt, choice) for choice in choices]

    def labels_of(self, request: Request) -> Labels:
        """Return the choices of a text."""
        if not request.has_choices:
            raise TextError(
                f"{excerpt(request.texts[0])} has no choices: pass a tuple of a text and a list of its choices"
            )
        return Labels(request.texts[1:], "one")

    def logits(self, outputs: Any, rows: Sequence[Row]) -> Tensor:
        """Return the logit of each row's choice, B."""
        logits = getattr(outputs, "logits", None)
        if logits is None or logits.numel() != len(rows):
            shape = "no logits" if logits is None else f"logits of shape {tuple(logits.shape)}"
            raise TextError(
                f"for {len(rows)} choices the model returned {shape}, expected one logit per choice: is it a model for "
                "multiple choice?"
            )
        return logits.reshape(-1)


def as_choices(call: Callable[[Mapping[str, Tensor]], Any], batch: Mapping[str, Tensor]) -> Any:
    """Call a model that reads texts x choices x tokens with B rows, as the choices of one text."""
    return call({name: tensor[None] for name, tensor in batch.items()})
