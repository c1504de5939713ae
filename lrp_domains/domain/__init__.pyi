# The public names; __init__.py imports each when it is first used.
from .explanation.account import Account
from .explanation.computed import Computed, compute, compute_against
from .explanation.distance import relative_distance
from .explanation.explain import explain, explain_against
from .explanation.held import Selections
from .explanation.read import Read
from .explanation.recordings import check_compile, compiled
from .explanation.samples import Explained, Question, class_number, explain_batch, logits_of
from .explanation.score import score_of
from .explanation.scores import NO_CLASS, SCORES, check_score
from .files.arrays import gather_arrays, read_arrays, writing_arrays
from .files.changed import checked_inputs, fingerprint, fingerprints, unchanged
from .files.space import NotWritten, require_space, size_on_disk
from .files.whole import remove_abandoned, whole_file
from .hardware.device import device_of, parameter_of, refuse_training_mode
from .hardware.memory import BatchSize, fitting
from .hardware.precision import PRECISIONS, check_precision, in_precision
from .hardware.prefetch import prefetched
from .messages import DomainError, check_choice, check_whole, choices, listed, reason
from .models.declaration import read_declaration
from .models.files import declared_files
from .models.known import load_declared, model_files, model_version
from .models.network import declared_network
from .models.pretrained import preprocessing, pretrained
from .registry import Domain, installed_domains
from .results.chance import near_chance
from .results.collection import ExplainedSamples, Page
from .results.examples import choose_examples
from .results.outcomes import Outcome, outcome_table, outcomes_of, read_outcomes
from .results.sections import write_sections
from .runs.clock import Clock
from .runs.parts import Shard, arrays_of, explain_parts, gather_parts
from .runs.progress import Progress, no_progress
from .runs.resume import locked, resumable
from .runs.sets import SampleSet
from .runs.stored import stored
from .runs.tensors import ExplainedTensor, TensorExplainer, check_settings

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
    "Explained",
    "ExplainedSamples",
    "ExplainedTensor",
    "NotWritten",
    "Outcome",
    "Page",
    "Progress",
    "Question",
    "Read",
    "SampleSet",
    "Selections",
    "Shard",
    "TensorExplainer",
    "arrays_of",
    "check_choice",
    "check_compile",
    "check_precision",
    "check_score",
    "check_settings",
    "check_whole",
    "checked_inputs",
    "choices",
    "choose_examples",
    "class_number",
    "compiled",
    "compute",
    "compute_against",
    "declared_files",
    "declared_network",
    "device_of",
    "explain",
    "explain_against",
    "explain_batch",
    "explain_parts",
    "fingerprint",
    "fingerprints",
    "fitting",
    "gather_arrays",
    "gather_parts",
    "in_precision",
    "installed_domains",
    "listed",
    "load_declared",
    "locked",
    "logits_of",
    "model_files",
    "model_version",
    "near_chance",
    "no_progress",
    "outcome_table",
    "outcomes_of",
    "parameter_of",
    "prefetched",
    "preprocessing",
    "pretrained",
    "read_arrays",
    "read_declaration",
    "read_outcomes",
    "reason",
    "refuse_training_mode",
    "relative_distance",
    "remove_abandoned",
    "require_space",
    "resumable",
    "score_of",
    "size_on_disk",
    "stored",
    "unchanged",
    "whole_file",
    "write_sections",
    "writing_arrays",
]
