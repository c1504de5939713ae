"""The demo: its truth, and motifs that are found by networks that learnt them, and not where nothing is there."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from lrp_domains.demos.sequences import compare_methods, make_sequences, recovered_motifs, train_demo
from lrp_domains.demos.sequences.networks import new_cnn
from lrp_domains.demos.sequences.planted_motifs import CLASSES, CONSENSUS, FAR, NEAR, motif
from lrp_domains.evaluation import find_seqlets
from lrp_domains.genomics.shuffles import dinucleotide_shuffle
from lrp_domains.sequences import SequenceExplainer, read_fasta


def test_the_planted_truth():
    records, sites = make_sequences(600, seed=3)
    counts = Counter(record.label for record in records)
    assert 0.4 < counts["together"] / 600 < 0.6
    letters = Counter()
    for record, of in zip(records, sites, strict=True):
        near = len(of) == 2 and NEAR[0] <= of[1][0] - of[0][1] <= NEAR[1]
        far = len(of) == 2 and FAR[0] <= of[1][0] - of[0][1] <= FAR[1]
        assert (record.label == "together") == near and (near or far or len(of) < 2)
        if len(of) == 2:
            for (start, end), consensus in zip(of, CONSENSUS, strict=True):
                letters.update(a == b for a, b in zip(record.letters[start:end], consensus, strict=True))
    assert letters[True] / letters.total() == pytest.approx(motif(0).max(), abs=0.01)
    assert make_sequences(5, 1) == make_sequences(5, 1) != make_sequences(5, 2)


@pytest.fixture(scope="module")
def demo():
    return train_demo(steps=200, held_out=200)


@pytest.mark.slow
def test_networks_find_the_motifs(demo, tmp_path):
    assert demo.accuracies["cnn"] > 0.85 and demo.accuracies["transformer"] > 0.6
    found = compare_methods(demo, "cnn", 40)
    means = found.values.groupby(level="method").mean()
    assert means.loc["SECANT, 5 shuffles", "AUROC"] > 0.85 and means.loc["SECANT, 5 shuffles", "precision"] > 0.9
    assert means.loc["SECANT, 5 shuffles", "AUROC"] > means.loc["DeepLIFT, 5 shuffles", "AUROC"] - 0.05
    assert min(recovered_motifs(demo, "cnn", 40).values()) > 0.8

    demo.save(tmp_path / "demo")
    records = read_fasta(tmp_path / "demo/sequences.fa")
    assert [(r.letters, r.label) for r in records] == [(r.letters, r.label) for r in demo.records]
    for name in ("cnn", "transformer"):
        table = SequenceExplainer.from_pretrained(tmp_path / "demo" / name)(records).table()
        assert (table["prediction"] == table["label"]).mean() == pytest.approx(demo.accuracies[name])


@pytest.mark.slow
def test_nothing_is_found_where_nothing_is_there(demo):
    """Seqlets of shuffles against other shuffles, by a trained network and by one that learnt nothing."""
    untrained = SequenceExplainer(new_cnn().eval(), classes=CLASSES, layout="channels first")
    for explainer in (demo.explainer("cnn"), untrained):
        shuffles = [replace(r, letters=dinucleotide_shuffle(r.letters, seed)) for seed in (1, 2) for r in demo.records]
        relevance = [result.relevance for result in explainer(shuffles, 1)]
        seqlets = find_seqlets(relevance[:200], relevance[200:])
        share = len({seqlet.sequence for seqlet in seqlets}) / 200
        assert share < 0.05 + 3 * np.sqrt(2 * 0.05 * 0.95 / 200)
