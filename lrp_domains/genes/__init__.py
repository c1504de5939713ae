"""Gene expression: train a model of cells or patients out of fold, explain each cell or patient, rank the genes.

>>> adata = demo_cohort()
>>> model = train(adata, "bulk_labels")
>>> relevance(adata, model)
>>> rank(adata)
>>> sc.get.rank_genes_groups_df(adata, group="CD19+ B", key="rank_genes_lrp")
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
