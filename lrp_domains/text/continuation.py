"""Every token of a continuation explained: one backward pass each, over the graph of a single forward pass."""

import warnings

import numpy as np
import torch

from ..domain import explain, refuse_training_mode
from .arguments import Request
from .document import tokens_of
from .errors import TextError
from .heads.token_scores import Positions, scores_at, sequence_logits
from .pipeline import Pipeline
from .results.continuation import ContinuationRelevance
from .tokens.encoding import Encoding
from .tokens.padding import pad
from .tokens.rows import Row
from .tokens.vocabulary import readable


def explain_continuation(
    pipeline: Pipeline, text: str, *, continuation: str | None, longest: int
) -> ContinuationRelevance:
    """Explain each token of a continuation by all tokens before it; see `TextExplainer.continuation`."""
    model, settings = pipeline.model, pipeline.settings
    if settings.reference is not None:
        raise TextError(
            "continuation() explains scores, not their difference from a reference: make the explainer without "
            "reference=, or explain one phrase, explainer(text, target='...', reference=...)"
        )
    rules = settings.rule_set(against_reference=False)
    refuse_training_mode(model.network.module)
    whole, row = _continued(pipeline, text, continuation=continuation, longest=longest)

    tensors, first = pad([row.inputs], {}, side="right", device=model.network.device)
    with torch.enable_grad():
        read = model.network.run(tensors)
        logits = sequence_logits(read.outputs, [row], "generation")

    positions = row.subject
    matrix = np.zeros((len(positions.columns), len(whole)))
    scores, probabilities = np.zeros((2, len(matrix)))
    options = {"rules": rules, "model": model.network.module, "unknown": settings.unknown}
    for number, (column, target) in enumerate(zip(positions.columns, positions.targets, strict=True)):
        with torch.enable_grad():
            at = Positions.at(column, target)
            score, (predicted,) = scores_at(logits, [at], first=first, score=settings.score)
        scores[number], probabilities[number] = score.item(), predicted.target_probabilities[0]
        # The graph is kept for the next token.
        (sides,), _ = explain(score, [read], retain_graph=True, **options)
        for side, tokens in zip(sides, row.tokens, strict=True):
            np.add.at(matrix[number], tokens, side[0])

    return ContinuationRelevance(
        text=whole.texts[0],
        continuation=whole.texts[1],
        inputs=tokens_of(whole, np.zeros(len(whole)), model.head.parts(whole)),
        outputs=tuple(readable(model.head.tokenizer, int(target)) for target in positions.targets),
        matrix=matrix,
        scores=scores,
        probabilities=probabilities,
        rules=rules.name,
    )


def _continued(pipeline: Pipeline, text: str, *, continuation: str | None, longest: int) -> tuple[Encoding, Row]:
    """Return a text with its continuation, generated unless it is given, and the row for the model."""
    head = pipeline.model.head
    if not head.continues:
        raise TextError(f"a model for {pipeline.model.task} generates no text, as continuation() requires")
    if not isinstance(text, str):
        raise TextError(f"expected one string to continue, got {type(text).__name__}")
    ((encoding,),) = pipeline.encode([Request(text)])
    fitted = pipeline.limit.fit(encoding)
    if fitted.was_cut:
        warnings.warn(fitted.note, stacklevel=2)

    source = head.source(fitted.encoding)
    ids = head.generate(source, longest) if continuation is None else head.token_ids(continuation, source)
    whole, row = head.continued(source, ids)
    pipeline.check_length([row])
    return whole, row
