"""Scores of genes and of their decoys, by networks that were trained on both."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from anndata import AnnData
from scipy import sparse
from torch import nn

from ...domain import Account, Progress, no_progress, parameter_of
from ..cohorts.values.input_spec import Expects
from ..cohorts.values.normalisation import Matrix, moments
from ..decoys.scores import DecoyScores, cells_of
from ..decoys.unlinked import unlinked_rows
from ..errors import CohortError
from ..explanation.cells.explain import explain_cells
from ..explanation.requests.plan import make_plan
from ..explanation.requests.request import Explanation
from ..models.model import GeneModel, check_network
from .settings import Training

DECOYS = 0xDEC0  # of the streams of random numbers


def decoy_scores(
    values: Matrix,
    obs: pd.DataFrame,
    expects: Expects,
    *,
    learnt: np.ndarray,
    donors: pd.Series | None,
    folds: np.ndarray,
    of_classes: bool,
    settings: Training,
    train: Callable[..., GeneModel],
    progress: Progress = no_progress,
) -> DecoyScores:
    """Train networks on genes and decoys, draw by draw, and explain their held-out cells.

    Cells are explained as `Explanation` does by default: the log-odds of the predicted class, by networks that have not
    seen the cell. As in every ranking, a cell counts for its group if it was explained for it.

    Parameters
    ----------
    values
        Cells x the model's genes, as it reads them, but for z-scores, which are fitted within each fold.
    obs
        The columns that training reads.
    expects
        What the model expects.
    learnt, donors
        What is learnt of each cell, and its donor; see `unlinked_rows`.
    folds, of_classes
        The fold of each cell, and whether classes are learnt.
    settings
        A `Training`; each draw has another seed, for its folds, its networks and its decoys.
    train
        `lrp_domains.genes.train`, but for the cohort, its normalisation, settings and progress.
    progress
        As in `train`.
    """
    genes = expects.genes
    names = [*genes, *names_of_decoys(genes)]
    # Counts were normalised over all genes of a cell.
    normalisation = "log" if expects.normalisation == "log1p_cp10k" else expects.normalisation
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the same cohort, given before
        scores, groups = [], ()
        for draw in range(settings.decoys):
            shown = _described(progress, f"decoys {draw + 1} of {settings.decoys}")
            rows = unlinked_rows(learnt, donors, generator_of(settings.seed, draw))
            both = sparse.hstack([values, values[rows]], format="csr") if sparse.issparse(values) else None
            cohort = AnnData(
                np.hstack([values, values[rows]]) if both is None else both,
                obs=obs.copy(),
                var=pd.DataFrame(index=names),
            )
            of_draw = replace(settings, seed=settings.seed + 1 + draw)
            model = train(cohort, normalisation=normalisation, training=of_draw, progress=shown)
            groups, means = _mean_relevance(cohort, model, shown)
            scores.append(means)

    stacked = np.stack(scores)
    mean, deviation = moments(values)
    return DecoyScores(
        groups=np.array(groups, dtype=object),
        genes=np.array(genes, dtype=object),
        scores=stacked[:, :, : len(genes)],
        decoys=stacked[:, :, len(genes) :],
        mean=mean,
        deviation=deviation,
        cells=cells_of(folds, pd.Categorical.from_codes(learnt, groups) if of_classes else None),
    )


def check_own_network(make: Callable[[int, int], nn.Module], untrained: GeneModel) -> None:
    """Raise if networks that a user makes don't accept as many decoys as genes.

    Parameters
    ----------
    make
        From the number of genes and of outputs to a new network.
    untrained
        The input and outputs of the model, without networks.
    """
    names = [*untrained.expects.genes, *names_of_decoys(untrained.expects.genes)]
    both = replace(untrained, expects=replace(untrained.expects, genes=tuple(names)))
    with torch.random.fork_rng([]):  # the caller's random numbers continue as if none had been drawn
        network = make(len(names), len(untrained.classes)).eval()
    try:
        check_network(both, network, torch.zeros(2, len(names)).to(parameter_of(network)))
    except CohortError as error:
        raise CohortError(
            f"with fdr networks also read a decoy of each gene, {len(names)} inputs in all, but {error}; make the "
            "network for the number of genes it is called with, or leave out fdr"
        ) from error


def generator_of(seed: int, draw: int) -> np.random.Generator:
    """Return the generator of a draw, whose numbers no other seed has.

    ``default_rng((seed, 0))`` would be ``default_rng(seed)``, by which the labels themselves may have been shuffled.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(DECOYS, draw)))


def names_of_decoys(genes: Sequence[str]) -> list[str]:
    """Return the names of the decoys of some genes; raise if a gene has such a name."""
    names = [f"decoy of {gene}" for gene in genes]
    if both := set(names) & set(genes):
        raise CohortError(f"the cohort has a gene named '{min(both)}', as decoys are; rename it, or leave out fdr")
    return names


def _mean_relevance(cohort: AnnData, model: GeneModel, progress: Progress) -> tuple[tuple[str, ...], np.ndarray]:
    """Return the groups, and the mean relevance over the counted cells of each, groups x genes."""
    device = next(model.networks[0][0].parameters()).device
    plan = make_plan(cohort, model, Explanation(device=device))
    plan = replace(plan, block=np.zeros(cohort.n_obs, np.int64), blocks=np.array(["all"], dtype=object))
    statistics = plan.empty_statistics()
    for _ in explain_cells(plan, statistics, Account(), progress=progress):
        pass
    cells = statistics.counted.sum(0)[:, None]
    total = statistics.sums.sum(0)
    return plan.groups, np.divide(total, cells, out=np.full(total.shape, np.nan), where=cells > 0)


def _described(progress: Progress, which: str) -> Progress:
    """Return a way to show progress that names the draw."""
    return lambda items, description: progress(items, f"{description}, {which}")
