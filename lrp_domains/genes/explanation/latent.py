"""The inside of a network: which of its hidden neurons carry a group, and which genes drive a neuron."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from torch import Tensor

from ... import capture
from ... import relevance as core_relevance
from ...domain import Read, check_choice
from ..cohorts.values.expression import dense_batch, keys_of
from ..cohorts.values.training_cells import warn_of_namesakes
from ..errors import CohortError
from ..models.model import GeneModel
from .cells.batch import logits_of
from .requests.plan import Plan, make_plan
from .requests.request import Explanation, requested


def latent_relevance(
    adata: AnnData,
    model: GeneModel,
    module: str,
    explanation: Explanation | None = None,
    *,
    heads: int | None = None,
    network: int | None = None,
    **settings: object,
) -> pd.DataFrame:
    """Compute the relevance of the neurons of a hidden layer for each group.

    Parameters
    ----------
    adata, explanation, **settings
        As in `relevance`, without a reference.
    model
        Neurons of different networks don't correspond, so a single network is explained: see `network`.
    module
        The name of a module, as in ``dict(network.named_modules())``. Its neurons are the last axis of its output:
        hidden neurons, latent dimensions; other axes (tokens) are summed over.
    heads
        Split the last axis into this many equal parts, which take the place of neurons: the heads of an attention
        layer's output, such as that of ``bert.encoder.layer.0.attention.self``.
    network
        The number of one of the model's networks, over all folds; not required if there is only one. Only cells that
        it has not seen are explained.

    Returns
    -------
    One row per group and neuron: ``group``, ``neuron``, ``relevance`` (mean over the group's counted cells), ``share``
    (of the group's mean score), ``cells``; the most relevant first within each group.
    """
    request = _of_scores(explanation, settings)
    plan = _plan(adata, model, request, number=network)
    sums: dict[int, np.ndarray] = {}
    totals, cells = np.zeros(len(plan.groups)), np.zeros(len(plan.groups))
    for batch in _batches(plan, module, fold=_fold_of(model, network)):
        (relevance,) = core_relevance(batch.score, [batch.hidden], rules=plan.request.rule_set)
        relevance = _by_neuron(relevance, heads, module).sum(-1)
        relevance = relevance.flatten(1, -2).sum(1) if relevance.ndim > 2 else relevance
        relevance = relevance[torch.as_tensor(batch.counted, device=relevance.device)]
        scores = batch.score.detach().double().cpu().numpy()
        for group in np.unique(batch.group):
            members = batch.group == group
            added = relevance[torch.as_tensor(members, device=relevance.device)].double().sum(0).cpu().numpy()
            sums[group] = sums.get(group, 0) + added
            totals[group] += scores[members].sum()
            cells[group] += members.sum()

    tables = [
        pd.DataFrame(
            {
                "group": plan.groups[group],
                "neuron": np.arange(len(total)),
                "relevance": total / cells[group],
                "share": total / totals[group],
                "cells": int(cells[group]),
            }
        ).sort_values("relevance", ascending=False, kind="stable")
        for group, total in sorted(sums.items())
    ]
    return pd.concat(tables, ignore_index=True)


def genes_of_neuron(
    adata: AnnData,
    model: GeneModel,
    module: str,
    neuron: int,
    explanation: Explanation | None = None,
    *,
    heads: int | None = None,
    network: int | None = None,
    **settings: object,
) -> pd.DataFrame:
    """Compute the relevance that reaches genes through a single hidden neuron.

    The neuron starts with its relevance for the cell's score, all other neurons with none. Over all neurons of a layer
    that everything passes through, this sums to the whole relevance of the genes (Achtibat et al. 2023, Nature Machine
    Intelligence 5:1006, conditional relevance).

    Parameters
    ----------
    neuron
        Its number on the last axis of the output of `module`, or the number of a head.
    adata, model, module, explanation, heads, network, **settings
        As in `latent_relevance`.

    Returns
    -------
    One row per group and gene: ``group``, ``gene``, ``relevance`` (mean over the group's counted cells), ``cells``; the
    most relevant first within each group.
    """
    request = _of_scores(explanation, settings)
    plan = _plan(adata, model, request, number=network)
    rules, present = plan.request.rule_set, plan.present
    sums, cells = np.zeros((len(plan.groups), len(present))), np.zeros(len(plan.groups))
    for batch in _batches(plan, module, fold=_fold_of(model, network)):
        neurons = _by_neuron(batch.hidden, heads, module)
        if not 0 <= neuron < neurons.shape[-2]:
            raise CohortError(
                f"'{module}' has {neurons.shape[-2]} neurons, numbered from 0; there is no neuron {neuron}"
            )
        (relevance,) = core_relevance(batch.score, [batch.hidden], rules=rules, retain_graph=True)
        start = _by_neuron(relevance, heads, module)[..., neuron, :].detach()
        through = core_relevance(neurons[..., neuron, :], list(batch.read.sources), rules=rules, start=start)
        genes = batch.read.per_unit(through).detach().double().cpu().numpy()[:, present]
        np.add.at(sums, batch.group, genes[batch.counted])
        np.add.at(cells, batch.group, 1)

    tables = [
        pd.DataFrame({"group": group, "gene": plan.genes, "relevance": sums[i] / cells[i], "cells": int(cells[i])})
        for i, group in enumerate(plan.groups)
        if cells[i]
    ]
    return pd.concat(
        [table.sort_values("relevance", ascending=False, kind="stable") for table in tables], ignore_index=True
    )


@dataclass(frozen=True)
class _Batch:
    """Some cells in one network; `group` and `score` are only those of the counted ones."""

    read: Read[Tensor]
    hidden: Tensor
    score: Tensor
    group: np.ndarray
    counted: np.ndarray


def _batches(plan: Plan, module: str, *, fold: int) -> Iterator[_Batch]:
    """Yield the cells that the network of a fold has not seen, batch by batch."""
    ((network,),) = plan.computing.networks
    check_choice("module", module, [name for name, _ in network.named_modules() if name])
    like, namesakes = plan.computing.values_like(network), 0
    for chunk in plan.expression.chunks(plan.size):
        namesakes += plan.expression.namesakes(chunk)
        chosen = np.flatnonzero((chunk.folds == fold) | (chunk.folds < 0))
        if not len(chosen):
            continue
        with torch.enable_grad(), capture(network, module) as captured:
            read, logits = logits_of(plan, network, dense_batch(chunk.values, chosen, like))
        if len(captured) != 1:
            raise CohortError(f"the module '{module}' is called {len(captured)} times; name one that is called once")

        target = plan.targets(chunk.start + chosen, logits.detach().argmax(1))
        group = plan.group_of(chunk.start + chosen, target.cpu().numpy())
        counted = plan.counted(group, target.cpu().numpy())
        if counted.any():
            score = plan.scores(logits, target)[torch.as_tensor(counted, device=like.device)]
            hidden = _hidden_layer(captured, cells=len(chosen))
            yield _Batch(read, hidden, score=score, group=group[counted], counted=counted)
    warn_of_namesakes(namesakes, plan.expression.n_cells)


def _by_neuron(hidden: Tensor, heads: int | None, module: str) -> Tensor:
    """Split the last axis into neurons x the numbers of each: one, or those of a head."""
    size = hidden.shape[-1]
    if heads is None:
        return hidden[..., None]
    if heads < 1 or size % heads:
        raise CohortError(f"the {size} numbers of '{module}' can't be split into {heads} equal heads; use a divisor")
    return hidden.unflatten(-1, (heads, size // heads))


def _hidden_layer(captured: dict[str, Tensor], *, cells: int) -> Tensor:
    """Return the captured output of the hidden layer after checking its shape.

    It has the rows of all cells, because those that don't count have no share in the score.
    """
    (hidden,) = captured.values()
    if hidden.ndim < 2 or len(hidden) != cells:
        raise CohortError(f"the module returns shape {tuple(hidden.shape)}, not cells x neurons")
    return hidden


def _of_scores(explanation: Explanation | None, settings: Mapping[str, object]) -> Explanation:
    """Return a request; raise if it has a reference, or a rival in the place of rules."""
    request = requested(explanation, settings)
    if request.rival is not None:
        raise CohortError(f"{request.rival.name} explains no hidden neurons; pass a rule set, or leave out rules")
    if request.reference is not None:
        raise CohortError(
            "latent_relevance and genes_of_neuron explain scores themselves, not differences from a reference; leave "
            "out reference, or explain genes against it with relevance"
        )
    return request


def _single_network(model: GeneModel, number: int | None) -> GeneModel:
    """Return a model that consists of one of the networks."""
    if number is None and model.n_networks > 1:
        raise CohortError(
            f"the model has {model.n_networks} networks, whose neurons don't correspond; choose one: network=0 to "
            f"{model.n_networks - 1}"
        )
    number = number or 0
    if not 0 <= number < model.n_networks:
        raise CohortError(f"there is no network {number}; the model's are numbered 0 to {model.n_networks - 1}")
    return replace(model, networks=((dict(model.unseen(-1))[number],),), training_cells=None)


def _plan(adata: AnnData, model: GeneModel, request: Explanation, *, number: int | None) -> Plan:
    """Return the plan of one of the model's networks, which knows the cells that all of them were trained on."""
    plan = make_plan(adata, _single_network(model, number), request)
    if model.training_cells is None:
        return plan
    keys = keys_of(model.expects, plan.expression.alignment)
    return replace(plan, expression=replace(plan.expression, keys=keys, training_cells=model.training_cells))


def _fold_of(model: GeneModel, number: int | None) -> int:
    """Return the fold of a network, whose cells it has not seen."""
    ends = np.cumsum([len(members) for members in model.networks])
    return int(np.searchsorted(ends, number or 0, side="right"))
