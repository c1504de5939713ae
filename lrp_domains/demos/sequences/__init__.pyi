# The public names; __init__.py imports each when it is first used.
from .comparison import compare_methods, recovered_motifs
from .planted_motifs import make_sequences
from .train import Demo, train_demo

__all__ = ["Demo", "compare_methods", "make_sequences", "recovered_motifs", "train_demo"]
