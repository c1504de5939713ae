"""Explaining a cohort from file to file, in constant memory; an interrupted run resumes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from anndata import AnnData

from ....domain import (
    Account,
    Clock,
    Progress,
    no_progress,
    reason,
    require_space,
    resumable,
    size_on_disk,
    unchanged,
    whole_file,
)
from ... import slots
from ...cohorts.cohort import open_cohort
from ...cohorts.files.writing import append, copied, write_tables
from ...errors import CohortError
from ...models.model import GeneModel
from ..cells.explain import explain_cells
from ..cells.half_precision import with_distance
from ..requests.plan import Plan, make_plan
from ..requests.request import Explanation, check_layer, requested
from ..results.group_statistics import GroupStatistics
from .explained_from import checked_sha256
from .header import Header, header_of
from .results_in_adata import write_results
from .resume import Parts, key_of, read_parts
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
    clock: Clock | None = None,
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
    clock
        Counts the seconds of reading, forward, backward, statistics and writing.

    Returns
    -------
    The sums over groups, which are also in ``uns["lrp_groups"]``.

    Raises
    ------
    CohortError
        As in `relevance`; if reading or writing fails, or will for lack of space; and if the cohort has changed since
        it was checked, or changes meanwhile. Finished cells are kept for the next call.
    """
    path, out, request, clock = Path(path), Path(out), requested(explanation, settings), clock or Clock()
    check_written(out, path)
    check_layer(layer, model.expects.layer)

    verify, sha256 = unchanged({"cohort": path}, check, required="cohort"), checked_sha256(check)
    require_space(out)
    with open_cohort(path) as adata, resumed_later(path, out):
        with clock("reading"):
            plan = with_distance(make_plan(adata, model, request, progress=progress))
        source = path if copy else None
        require_parts_space(out, bytes_to_write(plan, source, layer=layer is not None))
        with resumable(out, key_of(path, plan, layer), resume=resume) as folder:
            parts = Parts(folder, statistics=plan.empty_statistics(), account=Account())
            explain_parts(plan, parts, keep_rows=layer is not None, progress=progress, clock=clock)
            verify()
            sums = {"statistics": parts.statistics, "account": parts.account}
            with clock("writing"):
                header = header_of(plan, layer, sha256=sha256)
                write_explained(adata, header, [folder], **sums, source=source, out=out, verify=verify)
            return parts.statistics


def check_written(out: Path, path: Path) -> None:
    """Raise if an explained cohort can't be written to a path."""
    if out.suffix not in (".h5ad", ".zarr"):
        raise CohortError(f"'{out}' should end in .h5ad or .zarr")
    if path.resolve() == out.resolve():
        raise CohortError(f"'{out}' is the cohort itself; write to another file")


def require_parts_space(out: Path, needed: int) -> None:
    """Raise if a disk lacks room for a result and its finished parts, except those that are there already."""
    kept = size_on_disk(out.with_name(f".{out.name}.parts"))
    require_space(out, needed - kept, is_folder=out.suffix != ".h5ad")


def explain_parts(
    plan: Plan, parts: Parts, *, stop: int | None = None, keep_rows: bool, progress: Progress, clock: Clock
) -> None:
    """Explain the cells before row `stop` that are not yet among the finished parts."""
    first, stop = parts.resume(), plan.expression.n_cells if stop is None else stop
    explained = explain_cells(
        plan, parts.statistics, parts.account, first=first, stop=stop, progress=progress, clock=clock
    )
    for cells in explained:
        with clock("writing"):
            parts.add(cells if keep_rows else replace(cells, rows=None), last=cells.stop == stop)


def write_explained(
    adata: AnnData,
    header: Header,
    folders: Sequence[Path],
    *,
    statistics: GroupStatistics,
    account: Account,
    source: Path | None,
    out: Path,
    verify: Callable[[], None],
) -> None:
    """Write a cohort with its results, the cells of one folder after another.

    Parameters
    ----------
    adata
        The cohort.
    header
        What was explained.
    folders
        Where parts of explained cells are kept, in the order of cells.
    statistics, account
        The sums over all cells.
    source
        The cohort's file; None to write only its tables.
    out
        The file to write.
    verify
        Raises if the cohort has changed since it was read.
    """
    genes, layer = adata.n_vars, str(header.provenance["relevance_layer"])
    cells = [part for folder in folders for part in read_parts(folder, genes, rows=False)]
    write_results(adata, header, cells, statistics=statistics, account=account)
    with whole_file(out) as temporary, copied(source, temporary, suffix=out.suffix, adata=adata) as group:
        verify()  # what was copied is what was explained
        write_tables(group, adata)
        for outdated in {slots.RELEVANCE, layer}.intersection(group["layers"]):
            del group[f"layers/{outdated}"]
        if layer:
            pieces = (part.rows for folder in folders for part in read_parts(folder, genes, rows=True))
            append(group, f"layers/{layer}", pieces, shape=adata.shape)


@contextmanager
def resumed_later(path: Path, out: Path) -> Iterator[None]:
    """Raise errors of reading and writing with what to do about them."""
    try:
        yield
    except OSError as error:
        raise CohortError(
            f"'{path}' could not be read, or '{out}' written: {reason(error)}. What is explained so far is kept; rerun "
            "the same call to resume"
        ) from error
