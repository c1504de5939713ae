"""A cohort whose genes have the names that tables show."""

import numpy as np
from anndata import AnnData

from .. import slots
from ..explanation.runs.results_in_adata import shown_genes


def by_shown_names(adata: AnnData) -> AnnData:
    """Return an explained cohort with the names of its genes in tables as ``var_names``; matrices are not copied."""
    shown = shown_genes(adata)
    if shown.equals(adata.var_names):
        return adata
    name_of = dict(zip(adata.var_names, shown, strict=True))
    uns = dict(adata.uns)
    for key in (slots.RANKING, slots.RANKING_ABSENT, slots.DIFFERENTIAL):
        if key in uns:
            names = uns[key]["names"].copy()
            for group in names.dtype.names:
                names[group] = [name_of.get(gene, gene) for gene in names[group]]
            uns[key] = uns[key] | {"names": names}
    if slots.GROUPS in uns:
        genes = [name_of[str(gene)] for gene in uns[slots.GROUPS]["genes"]]
        uns[slots.GROUPS] = uns[slots.GROUPS] | {"genes": np.array(genes, dtype=object)}
    return AnnData(
        X=adata.X,
        obs=adata.obs,
        var=adata.var.set_axis(shown, axis=0),
        layers=dict(adata.layers),
        obsm=dict(adata.obsm),
        uns=uns,
    )
