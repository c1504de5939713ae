"""Rows explained by a rival, in the place of a rule set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ... import Ledger
from ...evaluation.rivals import Problem, Rival
from ..tokens.replacement import STAYS
from ..tokens.rows import Row
from .explained import Explained
from .passes import Passes, arrays


def explain_by_rival(
    rival: Rival, passes: Passes, rows: Sequence[Row], side: str, texts: Sequence[tuple[str, str]]
) -> Explained:
    """Return the relevance of rows, all with a reference or none; `texts`, with names, are for messages."""
    rows = [of_odds(row) for row in rows]
    run = passes.run(rows, side)
    scores, answers = passes.scored(run, rows, texts)
    held = passes.decided(run, rows)
    inputs = tuple(source.detach() for source in run.read.sources)
    references, of_reference = tuple(torch.zeros_like(x) for x in inputs), torch.zeros_like(scores)
    if any((tokens != STAYS).any() for row in rows for tokens in row.replaced):
        other = passes.run(held, side, passes.replaced(rows, side)[1])
        references, of_reference = other.read.sources, passes.scored(other, held, texts)[0]

    def score(*embeddings: Tensor) -> Tensor:
        times = len(embeddings[0]) // len(inputs[0])
        return passes.scored(passes.run(held * times, side, sources=embeddings), held * times, texts * times)[0]

    asked = Problem(score, inputs, tuple(r.detach() for r in references), passes.model.network.module)
    relevance = tuple(r.detach() for r in rival.relevance(asked))
    total, *sums = torch.stack([t.detach().double().sum() for t in (scores - of_reference, *relevance)]).tolist()
    account = Ledger(total, tuple(sums), {}, total - sum(sums), relevance, rival.name)
    values = [amounts.detach().double().cpu().tolist() for amounts in (scores, of_reference)]
    of_tokens = passes.of_tokens(arrays(run.read.per_unit(relevance)), rows, run.first)
    return Explained(of_tokens, *values, answers=answers, ledger=account)


def of_odds(row: Row) -> Row:
    """Return a row whose score is the log-odds themselves, as those of rows with a reference are.

    That of other rows exceeds them by an entropy, which rules can't account for.
    """
    return row if row.replaced else replace(row, replaced=tuple(np.full((len(t), 2), STAYS) for t in row.tokens))
