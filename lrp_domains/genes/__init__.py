"""Gene expression: train a classifier of cells out of fold, explain every cell, rank the genes of every group.

>>> adata = demo_cohort()
>>> classifiers = train_out_of_fold(adata, "bulk_labels")
>>> explain(adata, classifiers)
>>> rank_genes(adata)
>>> sc.get.rank_genes_groups_df(adata, group="CD19+ B", key="rank_genes_lrp")
"""

from .classifier import GeneClassifier
from .classifiers import Classifiers, load_classifiers, one_classifier, save_classifiers
from .cohort import demo_cohort, read_cohort, write_cohort
from .errors import CohortError
from .explain import explain
from .made_cohort import made_cohort
from .out_of_fold import train_out_of_fold
from .rank import mean_relevance, rank_genes, ranking_table
from .report import write_report
from .training import Training

__all__ = [
    "Classifiers",
    "CohortError",
    "GeneClassifier",
    "Training",
    "demo_cohort",
    "explain",
    "load_classifiers",
    "made_cohort",
    "mean_relevance",
    "one_classifier",
    "rank_genes",
    "ranking_table",
    "read_cohort",
    "save_classifiers",
    "train_out_of_fold",
    "write_cohort",
    "write_report",
]
