# The public names; __init__.py imports each when it is first used.
from . import rivals
from .complexity import entropy, gini
from .faithfulness import abpc, comprehensiveness, deletion, insertion, pruning_error, sufficiency
from .intervals import Interval, mean_interval, paired_difference
from .removal import FRACTIONS, Removal, remove
from .truth import auprc, auroc, mass_accuracy, precision_at

__all__ = [
    "FRACTIONS",
    "Interval",
    "Removal",
    "abpc",
    "auprc",
    "auroc",
    "comprehensiveness",
    "deletion",
    "entropy",
    "gini",
    "insertion",
    "mass_accuracy",
    "mean_interval",
    "paired_difference",
    "precision_at",
    "pruning_error",
    "remove",
    "rivals",
    "sufficiency",
]
