"""Tracks of relevance and TF-MoDISco's layout, against values base by base."""

import warnings

import numpy as np
import pandas as pd
import pytest

from lrp_domains.domain import DomainError
from lrp_domains.sequences import (
    Record,
    SequenceExplainer,
    explain_set,
    read_explained,
    read_sequences,
    read_vcf,
    write_tracks,
)

from .placed_results import placed_results
from .small_models import bert, cnn, kmer_tokenizer, sequences


@pytest.fixture
def results():
    return placed_results()


def test_tracks(results, tmp_path):
    pyBigWig = pytest.importorskip("pyBigWig")
    with pytest.warns(UserWarning, match="overlap in 20 bases"):
        results.to_bigwig(tmp_path / "some.bw", {"chr2": 40, "chr1": 100})
    with pyBigWig.open(str(tmp_path / "some.bw")) as file:
        assert file.chroms() == {"chr2": 40, "chr1": 100}
        first, second = results[0].relevance, results[1].relevance[::-1]
        assert np.array(file.values("chr1", 10, 30)) == pytest.approx(first[:20], abs=1e-7)
        assert np.array(file.values("chr1", 30, 50)) == pytest.approx((first[20:] + second[:20]) / 2, abs=1e-7)
        assert np.array(file.values("chr1", 50, 70)) == pytest.approx(second[20:], abs=1e-7)
        assert np.array(file.values("chr2", 0, 40)) == pytest.approx(results[2].relevance, abs=1e-7)
        assert np.isnan(file.values("chr1", 0, 10)).all()

    (tmp_path / "genome.fa.fai").write_text("chr1\t100\t6\t60\t61\nchr2\t40\t110\t60\t61\n")
    results[2:].to_bigwig(tmp_path / "other.bw", tmp_path / "genome.fa.fai")
    results[2:].to_bedgraph(tmp_path / "some.bedgraph")
    rows = [line.split("\t") for line in (tmp_path / "some.bedgraph").read_text().splitlines()]
    assert [row[:3] for row in rows] == [["chr2", str(start), str(start + 1)] for start in range(40)]
    assert [float(row[3]) for row in rows] == pytest.approx(results[2].relevance, rel=1e-5)


def test_tracks_are_the_same_however_few_sequences_are_in_memory(tmp_path, monkeypatch):
    random = np.random.default_rng(0)
    places = [(f"chr{1 + n % 2}", int(random.integers(0, 150)), "+-"[n % 3 == 0]) for n in range(30)]
    records = [Record(s, f"s{n}", *place) for n, (s, place) in enumerate(zip(sequences(30), places, strict=True))]
    explain_set(SequenceExplainer(cnn()), records, tmp_path / "explained.parquet", target=1)

    # Base by base, as the definition says.
    values = {}
    for item in read_explained(tmp_path / "explained.parquet"):
        for position, relevance in zip(item.record.positions(), item.relevance, strict=True):
            values.setdefault((item.record.chromosome, position), []).append(relevance)
    expected = [f"{c}\t{at}\t{at + 1}\t{np.mean(np.float64(v)):.6g}" for (c, at), v in sorted(values.items())]
    for at_once in (1, 4, 1000):
        monkeypatch.setattr("lrp_domains.genomics.tracks.AT_ONCE", at_once)
        with pytest.warns(UserWarning, match="overlap"):
            write_tracks(tmp_path / "explained.parquet", bedgraph=tmp_path / "some.bedgraph")
        assert (tmp_path / "some.bedgraph").read_text().splitlines() == expected


def test_what_is_beyond_the_ends_of_a_chromosome_is_in_no_track(tmp_path):
    import pyBigWig

    chromosome = sequences(1, 50)[0]
    (tmp_path / "genome.fa").write_text(f">chr1\n{chromosome}\n")
    rows = [(at + 1, chromosome[at], "ACGT"["CGTA".index(chromosome[at])]) for at in (2, 25, 48)]
    rows += [(10, chromosome[9], chromosome[9] + "TT"), (45, chromosome[44:48], chromosome[44])]
    (tmp_path / "some.vcf").write_text("".join(f"chr1\t{at}\t.\t{one}\t{other}\n" for at, one, other in rows))
    explainer = SequenceExplainer(cnn(), unknown=0.25, length=30)
    # Relevance everywhere, that of N too.
    results = explainer([v.alternative for v in read_vcf(tmp_path / "some.vcf", tmp_path / "genome.fa", length=30)], 1)
    assert all(results[0].relevance[:5] != 0) and results[0].record.start == -13

    expected = {}
    for item in results[:3]:
        for number, value in enumerate(item.relevance, item.record.start):
            if 0 <= number < 50:
                expected.setdefault(number, []).append(value)
    expected = [np.mean(expected[number]) for number in range(50)]
    overlaps = sum(
        sum(item.record.start <= at < item.record.start + 30 for item in results[:3]) > 1 for at in range(50)
    )
    with pytest.warns(UserWarning) as caught:
        results.to_bigwig(tmp_path / "a.bw", {"chr1": 50})
        results.to_bedgraph(tmp_path / "a.bedgraph")
    messages = [str(warning.message) for warning in caught]
    assert {warning.filename for warning in caught} == {__file__}
    assert f"overlap in {overlaps} bases" in messages[1] and "2 of 5 sequences have no place" in messages[0]
    with pyBigWig.open(str(tmp_path / "a.bw")) as file:
        assert file.values("chr1", 0, 50) == pytest.approx(expected, abs=1e-6)
        assert file.header()["nBasesCovered"] == 50
    written = pd.read_csv(tmp_path / "a.bedgraph", sep="\t", header=None)
    assert written[1].tolist()[:50] == list(range(50)) and written[1].min() == 0
    assert written[3].tolist()[:50] == pytest.approx(expected, abs=1e-5)
    with pytest.raises(DomainError, match=r"'chr1' has 39 bases, but 'chr1:26.*' reaches from 10 to 40"):
        results.to_bigwig(tmp_path / "b.bw", {"chr1": 39})
    before = [Record(sequences(1, 30)[0], "early", "chr1", -1)]
    with pytest.raises(DomainError, match="'chr1' begins at 0, but 'early' reaches from -1 to 29"):
        explainer(before).to_bedgraph(tmp_path / "b.bedgraph")
    with pytest.raises(DomainError, match="has no place in a genome"):
        results[3:].to_bedgraph(tmp_path / "b.bedgraph")


def test_the_layout_of_tf_modisco(tmp_path):
    model = cnn()
    for alphabet in ("ACGT", "TGCA"):
        results = SequenceExplainer(model, alphabet)(sequences(3), 1)
        results.to_npz(tmp_path / "ohe.npz", tmp_path / "shap.npz")
        one_hot, hypothetical = (np.load(tmp_path / name)["arr_0"] for name in ("ohe.npz", "shap.npz"))
        assert one_hot.shape == hypothetical.shape == (3, 4, 40)
        for number, result in enumerate(results):
            assert "".join("ACGT"[code] for code in one_hot[number].argmax(0)) == result.sequence
            assert (one_hot[number] * hypothetical[number]).sum(0) == pytest.approx(result.relevance, abs=1e-6)
            assert hypothetical[number, 3] == pytest.approx(result.hypothetical[:, alphabet.index("T")], abs=1e-6)


def test_tokens_have_no_hypothetical_contributions(tmp_path):
    tokenizer = kmer_tokenizer(3)
    results = SequenceExplainer(bert(tokenizer), encode=tokenizer)(sequences(2, 20))
    with pytest.raises(DomainError, match="one-hot encoded DNA"):
        results.to_npz(tmp_path / "a.npz", tmp_path / "b.npz")
    assert results[0].logo() is not None


def test_variants_nearby_do_not_dilute_an_effect_in_its_track(tmp_path):
    (genome,) = sequences(1, 100)
    (tmp_path / "genome.fa").write_text(f">chr1\n{genome}\n")
    other = dict(zip("ACGT", "GTAC", strict=True))
    rows = [(50, 1), (52, 3), (57, 1)]  # position from 1, letters
    alleles = [genome[start - 1 : start - 1 + count] for start, count in rows]
    lines = [
        f"chr1\t{start}\t.\t{allele}\t{''.join(map(other.get, allele))}\n"
        for (start, _), allele in zip(rows, alleles, strict=True)
    ]
    (tmp_path / "some.vcf").write_text("".join(lines))
    variants = read_sequences(tmp_path / "some.vcf", tmp_path / "genome.fa", length=40)
    tokenizer = kmer_tokenizer(3)
    reach = {"one-hot": 0, tokenizer: 2}  # letters beside the substituted ones, which share tokens with them
    for encode, beside in reach.items():
        model = cnn() if encode == "one-hot" else bert(tokenizer)
        explain_set(SequenceExplainer(model, encode=encode), variants, tmp_path / "v.parquet", target=1)
        effects = read_explained(tmp_path / "v.parquet")
        sums, counts = np.zeros(100), np.zeros(100)
        for effect, (start, count) in zip(effects, rows, strict=True):
            assert abs(effect.units) > 1e-6
            at = slice(start - 1 - beside, start - 1 + count + beside)
            assert effect.record.region == (at.start, at.stop)
            sums[at] += effect.relevance[at.start - effect.record.start : at.stop - effect.record.start]
            counts[at] += 1
        assert max(counts) == (2 if beside else 1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore" if beside else "error")
            effects.to_bedgraph(tmp_path / "v.bedgraph")
        written = np.loadtxt(tmp_path / "v.bedgraph", usecols=(1, 3))
        assert written[:, 0].tolist() == np.flatnonzero(counts).tolist()
        assert written[:, 1] == pytest.approx(sums[counts > 0] / counts[counts > 0], rel=1e-4)
