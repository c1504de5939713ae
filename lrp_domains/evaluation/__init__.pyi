# The public names; __init__.py imports each when it is first used.
from . import rivals
from .areas import abpc, comprehensiveness, deletion, insertion, pruning_error, sufficiency
from .comparison import LOWER_IS_BETTER, Comparison, compare
from .complexity import entropy, gini
from .intervals import Interval, mean_interval, paired_difference
from .measured import Accounted
from .measures import Measures, faithfulness, localisation, plausibility, simplicity
from .pictures import RemovablePixels, blurred, channel_means, in_units, patches
from .removal import FRACTIONS, Removal, remove
from .sanity import parameter_randomisation, shuffled
from .seqlets import Match, Seqlet, average_motifs, find_seqlets, motif_similarity, sites_found
from .soft import soft_measures
from .stability import agreement, jaccard, similarity, spearman
from .truth import auprc, auroc, mass_accuracy, precision_at, rank_accuracy

__all__ = [
    "FRACTIONS",
    "LOWER_IS_BETTER",
    "Accounted",
    "Comparison",
    "Interval",
    "Match",
    "Measures",
    "RemovablePixels",
    "Removal",
    "Seqlet",
    "abpc",
    "agreement",
    "auprc",
    "auroc",
    "average_motifs",
    "blurred",
    "channel_means",
    "compare",
    "comprehensiveness",
    "deletion",
    "entropy",
    "faithfulness",
    "find_seqlets",
    "gini",
    "in_units",
    "insertion",
    "jaccard",
    "localisation",
    "mass_accuracy",
    "mean_interval",
    "motif_similarity",
    "paired_difference",
    "parameter_randomisation",
    "patches",
    "plausibility",
    "precision_at",
    "pruning_error",
    "rank_accuracy",
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
