"""Results: tables, logos, pages, tracks, TF-MoDISco's layout, and files that are read back."""

import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from torch import nn

from lrp_domains.domain import DomainError, Shard, gather_parts
from lrp_domains.sequences import (
    Record,
    SequenceExplainer,
    check_set,
    counts,
    explain_set,
    explain_windows,
    read_explained,
    read_sequences,
    read_vcf,
    write_report,
    write_tracks,
)  # fmt: skip

from .small_models import BaseResolution, bert, cnn, kmer_tokenizer, sequences


@pytest.fixture
def results():
    places = [("chr1", 10, "+"), ("chr1", 30, "-"), ("chr2", 0, "+")]
    records = [Record(s, f"s{n}", *place) for n, (s, place) in enumerate(zip(sequences(3), places, strict=True))]
    return SequenceExplainer(cnn(), classes=["a", "b", "c"])(records)


def test_tables(results):
    letters = results[1].table()
    assert list(letters) == ["position", "letter", "relevance", "chromosome", "start"]
    assert letters["start"].tolist() == list(range(69, 29, -1)) and "".join(letters["letter"]) == results[1].sequence
    top = results[1].top(3)
    assert (top["relevance"].abs().tolist() == np.sort(np.abs(results[1].relevance))[::-1][:3]).all()
    table = results.table()
    assert table["name"].tolist() == ["s0", "s1", "s2"] and (table["units"] + table["rest"]).tolist() == pytest.approx(
        table["score"].tolist()
    )


def test_contributions(results):
    for result in results:
        assert result.contributions.sum(1) == pytest.approx(result.relevance)
        assert (result.hypothetical * result.one_hot).sum(1) == pytest.approx(result.relevance)
        assert ((result.contributions != 0).sum(1) <= 1).all()


def test_logos_and_pages(results):
    figure = results[0].logo(5, 20)
    axes = figure.axes[0]
    assert axes.get_ylabel() == "relevance" and axes.get_xlim() == pytest.approx((5.5, 20.5), abs=0.1)
    page = results.to_html()
    assert page.startswith("<!doctype html>") and page.count("<img") == 3 and "http" not in page.partition("<img")[0]
    body = results[0]._repr_html_()
    assert "<html" not in body and "s0" in body
    coloured = body[body.index("monospace") :]
    assert (
        "".join(part.rpartition(">")[2] for part in coloured.split("<")).replace("\n", "").strip()
        == results[0].sequence
    )


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


def test_the_place_of_one_letter_is_read_back(tmp_path):
    class Counts(nn.Module):
        def forward(self, x):
            return self.head(x.sum(2))

    model = Counts()
    model.head = nn.Linear(4, 2)
    records = [Record("A", strand, "chr1", 7, strand) for strand in "+-"]
    explain_set(SequenceExplainer(model.eval(), layout="channels first"), records, tmp_path / "explained.parquet")
    assert [item.record for item in read_explained(tmp_path / "explained.parquet")] == records


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


@pytest.mark.parametrize("kind", ["one-hot", "tokens"])
def test_files_are_read_back(tmp_path, kind):
    tokenizer = kmer_tokenizer(3)
    settings = (
        {"model": bert(tokenizer), "encode": tokenizer} if kind == "tokens" else {"model": cnn(), "classes": [*"abc"]}
    )
    explainer = SequenceExplainer(**settings, reference="shuffle", references=2)
    (tmp_path / "genome.fa").write_text(">chr1\n" + sequences(1, 400)[0] + "\n")
    rows = [f"chr1\t{start}\t{start + 30}\tp{start}\t0\t{'+-'[start % 2]}\n" for start in range(0, 75, 5)]
    (tmp_path / "some.bed").write_text("".join(rows))
    records = read_sequences(tmp_path / "some.bed", tmp_path / "genome.fa")
    assert check_set(explainer, records) == {"samples": 15, "longest": 30, "labels": {}}

    tables = [tmp_path / f"{number}.parquet" for number in (1, 2)]
    for number, table in enumerate(tables, 1):
        explain_set(explainer, records, table, shard=Shard(number, 2), part=4)
    gather_parts(tables, tmp_path / "explained.parquet")
    read, direct = read_explained(tmp_path / "explained.parquet"), explainer(records)
    pd.testing.assert_frame_equal(read.table(), direct.table(), atol=1e-9)
    for one, other in zip(read, direct, strict=True):
        assert one.record == other.record and one.alphabet == other.alphabet == "ACGT"
        assert one.relevance == pytest.approx(other.relevance, abs=1e-6)
        if kind == "one-hot":
            assert one.hypothetical == pytest.approx(other.hypothetical, abs=1e-6)
        else:
            assert one.hypothetical is other.hypothetical is None
    assert [item.name for item in read_explained(tmp_path / "explained.parquet", [3, 1])] == ["p15", "p5"]

    write_report([tmp_path], tmp_path / "report.html", examples=1)
    assert (tmp_path / "report.html").read_text().count("<img") >= 2


def test_each_sequence_of_a_file_has_its_own_target_in_whatever_part(tmp_path):
    explainer, letters, targets = SequenceExplainer(cnn()), sequences(5), [0, None, 2, 1, 0]
    explain_set(explainer, letters, tmp_path / "explained.parquet", target=targets, part=2)
    read, direct = read_explained(tmp_path / "explained.parquet"), explainer(letters, targets)
    assert [item.target for item in read] == [item.target for item in direct]
    assert [item.name for item in read] == list("01234")
    assert [item.score for item in read] == pytest.approx([item.score for item in direct])
    assert check_set(explainer, letters, target=targets)["samples"] == 5


def test_what_a_target_is_contrasted_with_is_kept_and_shown(tmp_path, monkeypatch):
    explainer = SequenceExplainer(cnn(), classes=["a", "b", "c"])
    records = [Record(s, f"s{n}", label="1") for n, s in enumerate(sequences(20))]
    assert check_set(explainer, records, target="b", against="c")["labels"] == {"b": 20}
    explain_set(explainer, records, tmp_path / "explained.parquet", target="b", against="c")
    read = read_explained(tmp_path / "explained.parquet")
    assert {(item.target, item.against, item.label, item.record.label) for item in read} == {("b", "c", "b", "b")}
    pd.testing.assert_frame_equal(
        read.table()[["target", "against"]], explainer(records, "b", against="c").table()[["target", "against"]]
    )
    assert "explained b against c;" in read[0].to_html() and "relevance for b against c" in read[0].to_html()
    windowed = explain_windows(explainer, records[:2], "b", window=20, against="c")
    assert [item.against for item in windowed] == ["c", "c"]
    drawn = [SimpleNamespace(source="data:", width=1, height=1)]
    monkeypatch.setattr("lrp_domains.sequences.report._motifs", lambda table, numbers: drawn)
    write_report([tmp_path], tmp_path / "report.html", examples=1)
    html = (tmp_path / "report.html").read_text()
    assert "explained b against c;" in html and "labelled b;" in html and "<h3>Motifs of b against c</h3>" in html


def test_the_scores_of_files_may_be_functions(tmp_path):
    explainer = SequenceExplainer(BaseResolution().eval(), score=counts(), layout="channels first")
    explain_set(explainer, sequences(3), tmp_path / "explained.parquet", part=2)
    read = read_explained(tmp_path / "explained.parquet")
    assert [item.score for item in read] == pytest.approx([item.score for item in explainer(sequences(3))])
    with pytest.raises(DomainError, match="a score that is a function chooses the output itself"):
        explain_set(explainer, sequences(3), tmp_path / "other.parquet", target=[None, 1, None])


def test_windows_and_variants_in_files(tmp_path):
    (tmp_path / "genome.fa").write_text(">chr1\n" + "ACGT" * 25 + "\n")
    (tmp_path / "some.vcf").write_text("chr1\t50\t.\tC\tA\nchr1\t51\t.\tG\tGA\n")
    explainer = SequenceExplainer(cnn())
    variants = read_sequences(tmp_path / "some.vcf", tmp_path / "genome.fa", length=24)
    explain_set(explainer, variants, tmp_path / "variants.parquet", target=1)
    explained = read_explained(tmp_path / "variants.parquet")
    assert [item.name for item in explained] == ["chr1:50C>A", "chr1:51G>GA"]
    assert np.flatnonzero(explained[0].relevance).tolist() == [12] and explained[1].notes and not explained[0].notes
    (tmp_path / "long.bed").write_text("chr1\t0\t100\n")
    explain_set(
        explainer, read_sequences(tmp_path / "long.bed", tmp_path / "genome.fa"), tmp_path / "long.parquet", target=1,
        window=40,
    )  # fmt: skip
    assert read_explained(tmp_path / "long.parquet")[0].notes == ("read in 4 windows of 40 letters",)


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
