"""One cohort over several jobs: each explains a run of its cells, then their results are gathered in one file."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
from anndata import AnnData
from anndata.io import read_elem, write_elem

from ....domain import (
    Account,
    Clock,
    Progress,
    listed,
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
from ...cohorts.files.hdf5_file import hdf5_file
from ...errors import CohortError
from ...models.model import GeneModel
from ..cells.half_precision import with_distance
from ..requests.plan import Plan, make_plan
from ..requests.request import Explanation, check_layer, requested
from ..results.group_statistics import GroupStatistics
from .explain_file import check_written, explain_parts, require_parts_space, resumed_later, write_explained
from .explained_from import check_source, checked_sha256
from .header import Header, header_of
from .resume import Parts, are_whole, key_of, key_of_shards, names_of
from .space import bytes_to_write

SHARD = "shard.h5"  # in the folder of a finished shard, beside its cells


def explain_shard(
    path: str | Path,
    model: GeneModel,
    out: str | Path,
    explanation: Explanation | None = None,
    *,
    shard: int,
    shards: int,
    layer: str | None = slots.RELEVANCE,
    progress: Progress = no_progress,
    resume: bool = True,
    check: str | Path | None = None,
    clock: Clock | None = None,
    **settings: object,
) -> None:
    """Explain one of several consecutive shards of a cohort on disk, and write its results to a folder.

    Shards end where chunks of cells end, so that each cell is explained together with the same others as in
    `relevance_on_disk`. What is computed from the whole cohort (the mean of a reference, z-scores, the halves of a
    predicted value) is computed by each shard.

    Parameters
    ----------
    path
        An ``.h5ad`` file or a ``.zarr`` folder.
    model, explanation, layer, progress, resume, check, clock, **settings
        As in `relevance_on_disk`; the same for all shards.
    out
        The folder to write, for `gather_shards`. It appears whole or not at all.
    shard, shards
        The number of this shard, from 1, and the number of shards. With more shards than chunks some have no cells.
    """
    path, out, request, clock = Path(path), Path(out), requested(explanation, settings), clock or Clock()
    if shards < 1 or not 1 <= shard <= shards:
        raise CohortError(f"there is no shard {shard} of {shards}; they are numbered from 1")
    check_layer(layer, model.expects.layer)
    if out.exists() and not (out.is_dir() and ((out / SHARD).is_file() or not any(out.iterdir()))):
        raise CohortError(f"'{out}' exists and is not an explained shard; name a new folder")

    verify, sha256 = unchanged({"cohort": path}, check, required="cohort"), checked_sha256(check)
    require_space(out, is_folder=True)
    with open_cohort(path) as adata, resumed_later(path, out):
        with clock("reading"):
            plan = with_distance(make_plan(adata, model, request, progress=progress))
        rows = rows_of(plan, shard, shards)
        require_parts_space(out, bytes_to_write(plan, None, layer=layer is not None) // (2 * shards))
        key = f"{key_of(path, plan, layer)} {rows.start} {rows.stop}"
        with resumable(out, key, resume=resume) as folder:
            parts = Parts(folder, statistics=plan.empty_statistics(), account=Account(), first=rows.start)
            explain_parts(plan, parts, stop=rows.stop, keep_rows=layer is not None, progress=progress, clock=clock)
            verify()
            with clock("writing"):
                header = header_of(plan, layer, sha256=sha256)
                key = key_of_shards(path, plan, layer, sha256=sha256)
                _finish(plan, parts, out, rows=rows, key=key, header=header)


def rows_of(plan: Plan, shard: int, shards: int) -> range:
    """Return the rows of a shard's cells: a share of the chunks, as equal as possible."""
    cells, chunks = plan.expression.n_cells, len(plan.starts())
    first, last = (chunks * number // shards for number in (shard - 1, shard))
    return range(min(first * plan.size, cells), min(last * plan.size, cells))


def gather_shards(
    folders: Sequence[str | Path],
    path: str | Path,
    out: str | Path,
    *,
    copy: bool = True,
    check: str | Path | None = None,
    clock: Clock | None = None,
) -> GroupStatistics:
    """Write a cohort with the relevance of its shards, as `relevance_on_disk` writes it without shards.

    Relevance, scores and all else of single cells is the same bit by bit, because they were explained in the same
    chunks; sums over groups and the ledger are the same up to the rounding of float64, because they are added in
    another order. In memory are the sums, the tables, and one piece of the layer at a time.

    Parameters
    ----------
    folders
        The folders that `explain_shard` wrote, of all shards, in any order.
    path
        The cohort that was explained.
    out
        The ``.h5ad`` file or ``.zarr`` folder to write; it appears whole or not at all.
    copy, check, clock
        As in `relevance_on_disk`.

    Returns
    -------
    The sums over groups, which are also in ``uns["lrp_groups"]``.

    Raises
    ------
    CohortError
        A shard is missing, unfinished, there twice, or of another request or cohort.
    """
    path, out, clock = Path(path), Path(out), clock or Clock()
    check_written(out, path)
    verify = unchanged({"cohort": path}, check, required="cohort")
    source = path if copy else None
    require_space(out, sum(map(size_on_disk, [*folders, *([source] if copy else [])])))
    # There are no parts to resume: this removes what a killed process left, and refuses a second writer.
    with open_cohort(path) as adata, resumed_later(path, out), resumable(out, "gathered", resume=False):
        with clock("reading"):
            shards = sorted((_read(Path(folder)) for folder in folders), key=lambda shard: (shard.start, shard.stop))
            _check_shards(shards, adata, path)
            header, statistics, account = _merged(shards)
            check_source(header.provenance, check)
        with clock("writing"):
            sums, ordered = {"statistics": statistics, "account": account}, [shard.folder for shard in shards]
            write_explained(adata, header, ordered, **sums, source=source, out=out, verify=verify)
        return statistics


@dataclass(frozen=True)
class _Shard:
    """What tells whether finished shards belong together.

    Attributes
    ----------
    folder
        Where it is.
    key
        The same for all shards of a request.
    names
        The same for all cohorts with the same names of cells and genes.
    start, stop, cells
        Its rows, and the number of cells of the cohort.
    """

    folder: Path
    key: str
    names: str
    start: int
    stop: int
    cells: int


def _finish(plan: Plan, parts: Parts, out: Path, *, rows: range, key: str, header: Header) -> None:
    """Move the parts of a finished shard to its folder, with a file of all else."""
    facts = {"key": key, "names": names_of(plan.expression.cells, plan.expression.genes)}
    facts |= {"start": rows.start, "stop": rows.stop, "cells": plan.expression.n_cells}
    with whole_file(parts.folder / SHARD) as temporary, hdf5_file(temporary, "w") as file:
        write_elem(file, "shard", facts)
        write_elem(file, "header", header.to_slot())
        write_elem(file, "statistics", parts.statistics.to_slot())
        write_elem(file, "account", parts.account.to_slot())
    with _replaced(out) as folder:
        for file in [*parts.folder.glob("cells-*.npz"), parts.folder / SHARD]:
            os.replace(file, folder / file.name)


@contextmanager
def _replaced(out: Path) -> Iterator[Path]:
    """Yield a new folder that takes the place of an earlier shard."""
    with whole_file(out) as temporary:
        temporary.mkdir()
        yield temporary
        if out.is_dir():  # it is a shard, which was checked; whole_file keeps folders whose files would be lost
            for file in sorted(out.iterdir(), key=lambda file: file.name == SHARD):
                file.unlink()


def _read(folder: Path) -> _Shard:
    """Read a finished shard."""
    if not (folder / SHARD).is_file():
        raise CohortError(f"'{folder}' is not a finished shard; explain it with --shard and --shards first")
    facts = _element(folder, "shard")
    shard = _Shard(
        folder,
        **{name: str(facts[name]) for name in ("key", "names")},
        **{name: int(facts[name]) for name in ("start", "stop", "cells")},
    )
    if not are_whole(folder, shard.start, shard.stop):
        raise CohortError(f"'{folder}' lacks some of its cells; explain the shard again")
    return shard


def _element(folder: Path, name: str) -> dict:
    """Read a part of the file of a finished shard."""
    try:
        with h5py.File(folder / SHARD, "r") as file:
            return read_elem(file[name])
    except (OSError, KeyError) as error:
        raise CohortError(f"'{folder / SHARD}' can't be read ({reason(error)}); explain the shard again") from error


def _merged(shards: Sequence[_Shard]) -> tuple[Header, GroupStatistics, Account]:
    """Return what was explained, and the sums over all shards, of which one at a time is in memory beside the total."""
    statistics = GroupStatistics.from_slot(_element(shards[0].folder, "statistics"))
    account = Account.from_slot(_element(shards[0].folder, "account"))
    for shard in shards[1:]:
        statistics.merge(GroupStatistics.from_slot(_element(shard.folder, "statistics")))
        account.merge(Account.from_slot(_element(shard.folder, "account")))
    return Header.from_slot(_element(shards[0].folder, "header")), statistics, account


def _check_shards(shards: Sequence[_Shard], adata: AnnData, path: Path) -> None:
    """Raise unless shards are of one request on a cohort, and have each cell once."""
    if not shards:
        raise CohortError("there are no shards to gather; pass the folders that were explained with --shard")
    first, cells = shards[0], adata.n_obs
    if others := [str(shard.folder) for shard in shards if shard.key != first.key]:
        raise CohortError(
            f"{listed(others, 3)} and '{first.folder}' are shards of different requests, models, cohorts or versions; "
            "explain all shards with the same options"
        )
    if first.names != names_of(adata.obs_names, adata.var_names):
        raise CohortError(f"the shards are of another cohort than '{path}', which has other cells or genes")

    done = 0
    for shard in [*shards, replace(first, start=cells, stop=cells)]:
        if done < shard.start:
            raise CohortError(
                f"cells {done + 1} to {shard.start} of {cells} are in none of the {len(shards)} shards; pass all"
            )
        if shard.start < done and shard.start < shard.stop:
            raise CohortError(f"'{shard.folder}' has cells that another shard has too; pass each shard once")
        done = max(done, shard.stop)
