"""Explaining a cohort from file to file, in constant memory; an interrupted run resumes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from anndata import AnnData

from ...domain import Account, Clock, Progress, no_progress, resumable, whole_file
from .. import slots
from ..cohorts.cohort import open_cohort
from ..cohorts.writing import append, copied, write_tables
from ..errors import CohortError
from ..models.model import GeneModel
from .explain import explain_cells
from .group_statistics import GroupStatistics
from .half_precision import with_distance
from .header import Header, header_of
from .plan import Plan, make_plan
from .request import Explanation, check_layer, requested
from .results_in_adata import write_results
from .resume import Parts, key_of, read_parts


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
    clock
        Counts the seconds of reading, forward, backward, statistics and writing.

    Returns
    -------
    The sums over groups, which are also in ``uns["lrp_groups"]``.

    Raises
    ------
    CohortError
        As in `relevance`; and if reading or writing fails. Finished cells are then kept for the next call.
    """
    path, out, request, clock = Path(path), Path(out), requested(explanation, settings), clock or Clock()
    check_written(out, path)
    check_layer(layer, model.expects.layer)

    with open_cohort(path) as adata, told(out):
        with clock("reading"):
            plan = with_distance(make_plan(adata, model, request, progress=progress))
        with resumable(out, key_of(path, plan, layer), resume=resume) as folder:
            parts = Parts(folder, statistics=plan.empty_statistics(), account=Account())
            explain_parts(plan, parts, keep_rows=layer is not None, progress=progress, clock=clock)
            with clock("writing"):
                source, header = path if copy else None, header_of(plan, layer)
                write_explained(adata, header, [folder], parts.statistics, parts.account, source=source, out=out)
            return parts.statistics


def check_written(out: Path, path: Path) -> None:
    """Raise if an explained cohort can't be written to a path."""
    if out.suffix not in (".h5ad", ".zarr"):
        raise CohortError(f"'{out}' should end in .h5ad or .zarr")
    if path.resolve() == out.resolve():
        raise CohortError(f"'{out}' is the cohort itself; write to another file")


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
    statistics: GroupStatistics,
    account: Account,
    *,
    source: Path | None,
    out: Path,
) -> None:
    """Write a cohort with its results, the cells of one folder after another.

    Parameters
    ----------
    adata
        The cohort.
    header, statistics, account
        What was explained, and the sums over all cells.
    folders
        Where parts of explained cells are kept, in the order of cells.
    source
        The cohort's file; None to write only its tables.
    out
        The file to write.
    """
    genes, layer = adata.n_vars, str(header.provenance["relevance_layer"])
    cells = [part for folder in folders for part in read_parts(folder, genes, rows=False)]
    write_results(adata, header, cells, statistics=statistics, account=account)
    with whole_file(out) as temporary, copied(source, temporary, suffix=out.suffix, adata=adata) as group:
        write_tables(group, adata)
        for outdated in {slots.RELEVANCE, layer}.intersection(group["layers"]):
            del group[f"layers/{outdated}"]
        if layer:
            pieces = (part.rows for folder in folders for part in read_parts(folder, genes, rows=True))
            append(group, f"layers/{layer}", pieces, shape=adata.shape)


@contextmanager
def told(out: Path) -> Iterator[None]:
    """Raise errors of reading and writing as errors of the file that was to be written."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        # Of a full disk h5py raises either.
        if not (isinstance(error, OSError) or "nable to" in str(error)):
            raise
        raise CohortError(
            f"'{out}' could not be written: {_reason(error)}. What is explained so far is kept; free some space or "
            "fix permissions, then rerun the same call to resume"
        ) from error


def _reason(error: Exception) -> str:
    """Return the system's message; h5py embeds it in a longer one."""
    message = str(error)
    if "error message = '" in message:
        return message.split("error message = '")[1].split("'")[0]
    return getattr(error, "strerror", None) or message.splitlines()[0]
