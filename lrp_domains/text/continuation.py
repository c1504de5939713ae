"""Every token of a continuation explained: one backward pass each, over the graph of a single forward pass."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from ..domain import explain, refuse_training_mode
from .arguments import Message, Request, is_chat
from .chats import Written
from .continuation_words import in_words
from .errors import TextError
from .heads.token_scores import Positions, scores_at, sequence_logits
from .models.kept_logits import INPUT, KeptLogits
from .results.continuation import ContinuationRelevance, RelevanceMatrix
from .running.document import tokens_of
from .running.pipeline import Pipeline
from .running.residue import notes_on_residue, residue_note
from .tokens.encoding import Encoding
from .tokens.padding import pad
from .tokens.phrases import Phrase
from .tokens.rows import Row
from .tokens.words import settle


def explain_continuation(
    pipeline: Pipeline,
    text: str | Sequence[Message],
    *,
    continuation: str | Sequence[int] | None,
    longest: int,
) -> ContinuationRelevance:
    """Explain each token of a continuation by all tokens before it; see `TextExplainer.continuation`."""
    model, settings = pipeline.model, pipeline.settings
    if settings.reference is not None:
        raise TextError(
            "continuation() explains scores, not their difference from a reference: make the explainer without "
            "reference=, or explain one phrase, explainer(text, target='...', reference=...)"
        )
    if settings.rival is not None:
        raise TextError(
            f"continuation() explains by a rule set, and {settings.rival.name} is none: explain one phrase, "
            "explainer(text, target='...')"
        )
    rules = settings.rule_set(against_reference=False)
    refuse_training_mode(model.network.module)
    item, whole, row, phrase, notes = _continued(pipeline, text, continuation=continuation, longest=longest)

    tensors, first = pad([row.inputs], {}, side="right", device=model.network.device)
    kept = KeptLogits.of([row], first) if model.network.keeps_logits else None
    if kept is not None:
        tensors[INPUT] = kept.tensor(model.network.device)
    with torch.enable_grad():
        read = model.network.run(tensors)
        logits = sequence_logits(read.outputs, 1, "generation")

    positions, seen = row.subject, row
    if kept is not None and kept.are_of(read.outputs):
        (seen,), first = kept.seen_by_head([row], first)
    matrix = np.zeros((len(positions.columns), len(whole)))
    is_read = np.zeros(matrix.shape, bool)
    scores, probabilities = np.zeros((2, len(matrix)))
    in_residue: list[str] = []
    options = {"rules": rules, "model": model.network.module, "unknown": settings.unknown}
    for number, (column, target) in enumerate(zip(seen.subject.columns, positions.targets, strict=True)):
        with torch.enable_grad():
            at = Positions.at(column, target)
            score, (predicted,) = scores_at(logits, [at], first=first, score=settings.score)
        scores[number], probabilities[number] = score.item(), predicted.target_probabilities[0]
        # The graph is kept for the next token.
        (sides,), account = explain(score, [read], retain_graph=True, **options)
        in_residue += notes_on_residue(account, rules)
        for side, tokens in zip(sides, row.tokens, strict=True):
            np.add.at(matrix[number], tokens, side[0].cpu().numpy())
        *others, generating = row.tokens
        is_read[number, np.concatenate([*others, generating[: positions.columns[number] + 1]])] = True

    parts = model.head.parts(whole)
    outputs = _explained_part(phrase)
    tokens = RelevanceMatrix(
        inputs=tokens_of(whole, np.zeros(len(whole)), parts),
        outputs=tuple(phrase.text[start:end] for start, end in settle(outputs.spans, phrase.text).tolist()),
        relevance=matrix,
        read=is_read,
        scores=scores,
    )
    words = in_words(tokens, whole, outputs, parts=parts, words=settings.words)
    if words is not None:
        words = replace(words, inputs=item.with_roles(words.inputs, parts[0]))
    return ContinuationRelevance(
        text=whole.texts[0],
        continuation=whole.texts[1],
        tokens=tokens,
        words=words,
        probabilities=probabilities,
        rules=rules.name,
        notes=(*notes, *whole.notes, *residue_note(in_residue)),
    )


def _continued(
    pipeline: Pipeline, text: str | Sequence[Message], *, continuation: str | Sequence[int] | None, longest: int
) -> tuple[Written, Encoding, Row, Phrase, list[str]]:
    """Return a text, also with its continuation, generated unless it is given, the row for the model, and notes."""
    head = pipeline.model.head
    if not head.continues:
        raise TextError(f"a model for {pipeline.model.task} generates no text, as continuation() requires")
    if not isinstance(text, str) and not is_chat(text):
        raise TextError(f"expected one string to continue, or a chat, got {type(text).__name__}")
    preparation = pipeline.preparation
    request, item = preparation.written(Request(text, target=continuation))
    ((encoding,),) = preparation.encode([request], [item.add_special_tokens])
    if continuation is None:
        fitted = preparation.limit.fit(encoding, preparation.room_to_generate(longest))
    else:
        fitted = preparation.fit(encoding, request)
    if fitted.was_cut:
        warnings.warn(fitted.note, stacklevel=2)

    source = head.source(fitted.encoding)
    if continuation is None:
        phrase = head.generate(source, preparation.most_to_generate(source, longest))
    else:
        phrase = head.phrase(request.target, source)
    whole, (row,) = head.contrasted(source, [phrase])
    preparation.check_length([row])
    return item, whole, row, phrase, [fitted.note] if fitted.note else []


def _explained_part(phrase: Phrase) -> Encoding:
    """Return the tokens of a phrase that are explained as an encoding of its text."""
    explained = np.flatnonzero(~phrase.added)
    ids = np.array(phrase.ids)[explained]
    inputs, part = {"input_ids": ids}, np.zeros_like(ids)
    return Encoding((phrase.text,), inputs, ("",) * len(ids), phrase.spans[explained], part=part, special=part > 0)
