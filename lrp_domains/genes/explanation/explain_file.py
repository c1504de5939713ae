"""Explaining a cohort from file to file, in constant memory; an interrupted run resumes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from anndata import AnnData

from ...domain import (
    Account,
    NotWritten,
    Progress,
    no_progress,
    reason,
    require_space,
    resumable,
    size_on_disk,
    unchanged,
    whole_file,
)
from .. import slots
from ..cohorts.cohort import open_cohort
from ..cohorts.writing import append, copied, write_tables
from ..errors import CohortError
from ..models.model import GeneModel
from .explain import explain_cells
from .explained_from import SHA256, checked_sha256
from .group_statistics import GroupStatistics
from .plan import Plan, make_plan
from .request import Explanation, check_layer, requested
from .results_in_adata import write_results
from .resume import Parts, key_of
from .space import bytes_to_write


def relevance_on_disk(
    path: str | Path,
    model: GeneModel,
    out: str | Path,
    explanation: Explanation | None = None,
    *,
    layer: str | None = slots.RELEVANCE,
    progress: Progress = no_progress,
    resume: bool = True,
    copy: bool = True,
    check: str | Path | None = None,
    **settings: object,
) -> GroupStatistics:
    """Explain every cell of a cohort on disk, and write the cohort with their relevance.

    Parameters
    ----------
    path
        An ``.h5ad`` file or a ``.zarr`` folder.
    model, explanation, layer, progress, **settings
        As in `relevance`.
    out
        The ``.h5ad`` file or ``.zarr`` folder to write: the content of `path` and the results that `relevance` writes,
        with the layer appended piece by piece. It appears whole or not at all; until then finished cells are kept in a
        hidden folder next to it, which takes as much space as the layer. Against the mean of a group, of donors or of
        the cohort the layer is dense: 4 bytes per cell and gene.
    resume
        Resume an interrupted run of the same call; otherwise start from the beginning.
    copy
        Copy everything in `path`; otherwise only its tables (``obs``, ``var``, ``obsm``, ``uns``). The file is then
        small, and genes can be ranked from it, but not compared with their expression.
    check
        The summary of ``lrp-domains genes check``, to make sure that the cohort hasn't changed since.

    Returns
    -------
    The sums over groups, which are also in ``uns["lrp_groups"]``.

    Raises
    ------
    CohortError
        As in `relevance`; if reading or writing fails, or will for lack of space; and if the cohort has changed since
        it was checked, or changes meanwhile. Finished cells are kept for the next call.
    """
    path, out, request = Path(path), Path(out), requested(explanation, settings)
    if out.suffix not in (".h5ad", ".zarr"):
        raise CohortError(f"'{out}' should end in .h5ad or .zarr")
    if path.resolve() == out.resolve():
        raise CohortError(f"'{out}' is the cohort itself; write to another file")

    check_layer(layer, model.expects.layer)

    verify, sha256 = unchanged({"cohort": path}, check), checked_sha256(check)
    require_space(out)
    with open_cohort(path) as adata:
        plan = make_plan(adata, model, request, progress=progress)
        source = path if copy else None
        kept = size_on_disk(out.with_name(f".{out.name}.parts"))
        require_space(out, bytes_to_write(plan, source, layer=layer is not None) - kept)
        try:
            with resumable(out, key_of(path, plan, layer), resume=resume) as folder:
                parts = Parts(folder, statistics=plan.empty_statistics(), account=Account())
                _explain(plan, parts, keep_rows=layer is not None, progress=progress)
                verify()
                _write(adata, plan, parts, source=source, out=out, layer=layer, verify=verify, sha256=sha256)
                return parts.statistics
        except (NotWritten, OSError) as error:
            why = error.why if isinstance(error, NotWritten) else reason(error)
            raise CohortError(
                f"'{out}' could not be written: {why}. What is explained so far is kept; rerun the same call to resume"
            ) from error


def _explain(plan: Plan, parts: Parts, *, keep_rows: bool, progress: Progress) -> None:
    """Explain the cells that are not yet among the finished parts."""
    starts = progress(plan.starts(parts.resume()), "Explaining")
    for cells in explain_cells(plan, parts.statistics, parts.account, starts=starts):
        kept = cells if keep_rows else replace(cells, rows=None)
        parts.add(kept, last=cells.stop == plan.expression.n_cells)


def _write(
    adata: AnnData,
    plan: Plan,
    parts: Parts,
    *,
    source: Path | None,
    out: Path,
    layer: str | None,
    verify: Callable[[], None],
    sha256: str,
) -> None:
    """Write the cohort with its results, if it is unchanged; `source` is None to write only its tables."""
    genes = len(plan.expression.genes)
    cells = list(parts.read(genes, rows=False))
    write_results(adata, plan, cells, statistics=parts.statistics, account=parts.account, layer=layer)
    if sha256:
        adata.uns[slots.PROVENANCE][SHA256] = sha256
    with whole_file(out) as temporary, copied(source, temporary, suffix=out.suffix, adata=adata) as group:
        verify()  # what was copied is what was explained
        write_tables(group, adata)
        for outdated in {slots.RELEVANCE, layer}.intersection(group["layers"]):
            del group[f"layers/{outdated}"]
        if layer is not None:
            pieces = (part.rows for part in parts.read(genes, rows=True))
            append(group, f"layers/{layer}", pieces, shape=(plan.expression.n_cells, genes))
