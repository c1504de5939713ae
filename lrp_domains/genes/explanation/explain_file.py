"""Explaining a cohort from file to file, in constant memory; an interrupted pass goes on where it stopped."""

from dataclasses import replace
from pathlib import Path

from anndata import AnnData

from ... import ATTN_LRP, RuleSet
from ...domain.files import remove_abandoned, whole_file
from .. import slots
from ..cohorts.cohort import open_cohort
from ..cohorts.writing import append, copied, write_tables
from ..errors import CohortError
from ..models.model import GeneModel
from .explain import Books
from .explain_adata import Progress, explained_parts, forget, provenance, quietly, write_cells
from .group_statistics import GroupStatistics
from .plan import Plan, plan
from .resume import Parts, key_of
from .target import PREDICTED


def relevance_on_disk(
    path: str | Path,
    model: GeneModel,
    out: str | Path,
    *,
    target: str = PREDICTED,
    against: str | None = None,
    score: str = "log-odds",
    rules: RuleSet = ATTN_LRP,
    layer: str | None = slots.RELEVANCE,
    first: int = 0,
    groupby: str | None = None,
    donor: str | None = None,
    gene_column: str | None = None,
    batch_size: int | str = "auto",
    device: str = "auto",
    progress: Progress = quietly,
    resume: bool = True,
    copy: bool = True,
) -> GroupStatistics:
    """Explain every cell of a cohort on disk, and write the cohort with their relevance.

    Parameters
    ----------
    path
        An ``.h5ad`` file or a ``.zarr`` folder.
    model
        As in `relevance`; so are all other parameters.
    out
        The ``.h5ad`` file or ``.zarr`` folder to write: what `path` holds, and what `relevance` writes, its layer
        appended piece by piece. It appears whole or not at all; until then finished cells lie in a hidden folder
        beside it, which takes as much room as the layer.
    resume
        Go on where the same call was interrupted; otherwise start afresh.
    copy
        Write all that `path` holds; otherwise only its tables (``obs``, ``var``, ``obsm``, ``uns``): a small file, from
        which genes can be ranked, but not shown beside their expression.

    Returns
    -------
    The sums over groups, which are also in ``uns["lrp_groups"]``.

    Raises
    ------
    CohortError
        As `relevance`; and where reading or writing fails. What is explained then stays for the next call.
    """
    path, out = Path(path), Path(out)
    if out.suffix not in (".h5ad", ".zarr"):
        raise CohortError(f"'{out}' should end in .h5ad or .zarr")
    if path.resolve() == out.resolve():
        raise CohortError(f"'{out}' is the cohort itself; write to another file")
    with open_cohort(path) as adata:
        planned = plan(
            adata, model, target=target, against=against, score=score, rules=rules, first=first, groupby=groupby,
            donor=donor, gene_column=gene_column, batch_size=batch_size, device=device,
        )  # fmt: skip
        try:
            return _explain(adata, planned, path, out, layer, progress, resume, copy)
        except (OSError, RuntimeError) as error:
            if not (isinstance(error, OSError) or "nable to" in str(error)):  # h5py raises both, of a full disk
                raise
            raise CohortError(
                f"'{out}' could not be written: {_reason(error)}. What is explained so far is kept: once there is "
                "room and leave to write, the same call goes on from there"
            ) from error


def _explain(
    adata: AnnData,
    planned: Plan,
    path: Path,
    out: Path,
    layer: str | None,
    progress: Progress,
    resume: bool,
    copy: bool,
) -> GroupStatistics:
    statistics, books = planned.room(), Books()
    parts = Parts(out.with_name(f".{out.name}.parts"), key_of(path, planned, layer))
    remove_abandoned(out)
    if not resume:
        parts.clear()
    start = parts.resume(statistics, books)
    for cells in explained_parts(planned, statistics, books, progress, start):
        kept = cells if layer is not None else replace(cells, rows=None)
        parts.add(kept, statistics, books, last=cells.stop == planned.expression.n_cells)
    genes = len(planned.expression.genes)
    forget(adata)
    write_cells(adata, planned, list(parts.read(genes, rows=False)))
    adata.uns[slots.GROUPS] = statistics.to_slot()
    adata.uns[slots.PROVENANCE] = provenance(planned, books, layer)
    with whole_file(out) as temporary, copied(path if copy else None, temporary, out.suffix, adata) as group:
        write_tables(group, adata)
        for outdated in {slots.RELEVANCE, layer}.intersection(group["layers"]):
            del group[f"layers/{outdated}"]
        if layer is not None:
            pieces = (cells.rows for cells in parts.read(genes, rows=True))
            append(group, f"layers/{layer}", pieces, (planned.expression.n_cells, genes))
    parts.remove()
    return statistics


def _reason(error: Exception) -> str:
    """Say in a few words what the system said; h5py puts it in the middle of many."""
    said = str(error)
    if "error message = '" in said:
        return said.split("error message = '")[1].split("'")[0]
    return getattr(error, "strerror", None) or said.splitlines()[0]
