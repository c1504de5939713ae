"""The head of a causal language model: why this next word?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...domain import NO_CLASS
from ..arguments import Request
from ..errors import TextError, excerpt
from ..tokens.encoding import Encoding
from ..tokens.location import refuse_location
from ..tokens.phrases import Phrase, continuing, spelled, without_end
from ..tokens.replacement import STAYS, taken
from ..tokens.rows import Answer, Row
from ..tokens.vocabulary import pieces_of, readable
from .head import Generator, Head, joined_alike
from .labels import PREDICTED
from .token_scores import AtPositions, Positions, Predicted, predicted_at

PARTS = ("text", "continuation", "against")


@dataclass(frozen=True)
class TextGeneration(AtPositions, Head, Generator):
    """Explains the token that comes next, a phrase, or one phrase against another.

    The score of a phrase is the sum of its tokens' scores, each given those before it; its tokens are explained too,
    as a separate text. A contrast of two single tokens is the difference of their logits; of two phrases, of their
    scores.
    """

    model: Any
    tokenizer: Any
    score: str
    spaced: bool | None = None
    labels = None
    predicting = "causal language modelling"
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
        phrases = self._phrases(encoding, request)
        if phrases and not all(len(phrase) == 1 and phrase.replaces == phrases[0].replaces for phrase in phrases):
            return self.contrasted(encoding, phrases)

        # Single tokens are all predicted at the last column: one row is enough.
        target = against = name = None
        if phrases:
            encoding, phrases = joined_alike(encoding, phrases)
            target, against = ([phrase.ids[0] for phrase in phrases] + [None])[:2]
            name = " against ".join(phrase.name for phrase in phrases)
        positions = Positions.at(
            len(encoding) - 1,
            PREDICTED if target is None else target,
            against=NO_CLASS if against is None else against,
        )
        return encoding, [Row(encoding.inputs, (np.arange(len(encoding)),), subject=positions, target=name)]

    def room(self, encoding: Encoding, request: Request) -> int:
        """Return how many tokens of the longest phrase the model reads."""
        encoding = self.source(encoding)
        return max((len(phrase) - 1 for phrase in self._phrases(encoding, request)), default=0)

    def continued(
        self, encoding: Encoding, phrase: Phrase, *, whole: Encoding | None = None, weight: float = 1.0
    ) -> tuple[Encoding, Row]:
        """Return a text with a phrase behind it; the phrase becomes one more text of the whole."""
        whole, ids = whole or encoding, phrase.ids
        before = np.arange(len(encoding) - phrase.replaces)
        tokens = np.r_[before, len(whole) + np.arange(len(ids) - 1)]
        positions = Positions.at(len(before) - 1 + np.arange(len(ids)), ids)
        inputs = _with_ids(encoding.take(before), ids[:-1])
        row = Row(inputs, (tokens,), weight=weight, subject=positions)
        return _with_phrase(self.tokenizer, whole, phrase), row

    def source(self, encoding: Encoding) -> Encoding:
        """Return a text without the tokens that the tokenizer added behind it, such as </s>."""
        source = without_end(self.tokenizer, encoding)
        if not len(source):
            raise TextError(
                f"{excerpt(encoding.texts[0])} has no tokens to continue, as this tokenizer adds none in front: leave "
                "empty texts out"
            )
        return source

    def phrase(self, phrase: object, encoding: Encoding) -> Phrase:
        """Return the tokens of a phrase that continues a text."""
        return continuing(self.tokenizer, phrase, encoding, spaced=self.spaced)

    def _phrases(self, encoding: Encoding, request: Request) -> list[Phrase]:
        """Return the phrase to explain and the one it is contrasted with, as far as the request has them."""
        phrases = [phrase for phrase in (request.target, request.against) if phrase is not None]
        return [self.phrase(phrase, encoding) for phrase in phrases]

    def generate(self, encoding: Encoding, longest: int) -> Phrase:
        """Return the tokens that the model generates next, by greedy search."""
        device = next(self.model.parameters()).device
        ids = torch.from_numpy(encoding.inputs["input_ids"])[None].to(device)
        options = {"max_new_tokens": longest, "do_sample": False, "num_beams": 1}
        pad = self.tokenizer.pad_token_id or 0
        with torch.no_grad():
            generated = self.model.generate(ids, attention_mask=torch.ones_like(ids), pad_token_id=pad, **options)
        before, after = generated[0].tolist()[: len(encoding)], generated[0].tolist()[len(encoding) :]
        return spelled(self.tokenizer, after, before)

    def answers(self, rows: Sequence[Row], predicted: Sequence[Tensor]) -> list[Answer]:
        """Return the token that the model predicts first for each row."""
        return [self._answer(fields) for fields in predicted_at([row.subject for row in rows], predicted)]

    def _answer(self, predicted: Predicted) -> Answer:
        prediction = readable(self.tokenizer, int(predicted.numbers[0]))
        return Answer(prediction, float(predicted.probabilities[0]), prediction)


def _with_ids(encoding: Encoding, ids: Sequence[int]) -> dict[str, np.ndarray]:
    """Return the model's inputs with more tokens at the end."""
    added = {name: np.repeat(values[-1:], len(ids)) for name, values in encoding.inputs.items()}
    added["input_ids"] = np.asarray(ids, np.int64)
    return {name: np.concatenate([values, added[name]]) for name, values in encoding.inputs.items()}


def _with_phrase(tokenizer, encoding: Encoding, phrase: Phrase) -> Encoding:
    """Return a text with a phrase as one more text, of which the model reads all tokens but the last."""
    number, count = len(encoding.texts), len(phrase) - 1
    return replace(
        encoding,
        texts=(*encoding.texts, phrase.text),
        pieces=(*encoding.pieces, *pieces_of(tokenizer, phrase.ids[:-1])),
        spans=None if encoding.spans is None else np.concatenate([encoding.spans, phrase.spans[:-1]]),
        part=np.r_[encoding.part, np.full(count, number)],
        special=np.r_[encoding.special, np.zeros(count, bool)],
        replacement=taken(encoding.replacement, np.r_[: len(encoding), np.full(count, STAYS)]),
        kept=(*encoding.ranges, (0, int(phrase.spans[-1, 0]))),
    )
