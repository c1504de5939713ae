# The public names; __init__.py imports each when it is first used.
from .explainer import SequenceExplainer
from .files import Record, Variant, read_bed, read_fasta, read_vcf
from .letters import Alphabet, dinucleotide_shuffle
from .report import write_report
from .results import SequenceRelevance, SequenceRelevances, logo_figure, read_explained
from .runs import check_file, explain_file, read_sequences, write_tracks
from .scores import counts, profile, track
from .windows import explain_windows, variant_effect

__all__ = [
    "Alphabet",
    "Record",
    "SequenceExplainer",
    "SequenceRelevance",
    "SequenceRelevances",
    "Variant",
    "check_file",
    "counts",
    "dinucleotide_shuffle",
    "explain_file",
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
