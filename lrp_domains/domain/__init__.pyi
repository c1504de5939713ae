# The public names; __init__.py imports each when it is first used.
from .account import Account
from .changed import checked_inputs, fingerprint, fingerprints, unchanged
from .clock import Clock
from .computed import Computed, compute, compute_against
from .device import device_of, parameter_of, refuse_training_mode
from .distance import relative_distance
from .explanation import explain, explain_against
from .files import remove_abandoned, whole_file
from .held import Selections
from .memory import BatchSize, fitting
from .messages import DomainError, check_choice, choices, listed, reason
from .precision import PRECISIONS, check_precision, in_precision
from .prefetch import prefetched
from .progress import Progress, no_progress
from .read import Read
from .recordings import check_compile, compiled
from .registry import Domain, installed_domains
from .resume import locked, resumable
from .score import score_of
from .scores import NO_CLASS, SCORES, check_score
from .space import NotWritten, require_space, size_on_disk

__all__ = [
    "NO_CLASS",
    "PRECISIONS",
    "SCORES",
    "Account",
    "BatchSize",
    "Clock",
    "Computed",
    "Domain",
    "DomainError",
    "NotWritten",
    "Progress",
    "Read",
    "Selections",
    "check_choice",
    "check_compile",
    "check_precision",
    "check_score",
    "checked_inputs",
    "choices",
    "compiled",
    "compute",
    "compute_against",
    "device_of",
    "explain",
    "explain_against",
    "fingerprint",
    "fingerprints",
    "fitting",
    "in_precision",
    "installed_domains",
    "listed",
    "locked",
    "no_progress",
    "parameter_of",
    "prefetched",
    "reason",
    "refuse_training_mode",
    "relative_distance",
    "remove_abandoned",
    "require_space",
    "resumable",
    "score_of",
    "size_on_disk",
    "unchanged",
    "whole_file",
]
