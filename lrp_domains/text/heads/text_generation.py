"""The head of a causal language model: why this next word?"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from ..errors import TextError
from ..tokens.encoding import ADDED, Encoding
from ..tokens.lengths import take
from ..tokens.location import refuse_place
from ..tokens.rows import Answer, Row
from ..tokens.vocabulary import phrase_ids, shown, spelled
from .scores import Scores
from .token_scores import NONE, PREDICTED, Positions, scores_at, sequence_logits

PARTS = ("text", "continuation", "against")


@dataclass(frozen=True)
class TextGeneration:
    """Explains the token that comes next, a phrase, or one phrase against another.

    The score of a phrase is the sum of its tokens' scores, each given those before it; its own tokens are explained
    too, as a text of their own. A contrast of two single tokens is the difference of their logits; of two
    phrases, of their scores.
    """

    model: Any
    tokenizer: Any
    score: str
    in_windows = False
    apart = False
    cut_side = "left"  # the next token follows the end

    def parts(self, encoding: Encoding) -> tuple[str, ...]:
        """What the texts are called."""
        return PARTS[: len(encoding.texts)]

    def read(self, encoding: Encoding, windows: list[np.ndarray], target: Any, at: Any) -> tuple[Encoding, list[Row]]:
        """The rows of a text: one, or one for each of two phrases."""
        refuse_place(at, "a causal language model is asked for what comes next")
        if len(encoding.texts) != 1:
            raise TextError("a causal language model continues one text: give a single text, and target= to name how")
        encoding = without_end(encoding)
        last = len(encoding) - 1
        phrases = target if isinstance(target, tuple) else () if target is None else (target,)
        if len(phrases) > 2:
            raise TextError(f"target={target!r}: a contrast is a pair of tokens or phrases")
        ids = [self.ids_of(phrase, encoding) for phrase in phrases]
        if all(len(own) == 1 for own in ids):  # the next token says it all
            wanted = Positions.at(last, *(own[0] for own in ids)) if ids else Positions.at(last, PREDICTED)
            return encoding, [Row(encoding.inputs, (np.arange(len(encoding)),), 1.0, wanted)]
        whole, rows = encoding, []
        for own, weight in zip(ids, (1.0, -1.0), strict=False):
            whole, row = self.continued(encoding, own, whole, weight)
            rows.append(row)
        named = " against ".join(text.strip() for text in whole.texts[1:])
        return whole, [replace(row, target=named) for row in rows]

    def continued(
        self, encoding: Encoding, ids: Sequence[int], whole: Encoding | None = None, weight: float = 1.0
    ) -> tuple[Encoding, Row]:
        """The row of a text with a phrase behind it; the phrase becomes one more text of the whole."""
        whole = whole or encoding
        places = np.r_[np.arange(len(encoding)), len(whole) + np.arange(len(ids) - 1)]
        wanted = Positions.at(len(encoding) - 1 + np.arange(len(ids)), ids)
        row = Row(continued_inputs(encoding, ids[:-1]), (places,), weight, wanted)
        return with_phrase(self.tokenizer, whole, ids), row

    def ready(self, encoding: Encoding) -> Encoding:
        """A text to be continued."""
        return without_end(encoding)

    def ids_of(self, phrase: object, encoding: Encoding) -> list[int]:
        """The tokens of a phrase that continues a text."""
        return phrase_ids(self.tokenizer, phrase, encoding.texts[0])

    def generated(self, encoding: Encoding, longest: int) -> list[int]:
        """The tokens that the model says next, by greedy search."""
        device = next(self.model.parameters()).device
        ids = torch.from_numpy(encoding.inputs["input_ids"])[None].to(device)
        with torch.no_grad():
            whole = self.model.generate(
                ids, attention_mask=torch.ones_like(ids), max_new_tokens=longest, do_sample=False, num_beams=1,
                pad_token_id=self.tokenizer.pad_token_id or 0,
            )  # fmt: skip
        return whole[0, len(encoding) :].tolist()

    def scores(self, outputs: Any, rows: Sequence[Row], first: np.ndarray) -> tuple[Scores, list[Answer]]:
        """The score of each row, and what the model said."""
        logits = sequence_logits(outputs, rows, "causal language modelling")
        scores, said = scores_at(logits, [row.wanted for row in rows], first, self.score)
        return scores, [self._answer(row.wanted, one) for row, one in zip(rows, said, strict=True)]

    def _answer(self, wanted: Positions, said: Any) -> Answer:
        prediction = shown(self.tokenizer, int(said.predicted[0]))
        targets = [one for one in wanted.targets.tolist() if one != PREDICTED]
        named = spelled(self.tokenizer, targets)[0].strip() if targets else prediction
        if wanted.against[0] != NONE:
            named += f" against {shown(self.tokenizer, int(wanted.against[0])).strip()}"
        return Answer(prediction, float(said.probability[0]), named)


def without_end(encoding: Encoding) -> Encoding:
    """A text without what the tokenizer added behind it, such as </s>: what comes next follows the text."""
    own = np.flatnonzero(encoding.part != ADDED)
    return take(encoding, np.arange(own[-1] + 1)) if len(own) else encoding


def continued_inputs(encoding: Encoding, ids: Sequence[int]) -> dict[str, np.ndarray]:
    """The model's inputs with more tokens behind."""
    more = {name: np.repeat(values[-1:], len(ids)) for name, values in encoding.inputs.items()}
    more["input_ids"] = np.asarray(ids, np.int64)
    return {name: np.concatenate([values, more[name]]) for name, values in encoding.inputs.items()}


def with_phrase(tokenizer, encoding: Encoding, ids: Sequence[int]) -> Encoding:
    """A text and a phrase as a further text, of which all tokens but the last are read by the model."""
    phrase, spans = spelled(tokenizer, list(ids))
    number, read = len(encoding.texts), encoding.read or tuple((0, len(text)) for text in encoding.texts)
    return replace(
        encoding,
        texts=(*encoding.texts, phrase),
        pieces=(*encoding.pieces, *tokenizer.convert_ids_to_tokens(list(ids[:-1]))),
        spans=None if encoding.spans is None else np.concatenate([encoding.spans, spans[:-1]]),
        part=np.r_[encoding.part, np.full(len(ids) - 1, number)],
        read=(*read, (0, int(spans[-1, 0]))),
    )
