"""Sanity: explanations must change with the model (Adebayo et al. 2018, NeurIPS)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import numpy as np
import pandas as pd
import torch
from torch import nn

from ..domain import DomainError, Progress, no_progress
from .stability import similarity


@contextmanager
def shuffled(model: nn.Module, layers: Sequence[str], seed: int = 0) -> Iterator[None]:
    """Temporarily shuffle the entries of each parameter of some layers, which keeps their distribution.

    Parameters
    ----------
    model
        The model, whose weights are put back at the end.
    layers
        Names of its modules; the parameters of modules within are shuffled too.
    seed
        Of the shuffling.
    """
    random = torch.Generator().manual_seed(seed)
    modules = dict(model.named_modules())
    if unknown := set(layers) - set(modules):
        raise DomainError(f"'{min(unknown)}' is no module of the model")
    parameters = list(dict.fromkeys(parameter for name in layers for parameter in modules[name].parameters()))
    before = [parameter.detach().clone() for parameter in parameters]
    try:
        with torch.no_grad():
            for parameter in parameters:
                order = torch.randperm(parameter.numel(), generator=random).to(parameter.device)
                parameter.copy_(parameter.flatten()[order].view_as(parameter))
        yield
    finally:
        with torch.no_grad():
            for parameter, value in zip(parameters, before, strict=True):
                parameter.copy_(value)


def parameter_randomisation(
    model: nn.Module | Sequence[nn.Module],
    explain: Callable[[], Sequence[np.ndarray]],
    *,
    layers: Sequence[str] | None = None,
    seed: int = 0,
    progress: Progress = no_progress,
) -> pd.DataFrame:
    """Measure how explanations change as the layers of a model are randomised one after the other, from the top.

    Parameters
    ----------
    model
        The model, or the networks of an ensemble, of the same layers, each of which is randomised in all of them; the
        weights are shuffled in place and put back.
    explain
        Returns the relevance of each sample's units, for a target that doesn't depend on the prediction.
    layers
        Names of its modules, from the top, such as a head and blocks of layers; None: all with parameters of their own,
        in reverse order.
    seed
        Of the shuffling.
    progress
        Wraps the iteration over layers.

    Returns
    -------
    One row per layer: ``layer``, the last that was randomised, and ``similarity``, the mean over samples of Spearman's
    correlation between magnitudes of relevance before and after. It should fall, to what the inputs alone cause.
    """
    networks = [model] if isinstance(model, nn.Module) else list(model)
    if not networks:
        raise DomainError("there are no networks to randomise")
    named = [name for name, module in networks[0].named_modules() if any(True for _ in module.parameters())]
    if layers is None:
        modules = dict(networks[0].named_modules())
        layers = [name for name in reversed(named) if any(True for _ in modules[name].parameters(recurse=False))]
    if unknown := set(layers) - set(named):
        raise DomainError(
            f"'{min(unknown)}' is no module with parameters: choose from {', '.join(list(filter(None, named))[:10])}"
        )
    before = explain()
    rows = []
    for count, layer in enumerate(progress(layers, "Randomising"), 1):
        with ExitStack() as stack:
            for number, network in enumerate(networks):
                stack.enter_context(shuffled(network, layers[:count], seed + number))
            rows.append((layer, float(np.nanmean(similarity(before, explain())))))
    return pd.DataFrame(rows, columns=["layer", "similarity"])
