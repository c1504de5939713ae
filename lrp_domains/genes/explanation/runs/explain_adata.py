"""Explaining a cohort in memory: relevance of each gene in each cell, written where scverse tools look for it."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from anndata import AnnData
from scipy import sparse

from ....domain import Account, Progress, no_progress
from ... import slots
from ...models.model import GeneModel
from ..cells.explain import explain_cells
from ..cells.half_precision import with_distance
from ..requests.plan import make_plan
from ..requests.request import Explanation, check_layer, requested
from ..results.explained_cells import ExplainedCells
from ..results.group_statistics import GroupStatistics
from .header import header_of
from .results_in_adata import write_results


def relevance(
    adata: AnnData,
    model: GeneModel,
    explanation: Explanation | None = None,
    *,
    layer: str | None = slots.RELEVANCE,
    progress: Progress = no_progress,
    **settings: object,
) -> GroupStatistics:
    """Explain every cell by networks that have not seen it, and write the relevance of its genes to `adata`.

    Parameters
    ----------
    adata
        The cohort. The slots below are written; nothing else changes, except that the label column becomes
        categorical, as in scanpy's tools.
    model
        From `train`, `load_model`, or `gene_model` for your own network.
    explanation
        What to explain; ``Explanation()`` if None.
    layer
        The layer to write relevance to; None to keep only sums over groups.
    progress
        Wraps an iteration, such as ``rich.progress.track``.
    **settings
        The fields of an `Explanation`, in place of one: ``target``, ``against``, ``score``, ``rules``, ``top``,
        ``groupby``, ``donor``, ``reference``, ``gene_column``, ``batch_size``, ``precision``, ``device``.

    Returns
    -------
    The sums over groups that `rank` needs, which are also in ``uns["lrp_groups"]``.

    Notes
    -----
    Written: ``layers["lrp"]`` (relevance; CSR with the entries of the expression where that is sparse), ``obs`` columns
    ``lrp_predicted``, ``lrp_target``, ``lrp_score``, ``lrp_rest`` (score minus the sum of the cell's relevance: the
    relevance of biases, and the residue) and ``lrp_fold``; ``uns["lrp"]`` (provenance, and the ledger of the whole
    cohort); with `top`, ``obsm["lrp_first_genes"]`` and ``obsm["lrp_first_values"]``.

    With a reference, also the ``obs`` column ``lrp_reference_score``; ``lrp_rest`` is then the difference of the two
    scores minus the sum of the cell's relevance, and so are the sums of the ledger. Against a mean the layer is dense:
    it takes 4 bytes per cell and gene, so keep large cohorts on disk (`relevance_on_disk`), or pass ``layer=None``.

    Examples
    --------
    >>> relevance(adata, model, target="labelled")
    """
    check_layer(layer, model.expects.layer)
    plan = with_distance(make_plan(adata, model, requested(explanation, settings), progress=progress))
    statistics, account = plan.empty_statistics(), Account()
    explained = explain_cells(plan, statistics, account, progress=progress)
    cells = list(explained if layer is not None else _without_rows(explained))

    write_results(adata, header_of(plan, layer), cells, statistics=statistics, account=account)
    if layer is not None:
        matrices = [part.rows for part in cells]
        adata.layers[layer] = (
            sparse.vstack(matrices, format="csr") if sparse.issparse(matrices[0]) else np.concatenate(matrices)
        )
    return statistics


def _without_rows(cells: Iterable[ExplainedCells]) -> Iterator[ExplainedCells]:
    """Drop the relevance of single cells chunk by chunk, so that it is never in memory as a whole."""
    for part in cells:
        yield replace(part, rows=None)
