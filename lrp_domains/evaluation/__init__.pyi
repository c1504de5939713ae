# The public names; __init__.py imports each when it is first used.
from . import rivals
from .areas import abpc, comprehensiveness, deletion, insertion, pruning_error, sufficiency
from .comparison import LOWER_IS_BETTER, Comparison, compare, faithfulness, plausibility, simplicity
from .complexity import entropy, gini
from .intervals import Interval, mean_interval, paired_difference
from .removal import FRACTIONS, Removal, remove
from .truth import auprc, auroc, mass_accuracy, precision_at

__all__ = [
    "FRACTIONS",
    "LOWER_IS_BETTER",
    "Comparison",
    "Interval",
    "Removal",
    "abpc",
    "auprc",
    "auroc",
    "compare",
    "comprehensiveness",
    "deletion",
    "entropy",
    "faithfulness",
    "gini",
    "insertion",
    "mass_accuracy",
    "mean_interval",
    "paired_difference",
    "plausibility",
    "precision_at",
    "pruning_error",
    "remove",
    "rivals",
    "simplicity",
    "sufficiency",
]
