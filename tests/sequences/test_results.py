"""Results: tables, logos, pages, and files that are read back."""

from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from lrp_domains import EPSILON
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
    track,
    write_report,
)

from .placed_results import placed_results
from .small_models import BaseResolution, bert, cnn, kmer_tokenizer, sequences


@pytest.fixture
def results():
    return placed_results()


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


def test_the_place_of_one_letter_is_read_back(tmp_path):
    class Counts(nn.Module):
        def forward(self, x):
            return self.head(x.sum(2))

    model = Counts()
    model.head = nn.Linear(4, 2)
    records = [Record("A", strand, "chr1", 7, strand) for strand in "+-"]
    explain_set(SequenceExplainer(model.eval(), layout="channels first"), records, tmp_path / "explained.parquet")
    assert [item.record for item in read_explained(tmp_path / "explained.parquet")] == records


def logit(number):
    return partial(lambda outputs, place: outputs[:, place], place=number)


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


def interrupted(parts, _):
    yield next(iter(parts))
    raise KeyboardInterrupt


CHANGED = {
    "reference": ({"reference": "zeros"}, {"reference": "N"}),
    "number of references": ({"reference": "shuffle", "references": 2}, {"reference": "shuffle", "references": 3}),
    "seed": ({"reference": "shuffle", "references": 2}, {"reference": "shuffle", "references": 2, "seed": 1}),
    "strands": ({"score": logit(0)}, {"score": logit(0), "reverse_complement": True}),
    "score": ({"score": logit(0)}, {"score": logit(1)}),
    "track": ({"score": track(None, 0)}, {"score": track(None, 1)}),
    "unknown letters": ({}, {"unknown": 0.25}),
    "length": ({}, {"length": 50}),
    "rules": ({}, {"rules": EPSILON}),
}


@pytest.mark.parametrize("name", CHANGED)
def test_parts_of_other_settings_are_not_reused(name, tmp_path):
    (before, after), letters, model = CHANGED[name], sequences(5), cnn()
    for settings, reused in ((before, 2), (after, 0)):
        out = tmp_path / f"{reused}.parquet"
        with pytest.raises(KeyboardInterrupt):
            explain_set(SequenceExplainer(model, **before), letters, out, part=2, progress=interrupted)
        explainer = SequenceExplainer(model, **settings)
        check_set(explainer, letters)  # which finds the layout and the number of classes: no change
        assert explain_set(explainer, letters, out, part=2) == reused


@pytest.mark.parametrize(("key", "reused"), [("", 0), ("one", 2)])
def test_without_a_key_parts_of_other_weights_are_not_reused(key, reused, tmp_path):
    model, letters = cnn(), sequences(5)
    with pytest.raises(KeyboardInterrupt):
        explain_set(SequenceExplainer(model), letters, tmp_path / "a.parquet", part=2, progress=interrupted, key=key)
    with torch.no_grad():
        next(model.parameters()).mul_(2)
    assert explain_set(SequenceExplainer(model), letters, tmp_path / "a.parquet", part=2, key=key) == reused


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
