"""A cohort's expression as a model reads it: in chunks of cells, checked, normalised, aligned to the model's genes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from anndata import AnnData
from scipy import sparse

from ...errors import CohortError, listed
from .alignment import Alignment, align, select
from .content import contents_of, gene_keys
from .gene_names import gene_names, is_gene, warn_of_other_features
from .input_spec import Expects, comparable
from .layers import canonical, find_layer
from .normalisation import Matrix, Normalise, check_kind, log1p_cp10k, moments, unchanged, zscore
from .training_cells import TrainingCells

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Chunk:
    """Consecutive cells.

    Attributes
    ----------
    start, stop
        Their rows in the cohort.
    stored
        Their values as the cohort stores them, cells x the cohort's genes.
    values
        Their values as the model reads them, cells x the model's genes.
    compared
        The same on one scale for all cells: z-scores of a training cell are read on the scale of its fold, but
        compared on that of the cohort.
    folds
        The fold of each cell, -1 for a cell that no network has seen.
    """

    start: int
    stop: int
    stored: Matrix
    values: Matrix
    compared: Matrix
    folds: np.ndarray


@dataclass(frozen=True)
class Expression:
    """A cohort's expression as a model reads it.

    Attributes
    ----------
    stored
        Cells x the cohort's genes: an array, CSR, or either of them on disk.
    layer
        Its name in the cohort.
    expects
        What the model expects.
    alignment
        Which column is which input of the model.
    normalise
        Converts stored values to what the model expects.
    cells, genes
        Their names in the cohort.
    scale
        The value of 1 on the layer's scale, by input of the model: 1, or a standard deviation.
    keys
        What distinguishes the genes in a cell's content, by column; 0 for one that the model doesn't read.
    training_cells
        The cells that the model was trained on; None for a model that was trained elsewhere.
    """

    stored: object
    layer: str
    expects: Expects
    alignment: Alignment
    normalise: Normalise
    cells: np.ndarray
    genes: np.ndarray
    scale: np.ndarray
    keys: np.ndarray
    training_cells: TrainingCells | None = None

    @property
    def n_cells(self) -> int:
        """The number of cells."""
        return self.stored.shape[0]

    @property
    def n_inputs(self) -> int:
        """The number of genes that the model reads."""
        return len(self.expects.genes)

    def chunk(self, start: int, stop: int) -> Chunk:
        """Read the cells from `start` to before `stop`."""
        stop = min(stop, self.n_cells)
        stored = canonical(self.stored[start:stop])
        _check_finite(stored, self, start)
        compared = select(self.normalise(stored), self.alignment.position, self.n_inputs)
        folds = np.full(stop - start, -1)
        if self.training_cells is not None:
            folds = self.training_cells.folds_of(contents_of(stored, self.keys), self.cells[start:stop])
        values = self._on_scale_of_folds(stored, compared, folds)
        return Chunk(start, stop, stored=stored, values=values, compared=compared, folds=folds)

    def chunks(self, size: int) -> Iterator[Chunk]:
        """Read all cells, in order."""
        for start in range(0, self.n_cells, size):
            yield self.chunk(start, start + size)

    def namesakes(self, chunk: Chunk) -> int:
        """Count the cells of a chunk that have the name of a training cell, but other values."""
        if self.training_cells is None:
            return 0
        return self.training_cells.namesakes(self.cells[chunk.start : chunk.stop], chunk.folds)

    def _on_scale_of_folds(self, stored: Matrix, compared: Matrix, folds: np.ndarray) -> Matrix:
        """Return z-scores of training cells by the moments of their fold, and all other values unchanged."""
        if self.training_cells is None or self.training_cells.moments is None or (folds < 0).all():
            return compared
        values, position = compared.copy(), self.alignment.position
        absent = ~np.isin(np.arange(self.n_inputs), position)
        for fold in np.unique(folds[folds >= 0]):
            rows = folds == fold
            mean, deviation = (moments[fold] for moments in self.training_cells.moments)
            values[rows] = zscore(mean, deviation)(select(stored[rows], position, self.n_inputs))
        values[:, absent] = 0
        return values


def expression_of(
    adata: AnnData,
    expects: Expects,
    *,
    gene_column: str | None = None,
    made_unique: bool = False,
    training_cells: TrainingCells | None = None,
) -> Expression:
    """Find and check the expression that a model reads.

    Parameters
    ----------
    adata
        The cohort, cells x genes; its matrices may be on disk.
    expects
        What the model expects.
    gene_column
        The column of ``var`` with the gene names to align by; ``var_names`` if None.
    made_unique
        Whether names of that column are made unique, as in training; see `gene_names`.
    training_cells
        The cells that the model was trained on, whose folds are found in the cohort.

    Raises
    ------
    CohortError
        There are no cells or genes, names are used twice, the layer is missing or isn't numeric, or too many genes are
        missing.
    """
    check_names(adata)
    stored = find_layer(adata, expects.layer)
    if not (np.issubdtype(stored.dtype, np.number) or stored.dtype == bool):
        raise CohortError(f"the expression in '{expects.layer}' is {stored.dtype}, not numbers")
    if sparse.issparse(stored):
        stored = canonical(stored)
    alignment = align(adata.var, expects, gene_column, made_unique=made_unique)
    check_kind(canonical(stored[:4096]), expects.normalisation, expects.layer)

    normalise, scale = unchanged, np.ones(len(expects.genes))
    if expects.normalisation == "log1p_cp10k":
        # Antibodies that the model doesn't read are no part of a cell's counts of genes.
        genes = is_gene(adata.var)
        reads_others = bool((alignment.position[~genes] >= 0).any())
        normalise = log1p_cp10k if genes.all() or reads_others else partial(log1p_cp10k, counted=genes)
    elif expects.normalisation == "zscore":
        mean, deviation = moments(stored)
        normalise = zscore(mean, deviation)
        scale = select(deviation[None], alignment.position, len(expects.genes))[0]
    return Expression(
        stored=stored,
        layer=expects.layer,
        expects=expects,
        alignment=alignment,
        normalise=normalise,
        cells=np.asarray(adata.obs_names),
        genes=np.asarray(adata.var_names),
        scale=scale,
        keys=keys_of(expects, alignment) if training_cells is not None else np.zeros(adata.n_vars, np.uint64),
        training_cells=training_cells,
    )


def keys_of(expects: Expects, alignment: Alignment) -> np.ndarray:
    """Return what distinguishes the genes in a cell's content, by column of the cohort; 0 for one that isn't read."""
    keys = np.append(gene_keys(comparable(expects.genes, expects.identifiers)), np.uint64(0))
    return keys[alignment.position]  # -1, a gene that isn't read, is the last


def expects_all(
    adata: AnnData,
    *,
    layer: str = "X",
    normalisation: str = "log",
    identifiers: str = "symbol",
    log_base: float | str | None = None,
    gene_column: str | None = None,
) -> Expects:
    """Declare the input of a model that reads every gene of a cohort, in its order.

    Parameters
    ----------
    adata
        The cohort. If ``var["feature_types"]`` tells genes from other features, such as antibodies, only features of
        the kind ``"Gene Expression"`` are read; a warning counts the others.
    layer, normalisation, identifiers
        As in `Expects`.
    gene_column
        The column of ``var`` with the names of the genes; ``var_names`` if None. Names that are missing or used twice
        are replaced; a warning counts them.
    """
    check_names(adata)
    names = gene_names(adata.var, gene_column, made_unique=True)
    warn_of_other_features(adata.var)
    return Expects(
        tuple(names[is_gene(adata.var)]),
        layer=layer,
        normalisation=normalisation,
        identifiers=identifiers,
        log_base=log_base,
    )


def dense_batch(values: Matrix, rows: np.ndarray | slice, like: torch.Tensor) -> torch.Tensor:
    """Convert some cells to a dense tensor of the dtype and device of `like`."""
    import torch  # not every step that reads expression computes

    part = values[rows]
    if not sparse.issparse(part):
        return torch.as_tensor(np.ascontiguousarray(part)).to(device=like.device, dtype=like.dtype)
    if like.device.type == "cpu":
        return torch.as_tensor(part.toarray()).to(dtype=like.dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns that CSR tensors are in beta
        # An accelerator makes the matrix dense faster than the dense one could be sent to it.
        indptr, indices, data = (torch.as_tensor(array) for array in (part.indptr, part.indices, part.data))
        compressed = torch.sparse_csr_tensor(indptr, indices, values=data, size=part.shape)
        return compressed.to(device=like.device, dtype=like.dtype).to_dense()


def batches(rows: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Split row numbers into batches."""
    for start in range(0, len(rows), size):
        yield rows[start : start + size]


def check_names(adata: AnnData) -> None:
    """Raise if a cohort has no cells or genes, or names that are used twice."""
    if adata.n_obs == 0 or adata.n_vars == 0:
        raise CohortError(f"the cohort has {adata.n_obs} cells and {adata.n_vars} genes; was everything filtered out?")
    for names, what, remedy in (
        (adata.var_names, "gene", "adata.var_names_make_unique()"),
        (adata.obs_names, "cell", "adata.obs_names_make_unique()"),
    ):
        if not names.is_unique:
            twice = names[names.duplicated()].unique()
            raise CohortError(
                f"{len(twice)} {what} name(s) are used more than once: {listed(twice, 5)}; call {remedy} first"
            )


def _check_finite(stored: Matrix, expression: Expression, start: int) -> None:
    """Raise if a value isn't finite; `start` is the row of the first cell."""
    values = stored.data if sparse.issparse(stored) else stored
    if not np.isfinite(values).all():
        dense = stored.toarray() if sparse.issparse(stored) else stored
        cell, gene = (index[0] for index in np.nonzero(~np.isfinite(dense)))
        raise CohortError(
            f"the expression in '{expression.layer}' has a value that is not finite, first in cell "
            f"'{expression.cells[start + cell]}', gene '{expression.genes[gene]}'; remove or replace such values"
        )
