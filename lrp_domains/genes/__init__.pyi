# The public names; __init__.py imports each when it is first used.
from . import figures
from .check import check_cohort
from .cohorts.cells.rare_groups import without_rare_groups
from .cohorts.cohort import demo_cohort, open_cohort, read_cohort, select_cells, write_cohort
from .cohorts.made_cohort import made_cohort
from .cohorts.values.expression import expects_all
from .cohorts.values.input_spec import Expects
from .errors import CohortError
from .explanation.curves.curves import curves
from .explanation.curves.tables import areas
from .explanation.latent import genes_of_neuron, latent_relevance
from .explanation.requests.request import Explanation
from .explanation.results.group_statistics import GroupStatistics
from .explanation.runs.explain_adata import relevance
from .explanation.runs.explain_file import relevance_on_disk
from .explanation.runs.shards import explain_shard, gather_shards
from .models.load import load_model
from .models.model import GeneModel, gene_model
from .models.rank_tokens import RankTokens
from .models.saved import load_trained, save_model
from .rankings.agreement import agreement
from .rankings.consensus import consensus
from .rankings.enrichment import enrich
from .rankings.gene_sets import read_gene_sets, read_markers
from .rankings.groups import open_tables
from .rankings.marker_lists import marker_lists
from .rankings.markers import marker_recovery
from .rankings.rank import rank
from .rankings.rank_file import rank_on_disk
from .rankings.statistics import stability
from .rankings.tables import read_table, write_table
from .report import finished_cohorts, write_index, write_report
from .training.out_of_fold import train
from .training.settings import Training

__all__ = [
    "CohortError",
    "Expects",
    "Explanation",
    "GeneModel",
    "GroupStatistics",
    "RankTokens",
    "Training",
    "agreement",
    "areas",
    "check_cohort",
    "consensus",
    "curves",
    "demo_cohort",
    "enrich",
    "expects_all",
    "explain_shard",
    "figures",
    "finished_cohorts",
    "gather_shards",
    "gene_model",
    "genes_of_neuron",
    "latent_relevance",
    "load_model",
    "load_trained",
    "made_cohort",
    "marker_lists",
    "marker_recovery",
    "open_cohort",
    "open_tables",
    "rank",
    "rank_on_disk",
    "read_cohort",
    "read_gene_sets",
    "read_markers",
    "read_table",
    "relevance",
    "relevance_on_disk",
    "save_model",
    "select_cells",
    "stability",
    "train",
    "without_rare_groups",
    "write_cohort",
    "write_index",
    "write_report",
    "write_table",
]
