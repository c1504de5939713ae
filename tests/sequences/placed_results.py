"""Explained sequences that have places in a genome."""

from lrp_domains.sequences import Record, SequenceExplainer

from .small_models import cnn, sequences


def placed_results():
    """Return explained sequences of two chromosomes, two of which overlap, one of them on the strand -."""
    places = [("chr1", 10, "+"), ("chr1", 30, "-"), ("chr2", 0, "+")]
    records = [Record(s, f"s{n}", *place) for n, (s, place) in enumerate(zip(sequences(3), places, strict=True))]
    return SequenceExplainer(cnn(), classes=["a", "b", "c"])(records)
