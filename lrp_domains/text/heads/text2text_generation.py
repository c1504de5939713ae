"""The head of an encoder-decoder: why this answer to this source?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..arguments import Request
from ..errors import TextError
from ..tokens.encoding import ADDED, Encoding
from ..tokens.location import refuse_location
from ..tokens.replacement import STAYS, taken
from ..tokens.rows import Answer, Row, have_references
from ..tokens.vocabulary import spell
from .head import Generator, Head
from .token_scores import Positions, Predicted, scores_at, sequence_logits

PARTS = ("source", "target", "against")
LONGEST_ANSWER = 40  # tokens


@dataclass(frozen=True)
class Text2TextGeneration(Head, Generator):
    """Explains the model's answer (by greedy search), a given answer, or one answer against another.

    The score of an answer is the sum of its tokens' scores, each given those before it. The source is the encoder's
    side, the answer before each token the decoder's. The prediction is the model's at each place, given the explained
    answer up to there.
    """

    model: Any
    tokenizer: Any
    score: str
    labels = None
    continues = True

    def parts(self, encoding: Encoding) -> tuple[str, ...]:
        """Return the names of the source and of the answers."""
        return PARTS[: len(encoding.texts)]

    def rows(self, encoding: Encoding, windows: list[np.ndarray], request: Request) -> tuple[Encoding, list[Row]]:
        """Return one row per answer."""
        refuse_location(request.at, "an encoder-decoder is explained for a whole answer")
        if len(encoding.texts) != 1:
            raise TextError("an encoder-decoder reads one source: pass a single text, and the answer as target=")
        answers = [answer for answer in (request.target, request.against) if answer is not None]
        ids = [self.token_ids(answer, encoding) for answer in answers] or [self.generate(encoding, LONGEST_ANSWER)]
        return self.contrasted(encoding, ids)

    def continued(
        self, encoding: Encoding, ids: Sequence[int], *, whole: Encoding | None = None, weight: float = 1.0
    ) -> tuple[Encoding, Row]:
        """Return a source with an answer; the answer becomes one more text of the whole."""
        whole = whole or replace(encoding, side=np.zeros(len(encoding), np.int64))
        added = np.isin(ids, self.tokenizer.all_special_ids)
        columns = np.flatnonzero(~added)  # </s> is not explained
        if not len(columns):
            raise TextError("the model's answer is empty: choose one, target='...'")

        inputs = encoding.inputs | {"decoder_input_ids": np.array([self._start(), *ids[:-1]])}
        sides = (np.arange(len(encoding)), len(whole) + np.arange(len(ids)))
        positions = Positions.at(columns, np.array(ids)[columns])
        row = Row(inputs, sides, weight=weight, subject=positions)
        return _with_answer(self.tokenizer, whole, list(ids)), row

    def source(self, encoding: Encoding) -> Encoding:
        """Return a source unchanged."""
        return encoding

    def token_ids(self, phrase: object, encoding: Encoding) -> list[int]:
        """Return the tokens of an answer, with those that the tokenizer adds."""
        if not isinstance(phrase, str) or not phrase:
            raise TextError(f"expected an answer as a text that isn't empty, got {phrase!r}")
        return self.tokenizer(text_target=phrase, verbose=False)["input_ids"]

    def generate(self, encoding: Encoding, longest: int) -> list[int]:
        """Return the tokens that the model answers with, without the decoder's start."""
        device = next(self.model.parameters()).device
        ids = torch.from_numpy(encoding.inputs["input_ids"])[None].to(device)
        options = {"max_new_tokens": longest, "do_sample": False, "num_beams": 1}
        with torch.no_grad():
            generated = self.model.generate(ids, attention_mask=torch.ones_like(ids), **options)
        return generated[0, 1:].tolist()

    def scores(self, outputs: Any, rows: Sequence[Row], first: np.ndarray) -> tuple[Tensor, list[Answer]]:
        """Compute the score of each row's answer, and what the model predicts at its places."""
        logits = sequence_logits(outputs, rows, "sequence-to-sequence generation")
        # The decoder starts at the first column, whatever side its encoder is padded on.
        start, positions = np.zeros_like(first), [row.subject for row in rows]
        constant = not have_references(rows)
        scores, predictions = scores_at(logits, positions, first=start, score=self.score, constant=constant)
        return scores, [self._answer(*fields) for fields in zip(rows, predictions, strict=True)]

    def _start(self) -> int:
        for config in (getattr(self.model, "generation_config", None), self.model.config):
            if (start := getattr(config, "decoder_start_token_id", None)) is not None:
                return start
        raise TextError("the model's configuration has no decoder_start_token_id: set it")

    def _answer(self, row: Row, predicted: Predicted) -> Answer:
        prediction = spell(self.tokenizer, predicted.numbers.tolist())[0]
        return Answer(prediction, float(np.prod(predicted.probabilities)), row.target)


def _with_answer(tokenizer, encoding: Encoding, ids: list[int]) -> Encoding:
    """Return a source with an answer as one more text; the decoder reads its start and all tokens but the last."""
    added = np.isin(ids, tokenizer.all_special_ids)
    text, spelled = spell(tokenizer, [number for number, is_added in zip(ids, added, strict=True) if not is_added])
    spans = np.zeros((len(ids), 2), np.int64)
    spans[~added] = spelled

    part = np.where(added, ADDED, len(encoding.texts))
    end = len(text) if added[-1] else int(spelled[-1, 0])
    return replace(
        encoding,
        texts=(*encoding.texts, text),
        pieces=(*encoding.pieces, "decoder start", *tokenizer.convert_ids_to_tokens(ids[:-1])),
        spans=None if encoding.spans is None else np.concatenate([encoding.spans, [[0, 0]], spans[:-1]]),
        part=np.r_[encoding.part, ADDED, part[:-1]],
        side=np.r_[encoding.side, np.ones(len(ids), np.int64)],
        replacement=taken(encoding.replacement, np.r_[: len(encoding), np.full(len(ids), STAYS)]),
        kept=(*encoding.ranges, (0, end)),
    )
