"""The commands, from a declared network and intervals to a report."""

import json

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from lrp_domains.command_line import app
from lrp_domains.sequences import SequenceExplainer, read_explained

from .small_models import cnn, sequences


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)
    shapes = ({0: torch.export.Dim("sequences", min=1)},)
    program = torch.export.export(cnn(2).float(), (torch.zeros(2, 4, 30),), dynamic_shapes=shapes)
    torch.export.save(program, tmp_path / "network.pt2")
    (tmp_path / "model.yaml").write_text("network: network.pt2\nclasses: [closed, open]\nlength: 30\n")
    (tmp_path / "genome.fa").write_text(">chr1\n" + sequences(1, 400)[0] + "\n")
    rows = [f"chr1\t{start}\t{start + 30}\n" for start in range(0, 300, 30)]
    (tmp_path / "some.bed").write_text("".join(rows))
    return tmp_path


def run(*arguments, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["sequences", *map(str, arguments)])
    assert result.exit_code == code, result.output
    return " ".join(result.output.split())


def test_from_intervals_to_a_report(folder):
    of_set = (folder / "some.bed", "--genome", folder / "genome.fa", "--model", folder)
    asked = ("--reference", "shuffle", "--references", 2, "--reverse-complement")
    run("check", *of_set, *asked, "--out", folder / "check.json")
    assert json.loads((folder / "check.json").read_text())["samples"] == 10
    results = folder / "peaks"
    for shard in (1, 2):
        where = ("--shard", shard, "--shards", 2, "--check", folder / "check.json", "--device", "cpu")
        run("explain", *of_set, *asked, *where, "--out", results / f"{shard}.parquet")
    run("gather", results / "1.parquet", results / "2.parquet", "--out", results / "explained.parquet")
    run("report", results, "--examples", 1, "--out", folder / "report.html")
    assert "peaks" in (folder / "report.html").read_text()

    explained = read_explained(results / "explained.parquet")
    assert [item.record.start for item in explained] == list(range(0, 300, 30))
    assert all(item.rest == pytest.approx(0, abs=1e-5) for item in explained)

    written = ("--bigwig", folder / "a.bw", "--bedgraph", folder / "a.bedgraph", "--modisco", folder / "modisco")
    run("explain", *of_set, *asked, *written, "--out", folder / "b.parquet")
    assert np.load(folder / "modisco/sequences.npz")["arr_0"].shape == (10, 4, 30)
    assert len((folder / "a.bedgraph").read_text().splitlines()) == 300 and (folder / "a.bw").stat().st_size

    written = [str(part).replace("/a.", "/t.").replace("/modisco", "/m") for part in written]
    gathered = (results / "explained.parquet", *written)
    run("tracks", *gathered, "--genome", folder / "genome.fa")
    for one, other in (("a.bw", "t.bw"), ("a.bedgraph", "t.bedgraph"), ("modisco/sequences.npz", "m/sequences.npz")):
        assert (folder / one).read_bytes() == (folder / other).read_bytes()
    for step in ((*gathered,), (*of_set[:1], *of_set[3:], *written, "--out", folder / "b.parquet")):
        assert "--bigwig requires" in run("tracks" if step == gathered else "explain", *step, code=2)
    assert "name what to write" in run("tracks", results / "explained.parquet", code=2)

    (folder / "some.bed").write_text("chr1\t0\t30\n")
    message = run("explain", *of_set, "--check", folder / "check.json", "--out", folder / "c.parquet", code=1)
    assert "has changed since it was checked" in message


def test_variants_and_windows(folder):
    genome = ("--genome", folder / "genome.fa", "--model", folder / "model.yaml")
    base = sequences(1, 400)[0][99]
    (folder / "some.vcf").write_text(f"chr1\t100\trs1\t{base}\t{'A' if base != 'A' else 'C'},<DEL>\n")
    printed = run("explain", folder / "some.vcf", *genome, "--target", "open", "--out", folder / "v.parquet")
    assert printed.count("warning: left out: alleles without a sequence") == 1
    (variant,) = read_explained(folder / "v.parquet")
    assert len(variant.sequence) == 30 and np.flatnonzero(variant.relevance).tolist() in ([15], [])
    (folder / "long.bed").write_text("chr1\t0\t90\n")
    long = (folder / "long.bed", *genome, "--out", folder / "l.parquet")
    assert "use windows" in run("explain", *long, code=1)
    run("explain", *long, "--target", "open", "--window", 30)
    assert len(read_explained(folder / "l.parquet")[0].relevance) == 90


def test_one_sequence(folder):
    output = run("explain", "ACGT" * 7, "--model", folder, "--html", folder / "one.html")
    assert "predicted" in output and "position letter relevance" in output and (folder / "one.html").is_file()
    result = SequenceExplainer.from_pretrained(folder, device="cpu", reference="zeros")("ACGT" * 7, "open", against=0)
    asked = ("--reference", "zeros", "--target", "open", "--against", "closed", "--device", "cpu")
    output = run("explain", "ACGT" * 7, "--model", folder, *asked)
    assert f"explained open against closed, score {result.score:+.3f}, of the reference " in output
    assert f"{result.reference_score:+.3f}, letters {result.units:+.3f}, rest {result.rest:+.3f}" in output
    assert "--against requires a --target" in run("explain", "ACGT", "--model", folder, "--against", "open", code=2)
    assert "--out" in run("explain", "ACGT" * 7, "--model", folder, "--bigwig", folder / "a.bw", code=2)
    assert "name a model" in run("explain", "ACGT", code=1)


@pytest.mark.parametrize("name", ["genome.fa", "some.bed", "b.parquet", "b.npz", "a.bw"])
def test_no_track_is_written_over_another_file(folder, name):
    tracks = ("--bedgraph", folder / "." / name, "--bigwig", folder / "a.bw")
    of_set = (folder / "some.bed", "--genome", folder / "genome.fa", "--model", folder, "--out", folder / "b.parquet")
    assert "is another file of this command too" in run("explain", *of_set, *tracks, code=2)
    if name != "some.bed":
        gathered = (folder / "b.parquet", "--genome", folder / "genome.fa")
        assert "is another file of this command too" in run("tracks", *gathered, *tracks, code=2)


def test_what_could_not_be_written_is_refused_before_long_work(folder):
    (folder / "some.fa").write_text(">a\nACGTACGT\n>b\nACGTACGTAC\n")
    of_set = (folder / "some.fa", "--genome", folder / "genome.fa", "--model", folder, "--out", folder / "a.parquet")
    assert "'a' has no place in a genome" in run("explain", *of_set, "--bigwig", folder / "a.bw", code=1)
    assert "sequences of one length" in run("explain", *of_set, "--modisco", folder / "modisco", code=1)
    assert not (folder / "a.parquet").exists()
    checked = (folder / "some.fa", "--model", folder, "--out", folder / "check.json")
    assert "'a' has no place in a genome" in run("check", *checked, "--bigwig", code=1)
    assert "sequences of one length" in run("check", *checked, "--modisco", code=1)
    run("check", *checked)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("some.fa",), "'some.fa' is a file, not a sequence: name the table to write, --out"),
        (("ACGTACGT", "--window", 5), "--window: only for a file"),
    ],
)
def test_files_are_not_taken_for_sequences(folder, arguments, message):
    assert message in run("explain", *arguments, "--model", folder, code=2)
