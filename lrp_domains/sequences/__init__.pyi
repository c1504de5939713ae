# The public names; __init__.py imports each when it is first used.
from .explainer import SequenceExplainer
from .files import Record, read_bed, read_fasta, read_vcf
from .letters import Alphabet, dinucleotide_shuffle
from .results import SequenceRelevance, SequenceRelevances, logo_figure, read_explained
from .scores import counts, profile, track

__all__ = [
    "Alphabet",
    "Record",
    "SequenceExplainer",
    "SequenceRelevance",
    "SequenceRelevances",
    "counts",
    "dinucleotide_shuffle",
    "logo_figure",
    "profile",
    "read_bed",
    "read_explained",
    "read_fasta",
    "read_vcf",
    "track",
]
