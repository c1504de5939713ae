"""Rivals to be better than: relevance at random."""

from __future__ import annotations

import torch

from .rival import Problem, Rival, Tensors


def random_relevance(seed: int = 0) -> Rival:
    """Return random relevance, which a measure of faithfulness must find worse than any explanation."""

    def relevance(of: Problem) -> Tensors:
        # Another stream for each batch, and the same one for the same batch.
        of_batch = int(of.inputs[0].detach().double().abs().sum() * 2**20) % 2**31
        random = torch.Generator().manual_seed(2**31 * seed + of_batch)
        return tuple(torch.randn(x.shape, generator=random).to(x) for x in of.inputs)

    return Rival("random", relevance, 0.0, (seed,))
