"""Gene expression: train a model of cells or patients out of fold, explain every one of them, rank the genes.

>>> adata = demo_cohort()
>>> model = train(adata, "bulk_labels")
>>> relevance(adata, model)
>>> rank(adata)
>>> sc.get.rank_genes_groups_df(adata, group="CD19+ B", key="rank_genes_lrp")
"""

from .cohorts.check import check_cohort, select_cells
from .cohorts.cohort import demo_cohort, open_cohort, read_cohort, write_cohort
from .cohorts.expression import expects_all
from .cohorts.made_cohort import made_cohort
from .errors import CohortError
from .explanation.group_statistics import GroupStatistics
from .explanation.relevance import relevance
from .models.expects import Expects
from .models.files import load_trained, save_model
from .models.model import GeneModel, gene_model
from .rankings.on_disk import rank_on_disk
from .rankings.rank import rank
from .training.fit import Training
from .training.out_of_fold import train

__all__ = [
    "CohortError",
    "Expects",
    "GeneModel",
    "GroupStatistics",
    "Training",
    "check_cohort",
    "demo_cohort",
    "expects_all",
    "gene_model",
    "load_trained",
    "made_cohort",
    "open_cohort",
    "rank",
    "rank_on_disk",
    "read_cohort",
    "relevance",
    "save_model",
    "select_cells",
    "train",
    "write_cohort",
]
