"""Rivals to be better than: relevance at random."""

from __future__ import annotations

import torch

from .rival import Problem, Rival, Tensors


def random_relevance(seed: int = 0) -> Rival:
    """Return random relevance, which a measure of faithfulness must find worse than any explanation."""

    def relevance(of: Problem) -> Tensors:
        random = torch.Generator().manual_seed(seed)
        return tuple(torch.randn(x.shape, generator=random).to(x) for x in of.inputs)

    return Rival("random", relevance, 0.0)
