"""The head of a causal language model: why this next word?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...domain import NO_CLASS
from ..arguments import Request
from ..errors import TextError
from ..tokens.encoding import ADDED, Encoding
from ..tokens.location import refuse_location
from ..tokens.replacement import STAYS, taken
from ..tokens.rows import Answer, Row, have_references
from ..tokens.vocabulary import phrase_ids, readable, spell
from .head import Generator, Head
from .labels import PREDICTED
from .token_scores import Positions, Predicted, decided_at, scores_at, sequence_logits

PARTS = ("text", "continuation", "against")


@dataclass(frozen=True)
class TextGeneration(Head, Generator):
    """Explains the token that comes next, a phrase, or one phrase against another.

    The score of a phrase is the sum of its tokens' scores, each given those before it; its tokens are explained too,
    as a separate text. A contrast of two single tokens is the difference of their logits; of two phrases, of their
    scores.
    """

    model: Any
    tokenizer: Any
    score: str
    labels = None
    continues = True
    cut_side = "left"  # the next token follows the end

    def parts(self, encoding: Encoding) -> tuple[str, ...]:
        """Return the names of the text and of the phrases."""
        return PARTS[: len(encoding.texts)]

    def rows(self, encoding: Encoding, windows: list[np.ndarray], request: Request) -> tuple[Encoding, list[Row]]:
        """Return the row of a text and its next token, or one row per phrase."""
        refuse_location(request.at, "a causal language model predicts what comes next")
        if len(encoding.texts) != 1:
            raise TextError(
                "a causal language model continues one text: pass a string, and its continuation as target="
            )
        encoding = self.source(encoding)
        phrases = [phrase for phrase in (request.target, request.against) if phrase is not None]
        ids = [self.token_ids(phrase, encoding) for phrase in phrases]

        # Single tokens are all predicted at the last column: one row is enough.
        if all(len(tokens) == 1 for tokens in ids):
            target = ids[0][0] if ids else PREDICTED
            against = ids[1][0] if len(ids) == 2 else NO_CLASS
            positions = Positions.at(len(encoding) - 1, target, against=against)
            return encoding, [Row(encoding.inputs, (np.arange(len(encoding)),), subject=positions)]

        return self.contrasted(encoding, ids)

    def continued(
        self, encoding: Encoding, ids: Sequence[int], *, whole: Encoding | None = None, weight: float = 1.0
    ) -> tuple[Encoding, Row]:
        """Return a text with a phrase behind it; the phrase becomes one more text of the whole."""
        whole = whole or encoding
        tokens = np.r_[np.arange(len(encoding)), len(whole) + np.arange(len(ids) - 1)]
        positions = Positions.at(len(encoding) - 1 + np.arange(len(ids)), ids)
        row = Row(_with_ids(encoding, ids[:-1]), (tokens,), weight=weight, subject=positions)
        return _with_phrase(self.tokenizer, whole, ids), row

    def source(self, encoding: Encoding) -> Encoding:
        """Return a text without the tokens that the tokenizer added behind it, such as </s>."""
        tokens = np.flatnonzero(encoding.part != ADDED)
        return encoding.take(np.arange(tokens[-1] + 1)) if len(tokens) else encoding

    def token_ids(self, phrase: object, encoding: Encoding) -> list[int]:
        """Return the tokens of a phrase that continues a text."""
        return phrase_ids(self.tokenizer, phrase, encoding.texts[0])

    def generate(self, encoding: Encoding, longest: int) -> list[int]:
        """Return the tokens that the model generates next, by greedy search."""
        device = next(self.model.parameters()).device
        ids = torch.from_numpy(encoding.inputs["input_ids"])[None].to(device)
        options = {"max_new_tokens": longest, "do_sample": False, "num_beams": 1}
        pad = self.tokenizer.pad_token_id or 0
        with torch.no_grad():
            generated = self.model.generate(ids, attention_mask=torch.ones_like(ids), pad_token_id=pad, **options)
        return generated[0, len(encoding) :].tolist()

    def decided(self, outputs: Any, rows: Sequence[Row], first: np.ndarray) -> list[Row]:
        """Return the rows with the predicted token, unless another is chosen."""
        return decided_at(sequence_logits(outputs, rows, "causal language modelling"), rows, first=first)

    def scores(self, outputs: Any, rows: Sequence[Row], first: np.ndarray) -> tuple[Tensor, list[Answer]]:
        """Compute the score of each row's tokens, and which tokens the model predicts."""
        logits = sequence_logits(outputs, rows, "causal language modelling")
        positions, constant = [row.subject for row in rows], not have_references(rows)
        scores, predictions = scores_at(logits, positions, first=first, score=self.score, constant=constant)
        return scores, [self._answer(*fields) for fields in zip(positions, predictions, strict=True)]

    def _answer(self, positions: Positions, predicted: Predicted) -> Answer:
        prediction = readable(self.tokenizer, int(predicted.numbers[0]))
        targets = [number for number in positions.targets.tolist() if number != PREDICTED]
        target = spell(self.tokenizer, targets)[0].strip() if targets else prediction
        if positions.against[0] != NO_CLASS:
            target += f" against {readable(self.tokenizer, int(positions.against[0])).strip()}"
        return Answer(prediction, float(predicted.probabilities[0]), target)


def _with_ids(encoding: Encoding, ids: Sequence[int]) -> dict[str, np.ndarray]:
    """Return the model's inputs with more tokens at the end."""
    added = {name: np.repeat(values[-1:], len(ids)) for name, values in encoding.inputs.items()}
    added["input_ids"] = np.asarray(ids, np.int64)
    return {name: np.concatenate([values, added[name]]) for name, values in encoding.inputs.items()}


def _with_phrase(tokenizer, encoding: Encoding, ids: Sequence[int]) -> Encoding:
    """Return a text with a phrase as one more text, of which the model reads all tokens but the last."""
    phrase, spans = spell(tokenizer, list(ids))
    number = len(encoding.texts)
    return replace(
        encoding,
        texts=(*encoding.texts, phrase),
        pieces=(*encoding.pieces, *tokenizer.convert_ids_to_tokens(list(ids[:-1]))),
        spans=None if encoding.spans is None else np.concatenate([encoding.spans, spans[:-1]]),
        part=np.r_[encoding.part, np.full(len(ids) - 1, number)],
        replacement=taken(encoding.replacement, np.r_[: len(encoding), np.full(len(ids) - 1, STAYS)]),
        kept=(*encoding.ranges, (0, int(spans[-1, 0]))),
    )
