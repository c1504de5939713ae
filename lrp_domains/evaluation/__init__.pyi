# The public names; __init__.py imports each when it is first used.
from . import rivals
from .areas import abpc, comprehensiveness, deletion, insertion, pruning_error, sufficiency
from .comparison import LOWER_IS_BETTER, Comparison, compare
from .complexity import entropy, gini
from .intervals import Interval, mean_interval, paired_difference
from .measured import Accounted
from .measures import Measures, faithfulness, plausibility, simplicity
from .removal import FRACTIONS, Removal, remove
from .sanity import parameter_randomisation, shuffled
from .seqlets import Match, Seqlet, average_motifs, find_seqlets, motif_similarity, sites_found
from .soft import soft_measures
from .stability import agreement, jaccard, similarity, spearman
from .truth import auprc, auroc, mass_accuracy, precision_at

__all__ = [
    "FRACTIONS",
    "LOWER_IS_BETTER",
    "Accounted",
    "Comparison",
    "Interval",
    "Match",
    "Measures",
    "Removal",
    "Seqlet",
    "abpc",
    "agreement",
    "auprc",
    "auroc",
    "average_motifs",
    "compare",
    "comprehensiveness",
    "deletion",
    "entropy",
    "faithfulness",
    "find_seqlets",
    "gini",
    "insertion",
    "jaccard",
    "mass_accuracy",
    "mean_interval",
    "motif_similarity",
    "paired_difference",
    "parameter_randomisation",
    "plausibility",
    "precision_at",
    "pruning_error",
    "remove",
    "rivals",
    "shuffled",
    "similarity",
    "simplicity",
    "sites_found",
    "soft_measures",
    "spearman",
    "sufficiency",
]
