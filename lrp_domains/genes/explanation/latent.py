"""What happens inside a network: which of its hidden units carry a group, and which genes drive a unit."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from torch import Tensor

from ... import ATTN_LRP, RuleSet, capture
from ... import relevance as core_relevance
from ..cohorts.expression import dense_batch
from ..errors import CohortError, choices
from ..models.evaluation_mode import evaluation_mode
from ..models.model import GeneModel, outputs
from ..models.reading import Read
from .plan import Plan, plan
from .target import PREDICTED, score_of


def latent_relevance(
    adata: AnnData,
    model: GeneModel,
    module: str,
    *,
    heads: int | None = None,
    network: int | None = None,
    target: str = PREDICTED,
    score: str = "log-odds",
    rules: RuleSet = ATTN_LRP,
    groupby: str | None = None,
    gene_column: str | None = None,
    batch_size: int | str = "auto",
    device: str = "auto",
) -> pd.DataFrame:
    """Tell which units of a hidden layer carry each group.

    Parameters
    ----------
    adata, target, score, rules, groupby, gene_column, batch_size, device
        As in `relevance`.
    model
        Units of different networks are not the same units, so one network is looked at: see `network`.
    module
        The name of a module, as in ``dict(network.named_modules())``. Its units are the last axis of what it returns:
        hidden neurons, latent dimensions; other axes (tokens) are summed over.
    heads
        The units are so many equal parts of the last axis: the heads of an attention layer's output, such as that of
        ``bert.encoder.layer.0.attention.self``.
    network
        The number of one of the model's networks, over all folds. Needn't be given where there is only one. Only cells
        that it has not seen are looked at.

    Returns
    -------
    One row per group and unit: ``group``, ``unit``, ``relevance`` (mean over the group's counted cells), ``share`` (of
    the group's mean score), ``cells``; the most relevant first within each group.
    """
    planned = plan(
        adata, _one(model, network), target=target, score=score, rules=rules, groupby=groupby, gene_column=gene_column,
        batch_size=batch_size, device=device,
    )  # fmt: skip
    sums: dict[int, np.ndarray] = {}
    totals, cells = np.zeros(len(planned.groups)), np.zeros(len(planned.groups))
    for part in _parts(planned, model, network, module):
        (held,) = core_relevance(part.score, [part.hidden], rules=rules)
        held = _units(held, heads, module).sum(-1)
        held = held.flatten(1, -2).sum(1) if held.ndim > 2 else held
        held = held[torch.as_tensor(part.counted, device=held.device)]
        for group in np.unique(part.group):
            here = part.group == group
            own = held[torch.as_tensor(here, device=held.device)].double().sum(0).cpu().numpy()
            sums[group] = sums.get(group, 0) + own
            totals[group] += part.score.detach().double().cpu().numpy()[here].sum()
            cells[group] += here.sum()
    tables = [
        pd.DataFrame(
            {
                "group": planned.groups[group],
                "unit": np.arange(len(total)),
                "relevance": total / cells[group],
                "share": total / totals[group],
                "cells": int(cells[group]),
            }
        ).sort_values("relevance", ascending=False, kind="stable")
        for group, total in sorted(sums.items())
    ]
    return pd.concat(tables, ignore_index=True)


def genes_of_unit(
    adata: AnnData,
    model: GeneModel,
    module: str,
    unit: int,
    *,
    heads: int | None = None,
    network: int | None = None,
    target: str = PREDICTED,
    score: str = "log-odds",
    rules: RuleSet = ATTN_LRP,
    groupby: str | None = None,
    gene_column: str | None = None,
    batch_size: int | str = "auto",
    device: str = "auto",
) -> pd.DataFrame:
    """Tell which genes drive a hidden unit: the relevance that reaches genes through this unit alone.

    The unit starts with the relevance that it has for the cell's score, all other units with none. Over all units of a
    layer that everything passes through, this adds up to the genes' whole relevance (Achtibat et al. 2023, Nature
    Machine Intelligence 5:1006, conditional relevance).

    Parameters
    ----------
    unit
        Its number, on the last axis of what `module` returns, or that of a head.

    Returns
    -------
    One row per group and gene: ``group``, ``gene``, ``relevance`` (mean over the group's counted cells), ``cells``; the
    most relevant first within each group.
    """
    planned = plan(
        adata, _one(model, network), target=target, score=score, rules=rules, groupby=groupby, gene_column=gene_column,
        batch_size=batch_size, device=device,
    )  # fmt: skip
    present = planned.present
    sums = np.zeros((len(planned.groups), len(present)))
    cells = np.zeros(len(planned.groups))
    for part in _parts(planned, model, network, module):
        units = _units(part.hidden, heads, module)
        if not 0 <= unit < units.shape[-2]:
            raise CohortError(f"'{module}' has {units.shape[-2]} units, numbered from 0; there is no unit {unit}")
        (held,) = core_relevance(part.score, [part.hidden], rules=rules, retain_graph=True)
        start = _units(held, heads, module)[..., unit, :].detach()
        through = core_relevance(units[..., unit, :], list(part.read.sources), rules=rules, start=start)
        genes = part.read.per_gene(through).detach().double().cpu().numpy()[:, present]
        np.add.at(sums, part.group, genes[part.counted])
        np.add.at(cells, part.group, 1)
    names = planned.room().genes
    tables = [
        pd.DataFrame({"group": group, "gene": names, "relevance": sums[i] / cells[i], "cells": int(cells[i])})
        .sort_values("relevance", ascending=False, kind="stable")
        for i, group in enumerate(planned.groups)
        if cells[i]
    ]  # fmt: skip
    return pd.concat(tables, ignore_index=True)


@dataclass(frozen=True)
class _Part:
    """Some cells on their way through one network; `group` and `score` are of the counted ones."""

    read: Read
    hidden: Tensor
    score: Tensor
    group: np.ndarray
    counted: np.ndarray


def _parts(planned: Plan, model: GeneModel, number: int | None, module: str) -> Iterator[_Part]:
    network = planned.model.networks[0][0]
    known = [name for name, _ in network.named_modules() if name]
    if module not in known:
        raise CohortError(f"the network has no module '{module}'; {choices(module, known)}")
    folds, fold = model.fold_of(planned.expression.cells), _fold_of_network(model, number)
    like = planned.model.values_like(network)
    for chunk in planned.expression.chunks(planned.size):
        here = slice(chunk.start, chunk.stop)
        rows = np.flatnonzero((folds[here] == fold) | (folds[here] < 0))
        if not len(rows):
            continue
        with evaluation_mode(network), torch.enable_grad(), capture(network, module) as kept:
            read = planned.model.reading(network, dense_batch(chunk.values, rows, like))
            logits = outputs(planned.model, network, read.outputs)
        if len(kept) != 1:
            raise CohortError(f"the module '{module}' is called {len(kept)} times; name one that is called once")
        target = logits.detach().argmax(1)
        if not isinstance(planned.target, str):
            target = torch.as_tensor(planned.target[chunk.start + rows], device=like.device)
        group = target.cpu().numpy() if planned.labels is None else planned.labels.cat.codes.to_numpy()[here][rows]
        counted = planned.counted(group, target.cpu().numpy())
        if counted.any():
            score = score_of(logits, target, planned.score)[torch.as_tensor(counted, device=like.device)]
            yield _Part(read, _of(kept, counted), score, group[counted].astype(np.int64), counted)


def _units(hidden: Tensor, heads: int | None, module: str) -> Tensor:
    """Cut the last axis into units x what belongs to each: one number, or a head's."""
    size = hidden.shape[-1]
    if heads is None:
        return hidden[..., None]
    if heads < 1 or size % heads:
        raise CohortError(f"the {size} numbers of '{module}' are not {heads} heads of one size; name a divisor")
    return hidden.unflatten(-1, (heads, size // heads))


def _of(kept: dict[str, Tensor], counted: np.ndarray) -> Tensor:
    """Give the hidden layer itself, whose relevance is asked for; rows that don't count have none in the score."""
    (hidden,) = kept.values()
    if hidden.ndim < 2 or len(hidden) != len(counted):
        raise CohortError(f"the module returns shape {tuple(hidden.shape)}, not cells x units")
    return hidden


def _one(model: GeneModel, number: int | None) -> GeneModel:
    """Give a model of one network."""
    if number is None and model.n_networks > 1:
        raise CohortError(
            f"the model has {model.n_networks} networks, whose units are not the same; name one: network=0 to "
            f"{model.n_networks - 1}"
        )
    number = number or 0
    if not 0 <= number < model.n_networks:
        raise CohortError(f"there is no network {number}; the model's are numbered 0 to {model.n_networks - 1}")
    return replace(model, networks=((dict(model.unseen(-1))[number],),), folds=None)


def _fold_of_network(model: GeneModel, number: int | None) -> int:
    if model.folds is None:
        return -1
    sizes = np.cumsum([len(members) for members in model.networks])
    return int(np.searchsorted(sizes, number or 0, side="right"))
