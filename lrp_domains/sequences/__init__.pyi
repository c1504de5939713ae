# The public names; __init__.py imports each when it is first used.
from .explainer import SequenceExplainer
from .files import Record, Variant, read_bed, read_fasta, read_vcf
from .letters import Alphabet, dinucleotide_shuffle
from .models import load
from .results import SequenceRelevance, SequenceRelevances, logo_figure, read_explained
from .scores import counts, profile, track
from .windows import explain_windows, variant_effect

__all__ = [
    "Alphabet",
    "Record",
    "SequenceExplainer",
    "SequenceRelevance",
    "SequenceRelevances",
    "Variant",
    "counts",
    "dinucleotide_shuffle",
    "explain_windows",
    "load",
    "logo_figure",
    "profile",
    "read_bed",
    "read_explained",
    "read_fasta",
    "read_vcf",
    "track",
    "variant_effect",
]
