"""Rivals that replace units: by the reference (occlusion, KernelSHAP, LIME), or by other letters (mutagenesis)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from .rival import Problem, Rival, Tensors, as_inputs, check_count


def occlusion() -> Rival:
    """Return by how much the score falls if one unit alone is replaced by the reference."""
    return Rival("occlusion", _occlusion, None)


def mutagenesis() -> Rival:
    """Return by how much the score falls when a unit alone is replaced, the mean over all other values of the unit.

    In-silico mutagenesis of one-hot encoded letters: samples x units x letters, the last dimension that of letters.
    """
    return Rival("in-silico mutagenesis", _mutagenesis, None)


def kernel_shap(samples: int = 200, seed: int = 0) -> Rival:
    """Return KernelSHAP (Lundberg and Lee 2017, NeurIPS, th. 2), an estimate of Shapley values.

    Parameters
    ----------
    samples
        How many coalitions of units are scored for each sample, half of them the complements of the others.
    seed
        Of the coalitions.
    """
    check_count("samples", samples)
    return Rival(f"KernelSHAP, {samples} samples", partial(_regressed, _shapley, samples, seed), samples / 2, (seed,))


def lime(samples: int = 200, width: float = 0.25, ridge: float = 1.0, seed: int = 0) -> Rival:
    """Return LIME (Ribeiro et al. 2016, KDD): a ridge regression of the score on which units are kept.

    Parameters
    ----------
    samples
        How many subsets of units are scored for each sample.
    width
        Of the kernel ``exp(-d^2 / (2 width^2))`` of the cosine distance d to the sample, as lime has it.
    ridge
        The penalty of the regression.
    seed
        Of the subsets.
    """
    check_count("samples", samples)
    fit = partial(_local, width=width, ridge=ridge)
    explain = partial(_regressed, fit, samples, seed)
    return Rival(f"LIME, {samples} samples", explain, samples / 2, (width, ridge, seed))


def _present(of: Problem) -> Tensor:
    """Return which units differ from the reference, B x U: only they can matter."""
    present = []
    for d in of.difference:
        units = of.units_of(d)
        counts = d.new_zeros(len(d), int(units.max()) + 1)
        counts.index_add_(1, units.expand(d.shape[1:]).flatten(), (d != 0).flatten(1).to(d))
        present.append(counts > 0)
    return torch.stack(present).any(0)


def _kept(of: Problem, kept: Tensor) -> list[Tensor]:
    """Return the inputs where units are kept, B x U, and the references elsewhere."""
    return [torch.where(kept[:, of.units_of(x)], x, r) for x, r in zip(of.inputs, of.references, strict=True)]


@torch.no_grad()
def _occlusion(of: Problem) -> Tensors:
    present = _present(of)
    intact, relevance = of.score(*of.inputs), torch.zeros(present.shape, dtype=torch.float64)
    for unit in present.any(0).nonzero()[:, 0].tolist():
        kept = torch.ones_like(present)
        kept[:, unit] = False
        relevance[:, unit] = (intact - of.score(*_kept(of, kept))).double().cpu()
    return as_inputs(of, relevance)


@torch.no_grad()
def _mutagenesis(of: Problem) -> Tensors:
    x = of.inputs[0]
    intact, relevance = of.score(x), torch.zeros(x.shape[:2], dtype=torch.float64)
    for unit in range(x.shape[1]):
        for turn in range(1, x.shape[2]):
            mutant = x.clone()
            mutant[:, unit] = x[:, unit].roll(turn, -1)  # each other letter once
            relevance[:, unit] += (intact - of.score(mutant)).double().cpu() / (x.shape[2] - 1)
    return (x * relevance.to(x)[:, :, None],)


Fit = Callable[[np.ndarray, np.ndarray, float, float], np.ndarray]
"""From coalitions, their scores, and those of all and of no units, to the relevance of each unit."""


@torch.no_grad()
def _regressed(fit: Fit, samples: int, seed: int, of: Problem) -> Tensors:
    """Score random coalitions of each sample's units, all samples at once, and regress the scores on them."""
    present = _present(of).cpu().numpy()
    device = of.inputs[0].device
    random = np.random.default_rng(seed)
    draw = _coalitions if fit is _shapley else _subsets
    masks = np.zeros((samples, *present.shape), bool)
    for row, units in enumerate(present):
        masks[:, row, units] = draw(random, samples, int(units.sum()))
    scores = [of.score(*_kept(of, torch.as_tensor(mask, device=device))).double().cpu().numpy() for mask in masks]
    of_all = of.score(*of.inputs).double().cpu().numpy()
    of_none = of.score(*of.references).double().cpu().numpy()

    relevance = np.zeros(present.shape)
    for row, units in enumerate(present):
        if units.any():
            of_row = np.array([score[row] for score in scores])
            relevance[row, units] = fit(masks[:, row, units].astype(float), of_row, of_all[row], of_none[row])
    return as_inputs(of, torch.as_tensor(relevance))


def _coalitions(random: np.random.Generator, samples: int, n: int) -> np.ndarray:
    """Draw coalitions by Shapley's kernel: sizes s with probability ``1 / (s (n - s))``, in pairs of complements."""
    if n < 2:
        return np.ones((samples, n), bool)
    sizes = np.arange(1, n)
    chances = 1 / (sizes * (n - sizes))
    drawn = random.choice(sizes, (samples + 1) // 2, p=chances / chances.sum())
    half = random.random((len(drawn), n)).argsort(1).argsort(1) < drawn[:, None]
    return np.concatenate([half, ~half])[:samples]


def _subsets(random: np.random.Generator, samples: int, n: int) -> np.ndarray:
    """Draw subsets as LIME does: of each size equally often."""
    removed = random.integers(1, n + 1, samples) if n else np.zeros(samples, int)
    return random.random((samples, n)).argsort(1).argsort(1) >= removed[:, None]


def _shapley(kept: np.ndarray, scores: np.ndarray, of_all: float, of_none: float) -> np.ndarray:
    """Fit values that sum to the difference of the scores of all and of no units (Covert and Lee 2021, eq. 9)."""
    total, share = of_all - of_none, kept.mean(1)
    # Equal parts of the total, and what differs from them: it sums to 0, as do the rows of the design. Where there are
    # too few coalitions, it is the smallest solution, in which all units count alike.
    values, *_ = np.linalg.lstsq(kept - share[:, None], scores - of_none - share * total, rcond=None)
    return total / kept.shape[1] + values


def _local(
    kept: np.ndarray, scores: np.ndarray, of_all: float, of_none: float, *, width: float, ridge: float
) -> np.ndarray:
    from sklearn.linear_model import Ridge

    distance = 1 - np.sqrt(kept.mean(1))  # the cosine distance to a vector of ones
    weights = np.exp(-((distance / width) ** 2) / 2)
    design, goal = np.vstack([kept, np.ones(kept.shape[1])]), np.append(scores, of_all)
    return Ridge(alpha=ridge).fit(design, goal, sample_weight=np.append(weights, 1.0)).coef_
