"""The head of zero-shot classification: which words entail that a text is about a candidate?"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from ..arguments import Request
from ..errors import TextError, excerpt, listed
from ..settings import Settings
from ..tokens.encoding import Encoding
from ..tokens.rows import Row
from .choices import Choices
from .labels import Labels

TEMPLATE = "This example is {}."


@dataclass(frozen=True)
class ZeroShotClassification(Choices):
    """Explains a candidate label by a model for natural language inference, as transformers' pipeline uses it.

    The text is read with a hypothesis per candidate. One of several candidates: a softmax over their logits of
    entailment. Several may be true, or there is only one: the logit of entailment minus that of contradiction.

    Attributes
    ----------
    labels
        The candidates.
    hypotheses
        One per candidate.
    entailment, contradiction
        The numbers of these labels in the model.
    """

    labels: Labels = None
    hypotheses: tuple[str, ...] = ()
    entailment: int = 0
    contradiction: int = -1

    def parts(self, encoding: Encoding) -> tuple[str, ...]:
        """Return the names of the text and of the hypotheses."""
        return ("text", *(f"hypothesis {name}" for name in self.labels.names))

    def items(self, request: Request) -> list[tuple[str, ...]]:
        """Return the text with each hypothesis."""
        if not isinstance(request.text, str):
            raise TextError(f"{excerpt(request.texts[0])}: zero-shot classification reads one text; pass a string")
        return [(request.text, hypothesis) for hypothesis in self.hypotheses]

    def logits(self, outputs: Any, rows: Sequence[Row]) -> Tensor:
        """Return the logit of each row's candidate, B."""
        logits = getattr(outputs, "logits", None)
        if logits is None or logits.ndim != 2 or len(logits) != len(rows):
            shape = "no logits" if logits is None else f"logits of shape {tuple(logits.shape)}"
            raise TextError(f"for {len(rows)} rows the model returned {shape}, expected a row of logits per text")
        entailed = logits[:, self.entailment]
        return entailed if self.labels.kind == "one" else entailed - logits[:, self.contradiction]


def zero_shot(config, settings: Settings, *, two_sides: bool) -> ZeroShotClassification:
    """Return the head for the candidates and the template of the settings; raise if the model is not for inference."""
    names = {int(number): str(name) for number, name in (getattr(config, "id2label", None) or {}).items()}
    entailment = next((number for number, name in names.items() if name.lower().startswith("entail")), None)
    if entailment is None or len(names) < 2:
        raise TextError(
            f"the model has no label for entailment (it has {listed(names.values())}): zero-shot classification "
            "requires a model for natural language inference; if it is one, name its labels in model.config.id2label"
        )

    candidates = tuple(settings.candidates)
    several = settings.multi_label or len(candidates) == 1
    template = TEMPLATE if settings.template is None else settings.template
    return ZeroShotClassification(
        score=settings.score,
        two_sides=two_sides,
        labels=Labels(candidates, "several" if several else "one"),
        hypotheses=tuple(template.format(name) for name in candidates),
        entailment=entailment,
        # As transformers' pipeline: the label at the other end.
        contradiction=len(names) - 1 if entailment == 0 else 0,
    )
