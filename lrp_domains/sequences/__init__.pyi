# The public names; __init__.py imports each when it is first used.
from .explainer import SequenceExplainer
from .genomes import (
    Alphabet,
    Record,
    Variant,
    dinucleotide_shuffle,
    logo_figure,
    read_bed,
    read_fasta,
    read_sequences,
    read_vcf,
)
from .report import write_report
from .results import SequenceRelevance, SequenceRelevances, read_explained
from .scores import counts, profile, track
from .sets import check_set, explain_set, write_tracks
from .windows import explain_windows, variant_effect

__all__ = [
    "Alphabet",
    "Record",
    "SequenceExplainer",
    "SequenceRelevance",
    "SequenceRelevances",
    "Variant",
    "check_set",
    "counts",
    "dinucleotide_shuffle",
    "explain_set",
    "explain_windows",
    "logo_figure",
    "profile",
    "read_bed",
    "read_explained",
    "read_fasta",
    "read_sequences",
    "read_vcf",
    "track",
    "variant_effect",
    "write_report",
    "write_tracks",
]
