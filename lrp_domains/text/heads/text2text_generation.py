"""The head of an encoder-decoder: why this answer to this source?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..arguments import Request
from ..errors import TextError, excerpt
from ..tokens.encoding import ADDED, Encoding
from ..tokens.lengths import longest_answer
from ..tokens.location import refuse_location
from ..tokens.phrases import Phrase, answer, generated
from ..tokens.replacement import STAYS, taken
from ..tokens.rows import Answer, Row, have_references
from ..tokens.vocabulary import pieces_of, spell
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
    add_special_tokens: bool | None = None
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
        phrases = [self.phrase(answer, encoding) for answer in answers]
        return self.contrasted(encoding, phrases or [self.generate(encoding, LONGEST_ANSWER)])

    def continued(
        self, encoding: Encoding, phrase: Phrase, *, whole: Encoding | None = None, weight: float = 1.0
    ) -> tuple[Encoding, Row]:
        """Return a source with an answer; the answer becomes one more text of the whole."""
        whole = whole or replace(encoding, side=np.zeros(len(encoding), np.int64))
        ids, columns = phrase.ids, np.flatnonzero(~phrase.added)  # an added </s> is not explained
        if not len(columns):
            raise TextError("the model's answer is empty: choose one, target='...'")
        # The decoder reads its start in place of the last token.
        if (most := longest_answer(self.model)) is not None and len(ids) > most:
            raise TextError(
                f"the answer {excerpt(phrase.text)} has {len(ids)} tokens, but the model's decoder reads {most} at "
                "once: shorten it"
            )

        inputs = encoding.inputs | {"decoder_input_ids": np.array([self._start(), *ids[:-1]])}
        sides = (np.arange(len(encoding)), len(whole) + np.arange(len(ids)))
        positions = Positions.at(columns, np.array(ids)[columns])
        row = Row(inputs, sides, weight=weight, subject=positions)
        return _with_answer(self.tokenizer, whole, phrase), row

    def source(self, encoding: Encoding) -> Encoding:
        """Return a source unchanged."""
        return encoding

    def phrase(self, phrase: object, encoding: Encoding) -> Phrase:
        """Return the tokens of an answer, with those that the tokenizer adds."""
        return answer(self.tokenizer, phrase, framed=self.add_special_tokens)

    def generate(self, encoding: Encoding, longest: int) -> Phrase:
        """Return the tokens that the model answers with, as many as its decoder reads, without the decoder's start."""
        longest = min(longest, longest_answer(self.model) or longest)
        device = next(self.model.parameters()).device
        ids = torch.from_numpy(encoding.inputs["input_ids"])[None].to(device)
        options = {"max_new_tokens": longest, "do_sample": False, "num_beams": 1}
        with torch.no_grad():
            tokens = self.model.generate(ids, attention_mask=torch.ones_like(ids), **options)[0, 1:].tolist()
        front = self._numbers("bos_token_id", "cls_token_id", "forced_bos_token_id", "decoder_start_token_id")
        back = self._numbers("eos_token_id", "sep_token_id", "pad_token_id")
        return generated(self.tokenizer, tokens, front, back)

    def scores(self, outputs: Any, rows: Sequence[Row], first: np.ndarray) -> tuple[Tensor, list[Answer]]:
        """Compute the score of each row's answer, and what the model predicts at its places."""
        logits = sequence_logits(outputs, len(rows), "sequence-to-sequence generation")
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

    def _numbers(self, *names: str) -> set[int]:
        """Return the special tokens that the tokenizer or the configurations have under some names."""
        sources = (self.tokenizer, getattr(self.model, "generation_config", None), self.model.config)
        values = [getattr(source, name, None) for source in sources for name in names]
        return {number for value in values for number in (value if isinstance(value, list) else [value])} - {None}

    def _answer(self, row: Row, predicted: Predicted) -> Answer:
        prediction = spell(self.tokenizer, predicted.numbers.tolist())[0]
        return Answer(prediction, float(np.prod(predicted.probabilities)), row.target)


def _with_answer(tokenizer, encoding: Encoding, phrase: Phrase) -> Encoding:
    """Return a source with an answer as one more text; the decoder reads its start and all tokens but the last."""
    ids, added = list(phrase.ids), phrase.added
    part = np.where(added, ADDED, len(encoding.texts))
    end = len(phrase.text) if added[-1] else int(phrase.spans[-1, 0])
    return replace(
        encoding,
        texts=(*encoding.texts, phrase.text),
        pieces=(*encoding.pieces, "decoder start", *pieces_of(tokenizer, ids[:-1])),
        spans=None if encoding.spans is None else np.concatenate([encoding.spans, [[0, 0]], phrase.spans[:-1]]),
        part=np.r_[encoding.part, ADDED, part[:-1]],
        special=np.r_[encoding.special, np.zeros(len(ids), bool)],
        side=np.r_[encoding.side, np.ones(len(ids), np.int64)],
        replacement=taken(encoding.replacement, np.r_[: len(encoding), np.full(len(ids), STAYS)]),
        kept=(*encoding.ranges, (0, end)),
    )
