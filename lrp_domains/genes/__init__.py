"""Gene expression: train a model of cells or patients out of fold, explain every one of them, rank the genes.

>>> adata = demo_cohort()
>>> model = train(adata, "bulk_labels")
>>> relevance(adata, model)
>>> rank(adata)
>>> sc.get.rank_genes_groups_df(adata, group="CD19+ B", key="rank_genes_lrp")
"""

from .cohorts.cohort import demo_cohort, open_cohort, read_cohort, write_cohort
from .cohorts.made_cohort import made_cohort
from .errors import CohortError
from .explanation.group_statistics import GroupStatistics
from .explanation.relevance import relevance
from .models.expects import Expects
from .models.files import load_trained, save_model
from .models.model import GeneModel, gene_model
from .rankings.rank import rank
from .training.out_of_fold import train
from .training.settings import Training

__all__ = [
    "CohortError",
    "Expects",
    "GeneModel",
    "GroupStatistics",
    "Training",
    "demo_cohort",
    "gene_model",
    "load_trained",
    "made_cohort",
    "open_cohort",
    "rank",
    "read_cohort",
    "relevance",
    "save_model",
    "train",
    "write_cohort",
]
