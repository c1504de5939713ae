"""The head of an encoder-decoder: why this answer to this source?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ..errors import TextError
from ..tokens.encoding import ADDED, Encoding
from ..tokens.location import refuse_place
from ..tokens.rows import Answer, Row
from ..tokens.vocabulary import spelled
from .scores import Scores
from .token_scores import Positions, scores_at, sequence_logits

PARTS = ("source", "target", "against")
LONGEST_ANSWER = 40


@dataclass(frozen=True)
class Text2TextGeneration:
    """Explains what the model answers (by greedy search), a given answer, or one answer against another.

    The score of an answer is the sum of its tokens' scores, each given those before it. The source is the encoder's
    side, the answer so far the decoder's. The prediction is what the model says at each place after that answer so
    far.
    """

    model: Any
    tokenizer: Any
    score: str
    in_windows = False
    apart = False
    cut_side = "right"

    def parts(self, encoding: Encoding) -> tuple[str, ...]:
        """What the texts are called."""
        return PARTS[: len(encoding.texts)]

    def read(self, encoding: Encoding, windows: list[np.ndarray], target: Any, at: Any) -> tuple[Encoding, list[Row]]:
        """The rows of a text: one, or one for each of two answers."""
        refuse_place(at, "an encoder-decoder is asked for a whole answer")
        if len(encoding.texts) != 1:
            raise TextError("an encoder-decoder reads one source: give a single text, and the answer as target=")
        answers = target if isinstance(target, tuple) else (target,)
        if len(answers) > 2:
            raise TextError(f"target={target!r}: a contrast is a pair of answers")
        whole, rows = None, []
        for answer, weight in zip(answers, (1.0, -1.0), strict=False):
            ids = self.generated(encoding, LONGEST_ANSWER) if answer is None else self.ids_of(answer, encoding)
            whole, row = self.continued(encoding, ids, whole, weight)
            rows.append(row)
        named = " against ".join(text.strip() for text in whole.texts[1:])
        return whole, [replace(row, target=named) for row in rows]

    def continued(
        self, encoding: Encoding, ids: Sequence[int], whole: Encoding | None = None, weight: float = 1.0
    ) -> tuple[Encoding, Row]:
        """The row of a source with an answer; the answer becomes one more text of the whole."""
        whole = whole or replace(encoding, side=np.zeros(len(encoding), np.int64))
        added = np.isin(ids, self.tokenizer.all_special_ids)
        counted = np.flatnonzero(~added)
        if not len(counted):
            raise TextError("the model's answer is empty: name one, target='...'")
        inputs = encoding.inputs | {"decoder_input_ids": np.array([self._start(), *ids[:-1]])}
        places = (np.arange(len(encoding)), len(whole) + np.arange(len(ids)))
        wanted = Positions.at(counted, np.array(ids)[counted])
        return with_answer(self.tokenizer, whole, list(ids), added), Row(inputs, places, weight, wanted)

    def ready(self, encoding: Encoding) -> Encoding:
        """A source to be answered."""
        return encoding

    def scores(self, outputs: Any, rows: Sequence[Row], first: np.ndarray) -> tuple[Scores, list[Answer]]:
        """The score of each row, and what the model said."""
        logits = sequence_logits(outputs, rows, "sequence-to-sequence generation")
        scores, said = scores_at(logits, [row.wanted for row in rows], np.zeros_like(first), self.score)
        return scores, [self._answer(row, one) for row, one in zip(rows, said, strict=True)]

    def generated(self, encoding: Encoding, longest: int) -> list[int]:
        """The tokens that the model answers with, without the decoder's start."""
        device = next(self.model.parameters()).device
        ids = torch.from_numpy(encoding.inputs["input_ids"])[None].to(device)
        with torch.no_grad():
            ids = self.model.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=longest, do_sample=False, num_beams=1
            )
        return ids[0, 1:].tolist()

    def ids_of(self, answer: object, encoding: Encoding) -> list[int]:
        """The tokens of an answer, with those that the tokenizer adds."""
        if not isinstance(answer, str) or not answer:
            raise TextError(f"target={answer!r}: an answer is a text, not empty")
        return self.tokenizer(text_target=answer, verbose=False)["input_ids"]

    def _start(self) -> int:
        for config in (getattr(self.model, "generation_config", None), self.model.config):
            if (start := getattr(config, "decoder_start_token_id", None)) is not None:
                return start
        raise TextError("the model's configuration names no decoder_start_token_id: set it")

    def _answer(self, row: Row, said: Any) -> Answer:
        prediction = spelled(self.tokenizer, said.predicted.tolist())[0]
        return Answer(prediction, float(np.prod(said.probability)), row.target)


def with_answer(tokenizer, encoding: Encoding, ids: list[int], added: np.ndarray) -> Encoding:
    """A source and an answer as a further text; the decoder reads its start and all tokens but the last."""
    own = [one for one, is_added in zip(ids, added, strict=True) if not is_added]
    text, spelt = spelled(tokenizer, own)
    spans = np.zeros((len(ids), 2), np.int64)
    spans[~added] = spelt
    number, read = len(encoding.texts), encoding.read or tuple((0, len(one)) for one in encoding.texts)
    part = np.where(added, ADDED, number)
    end = int(spelt[-1, 0]) if not added[-1] else len(text)
    return replace(
        encoding,
        texts=(*encoding.texts, text),
        pieces=(*encoding.pieces, "decoder start", *tokenizer.convert_ids_to_tokens(ids[:-1])),
        spans=None if encoding.spans is None else np.concatenate([encoding.spans, [[0, 0]], spans[:-1]]),
        part=np.r_[encoding.part, ADDED, part[:-1]],
        side=np.r_[encoding.side, np.ones(len(ids), np.int64)],
        read=(*read, (0, end)),
    )
