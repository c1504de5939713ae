"""The command line, end to end on a small cohort; errors are one line."""

import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import scanpy as sc
from typer.testing import CliRunner

from lrp_domains.command_line import app
from lrp_domains.genes import made_cohort, read_cohort, write_cohort

QUICK = ["--folds", "3", "--hidden", "16", "--epochs", "30"]


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def cohort(tmp_path):
    path = tmp_path / "cohort.h5ad"
    write_cohort(made_cohort(), path)
    return path


def test_steps_and_all_in_one_go_give_the_same(cohort, tmp_path):
    for step in (
        ["train", cohort, "--labels", "group", "--out", tmp_path / "m.pt", "--accuracy", tmp_path / "a.tsv", *QUICK],
        ["explain", cohort, "--models", tmp_path / "m.pt", "--out", tmp_path / "e.h5ad", "--target", "labelled"],
        ["rank", tmp_path / "e.h5ad", "--out", tmp_path / "r.h5ad", "--table", tmp_path / "g.tsv"],
        ["report", tmp_path / "r.h5ad", "--accuracy", tmp_path / "a.tsv", "--out", tmp_path / "r.html"],
    ):
        result = call("genes", *step)
        assert result.exit_code == 0, result.output
    out = tmp_path / "out"
    result = call("genes", "run", cohort, "--labels", "group", "--out", out, "--target", "labelled", *QUICK)
    assert result.exit_code == 0, result.output
    assert "warning" not in result.stderr
    assert f"report: {(out / 'report.html').resolve()}" in result.stderr
    assert sorted(path.name for path in out.iterdir()) == [
        "accuracy.tsv", "genes.tsv", "models.pt", "ranked.h5ad", "report.html",
    ]  # fmt: skip
    for one, other in (("a.tsv", "accuracy.tsv"), ("g.tsv", "genes.tsv")):
        assert (tmp_path / one).read_text() == (out / other).read_text()
    steps, at_once = read_cohort(tmp_path / "r.h5ad"), read_cohort(out / "ranked.h5ad")
    np.testing.assert_array_equal(steps.layers["lrp"].toarray(), at_once.layers["lrp"].toarray())
    table = pd.read_csv(out / "genes.tsv", sep="\t")
    assert list(table) == ["group", "rank", "gene", "mean_relevance", "log2_fold_change", "wilcoxon_rank"]
    assert len(table) == 3 * 60 and not table.isna().any().any()
    frame = sc.get.rank_genes_groups_df(at_once, group="CD4+/CD25 T Reg", key="rank_genes_lrp")
    assert list(frame["names"]) == list(table.loc[table["group"] == "CD4+/CD25 T Reg", "gene"])


def test_the_report_is_whole_in_itself(cohort, tmp_path):
    adata = made_cohort()
    adata.obs["group"] = adata.obs["group"].cat.rename_categories({"Naive T": "<b>T & co"})
    write_cohort(adata, cohort)
    result = call("genes", "run", cohort, "--labels", "group", "--out", tmp_path, "--no-wilcoxon", *QUICK)
    assert result.exit_code == 0, result.output
    page = (tmp_path / "report.html").read_text()
    sources = re.findall(r'(?:src|href)="([^"]{0,30})', page)
    assert len(sources) == 4 and all(source.startswith("data:image/png;base64,") for source in sources)
    assert "&lt;b&gt;T &amp; co" in page and "<b>T" not in page
    for word in ("CD19+ B", "balanced", "confusion", "torch", "scanpy", "g3_0"):
        assert word.lower() in page.lower()


def test_a_cohort_without_map_and_with_a_dense_matrix(cohort, tmp_path):
    adata = made_cohort()
    del adata.obsm["X_umap"]
    adata.X = adata.X.toarray()
    write_cohort(adata, cohort)
    result = call("genes", "run", cohort, "--labels", "group", "--out", tmp_path, *QUICK)
    assert result.exit_code == 0, result.output
    assert "so there is no map" in (tmp_path / "report.html").read_text()


def test_the_demo_cohort(tmp_path):
    assert call("genes", "demo-cohort", "--out", tmp_path / "demo.h5ad").exit_code == 0
    adata = read_cohort(tmp_path / "demo.h5ad")
    assert adata.shape == (700, 765) and adata.X.min() == 0 and "bulk_labels" in adata.obs


@pytest.mark.parametrize(
    "arguments, code, message",
    [
        (["run", "none.h5ad", "--labels", "x"], 1, "error: there is no file 'none.h5ad'"),
        (["run", "COHORT", "--labels", "grup"], 1, "error: obs has no column 'grup'; did you mean 'group'?"),
        (["run", "COHORT", "--labels", "group", "--layer", "raw"], 1, "error: the cohort has no raw"),
        (["run", "COHORT", "--labels", "group", "--device", "tpu"], 1, "error: there is no device 'tpu'"),
        (["run", "COHORT", "--labels", "group", "--target", "B", *QUICK], 1, "error: there is no target 'B'"),
        (["run", "COHORT", "--labels", "group", "--rules", "magic"], 2, "'magic' is not one of 'attn-lrp'"),
        (["run", "COHORT"], 2, "Missing option '--labels'"),
    ],
)  # fmt: skip
def test_errors_are_one_line_and_nothing_is_written(cohort, tmp_path, arguments, code, message):
    arguments = [cohort if argument == "COHORT" else argument for argument in arguments]
    result = call("genes", *arguments, "--out", tmp_path / "out")
    plain = re.sub(r"[│╭╮╰╯─\s]+", " ", result.stderr)
    assert result.exit_code == code and message in plain and "Traceback" not in plain
    assert sum(line.startswith("error:") for line in result.stderr.splitlines()) == (code == 1)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_to(cohort, tmp_path):
    (tmp_path / "out").write_text("a file is in the way")
    result = call("genes", "run", cohort, "--labels", "group", "--out", tmp_path / "out", *QUICK)
    assert result.exit_code == 1 and result.stderr.splitlines()[-1].startswith("error: ")


def test_python_dash_m_is_the_same_command():
    result = subprocess.run([sys.executable, "-m", "lrp_domains", "genes", "--help"], capture_output=True, text=True)
    assert result.returncode == 0 and "demo-cohort" in result.stdout
    assert subprocess.run([sys.executable, "-m", "lrp_domains", "--version"], capture_output=True).returncode == 0


def test_a_warning_is_shown_once(cohort, tmp_path):
    adata = made_cohort()
    adata.X = adata.X.toarray() - 1
    write_cohort(adata, cohort)
    result = call("genes", "run", cohort, "--labels", "group", "--out", tmp_path / "out", *QUICK)
    assert result.exit_code == 0, result.output
    assert result.stderr.count("warning: the expression in 'X' has negative values") == 1
