"""Explaining a cohort from file to file, in constant memory; an interrupted pass goes on where it stopped."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
from anndata import AnnData
from anndata.io import sparse_dataset, write_elem
from scipy import sparse

from ... import ATTN_LRP, RuleSet
from ...files import whole_file
from .. import slots
from ..cohorts.cohort import open_cohort
from ..errors import CohortError
from ..models.model import GeneModel
from .cells import Books
from .group_statistics import GroupStatistics
from .parts import Parts, key_of
from .plan import Plan, plan
from .relevance import Progress, explained_parts, forget, provenance, quietly, write_cells
from .score import PREDICTED

COPIED = 50_000_000  # numbers of a matrix at once, where a cohort changes its format


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
        appended chunk by chunk. It appears whole or not at all; until then finished cells lie in a hidden folder
        beside it, and the same call goes on with them.

    Returns
    -------
    The sums over groups, which are also in ``uns["lrp_groups"]``.
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
        statistics, books = planned.room(), Books()
        parts = Parts(out.with_name(f".{out.name}.parts"), key_of(path, planned, layer))
        start = parts.resume(statistics, books)
        for cells in explained_parts(planned, statistics, books, progress, start):
            kept = cells if layer is not None else replace(cells, rows=None)
            parts.add(kept, statistics, books, last=cells.stop == planned.expression.n_cells)
        forget(adata)
        write_cells(adata, planned, [replace(cells, rows=None) for cells in parts.read(planned)])
        adata.uns[slots.GROUPS] = statistics.to_slot()
        adata.uns[slots.PROVENANCE] = provenance(planned, books, layer)
        with whole_file(out) as temporary, _copy(path, temporary, out.suffix) as group:
            _write_tables(group, adata)
            if layer is not None:
                _append_layer(group, layer, parts, planned)
    parts.remove()
    return statistics


@contextmanager
def _copy(path: Path, temporary: Path, suffix: str) -> Iterator:
    """Copy a cohort, and give it open for writing."""
    same = path.suffix == suffix
    if same:
        (shutil.copytree if path.is_dir() else shutil.copyfile)(path, temporary)
    if suffix == ".zarr":
        import zarr  # only who has such a folder needs it

        # A summary of a store's metadata stands in the way of a change, and is made anew after it.
        group = zarr.open_group(temporary, mode="r+" if same else "w", use_consolidated=False)
        _copy_elements(path, group, same)
        yield group
        zarr.consolidate_metadata(group.store)
    else:
        with h5py.File(temporary, "r+" if same else "w") as group:
            _copy_elements(path, group, same)
            yield group


def _copy_elements(path: Path, group, same: bool) -> None:
    """Copy a cohort into a file of the other format, large matrices a piece at a time."""
    if same:
        return
    with open_cohort(path) as adata:
        write_elem(group, "/", AnnData(obs=adata.obs, var=adata.var, uns=adata.uns, obsm=dict(adata.obsm)))
        for name, matrix in [("X", adata.X), *((f"layers/{name}", one) for name, one in adata.layers.items())]:
            if matrix is not None:
                rows = max(1, COPIED // matrix.shape[1])
                pieces = (matrix[start : start + rows] for start in range(0, matrix.shape[0], rows))
                _append(group, name, pieces, matrix.shape)


def _write_tables(group, adata: AnnData) -> None:
    """Write again what an explanation changes: all but the matrices."""
    write_elem(group, "obs", adata.obs)
    write_elem(group, "uns", dict(adata.uns))
    for name in (slots.FIRST_GENES, slots.FIRST_VALUES):
        if name in group["obsm"]:
            del group[f"obsm/{name}"]
        if name in adata.obsm:
            write_elem(group["obsm"], name, adata.obsm[name])


def _append_layer(group, layer: str, parts: Parts, planned: Plan) -> None:
    if layer in group["layers"]:
        del group[f"layers/{layer}"]
    shape = (planned.expression.n_cells, len(planned.expression.genes))
    _append(group, f"layers/{layer}", (cells.rows for cells in parts.read(planned)), shape)


def _append(group, name: str, pieces: Iterator, shape: tuple[int, int]) -> None:
    """Write a matrix piece by piece, in anndata's own encoding."""
    done = 0
    for piece in pieces:
        piece = piece if sparse.issparse(piece) else np.asarray(piece)
        if sparse.issparse(piece):
            if not done:  # more than 2^31 entries must fit
                piece.indptr = piece.indptr.astype(np.int64)
                write_elem(group, name, piece)
            else:
                sparse_dataset(group[name]).append(piece)
        else:
            if not done:
                create = getattr(group, "create_array", group.create_dataset)
                create(name, shape=shape, dtype=piece.dtype)
                group[name].attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
            group[name][done : done + len(piece)] = piece
        done += piece.shape[0]
