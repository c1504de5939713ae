"""A cohort or model that changes between the steps, or during one, is noticed."""

import json
import os

import pytest
from typer.testing import CliRunner

from lrp_domains.command_line import app
from lrp_domains.genes import CohortError, made_cohort, read_cohort, relevance_on_disk, save_model, write_cohort
from lrp_domains.genes.models.files import model_files

from .interruptions import counting

QUICK = ["--folds", "3", "--hidden", "8", "--epochs", "5"]


def call(*arguments):
    return CliRunner().invoke(app, ["genes", *map(str, arguments)])


def shuffled(path):
    """Replace a cohort by one of the same cells and the same size with other values."""
    adata = read_cohort(path)
    adata.X = adata.X[::-1].copy()
    before = path.stat().st_mtime_ns
    write_cohort(adata, path)
    os.utime(path, ns=(before + 10**9, before + 10**9))


@pytest.fixture
def checked(made_path, tmp_path):
    done = call("check", made_path, "--labels", "group", *QUICK[:2], "--out", tmp_path / "check.json")
    assert done.exit_code == 0, done.output
    return tmp_path / "check.json"


def test_a_cohort_that_was_replaced_is_neither_trained_on_nor_explained(made_path, made_model, checked, tmp_path):
    assert set(json.loads(checked.read_text())["inputs"]) == {"cohort"}
    save_model(made_model, tmp_path / "model.pt")
    shuffled(made_path)
    options = ["--out", tmp_path / "new.pt", "--performance", tmp_path / "p.tsv", *QUICK]
    for step in (
        ["train", made_path, "--labels", "group", *options],
        ["explain", made_path, "--model", tmp_path / "model.pt", "--out", tmp_path / "new.h5ad"],
    ):
        done = call(*step, "--check", checked)
        assert done.exit_code == 1 and "cohort.h5ad' has changed since it was checked" in done.stderr, done.output
        assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.glob("*new*"))


def test_a_cohort_that_changes_while_it_is_explained(made_path, made_model, tmp_path):
    def replaced(starts, description):
        for start in starts:
            yield start
            os.utime(made_path, ns=(1, 1))

    with pytest.raises(CohortError, match=r"cohort.h5ad' has changed since it was read; run again"):
        relevance_on_disk(made_path, made_model, tmp_path / "out.h5ad", progress=replaced)
    assert not (tmp_path / "out.h5ad").exists()


def test_curves_are_of_the_checked_cohort_and_its_model(made_path, made_model, checked, tmp_path):
    save_model(made_model, tmp_path / "model.pt")
    files = {name: tmp_path / name for name in ("r.h5ad", "explained.h5ad", "genes.tsv", "stability.tsv", "curves.tsv")}
    explained = call(
        "explain", made_path, "--model", tmp_path / "model.pt", "--out", files["r.h5ad"], "--check", checked
    )
    assert explained.exit_code == 0, explained.output
    ranking = ["--table", files["genes.tsv"], "--stability", files["stability.tsv"]]
    assert call("rank", files["r.h5ad"], "--out", files["explained.h5ad"], *ranking).exit_code == 0
    curves = ["curves", files["explained.h5ad"], "--table", files["genes.tsv"], "--out", files["curves.tsv"]]

    done = call(*curves, "--model", tmp_path / "model.pt", "--check", checked)
    assert done.exit_code == 0, done.output
    summary = json.loads(checked.read_text())
    summary["inputs"]["cohort"]["sha256"] = "another"
    (tmp_path / "other.json").write_text(json.dumps(summary))
    done = call(*curves, "--model", tmp_path / "model.pt", "--check", tmp_path / "other.json")
    assert done.exit_code == 1 and "was explained from another file than the one that was checked" in done.stderr
    next(made_model.networks[0][0].parameters()).data.mul_(2)
    save_model(made_model, tmp_path / "new.pt")
    done = call(*curves, "--model", tmp_path / "new.pt", "--check", checked)
    assert done.exit_code == 1 and "was explained by another model" in done.stderr


def test_the_files_of_a_declared_model(tmp_path):
    for name in ("model.pt2", "genes.txt", "nets.py", "weights.pt"):
        (tmp_path / name).write_text("")
    declared = tmp_path / "model.yaml"
    declared.write_text("network: model.pt2\ngenes: genes.txt\nclasses: [a, b]\nlayer: X\nnormalisation: log\n")
    assert {path.name for path in model_files(declared).values()} == {"model.yaml", "model.pt2", "genes.txt"}
    declared.write_text(
        f"network: nets:make\nweights: weights.pt\narguments: {{path: {tmp_path / 'genes.txt'}, size: 3}}\n"
        "genes: [a, b]\nclasses: [a, b]\nlayer: X\nnormalisation: log\n"
    )
    names = {"model.yaml", "nets.py", "weights.pt", "genes.txt"}
    assert {path.name for path in model_files(declared).values()} == names


def test_equal_trainings_are_equal_files(tmp_path):
    write_cohort(made_cohort(), tmp_path / "cohort.h5ad")
    for name in ("one", "another"):
        out = tmp_path / name / f"{name}.pt"
        done = call(
            "train", tmp_path / "cohort.h5ad", "--labels", "group", "--out", out,
            "--performance", tmp_path / "performance.tsv", *QUICK,
        )  # fmt: skip
        assert done.exit_code == 0, done.output
    assert (tmp_path / "one" / "one.pt").read_bytes() == (tmp_path / "another" / "another.pt").read_bytes()


def test_equal_explanations_are_equal_files(made_path, made_model, tmp_path):
    seen = []
    for name in ("one", "another"):
        relevance_on_disk(made_path, made_model, tmp_path / f"{name}.h5ad", progress=counting(seen))
    assert (tmp_path / "one.h5ad").read_bytes() == (tmp_path / "another.h5ad").read_bytes()
