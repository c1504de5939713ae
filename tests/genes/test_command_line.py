"""The command line, end to end on a small cohort; errors are one line."""

import json
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import torch
import yaml
from torch import nn
from typer.testing import CliRunner

from lrp_domains.command_line import app
from lrp_domains.genes import made_cohort, read_cohort, read_table, write_cohort

QUICK = ["--folds", "3", "--hidden", "16", "--epochs", "30"]
WRITTEN = [
    "curves.tsv", "explained.h5ad", "genes.parquet", "genes.tsv", "model.pt", "performance.tsv", "report.html",
    "stability.tsv",
]  # fmt: skip


def call(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def cohort(tmp_path):
    adata = made_cohort()
    adata.obs["donor"] = [f"donor_{i % 5}" for i in range(adata.n_obs)]
    write_cohort(adata, tmp_path / "cohort.h5ad")
    return tmp_path / "cohort.h5ad"


@pytest.mark.slow
def test_steps_and_all_in_one_go_give_the_same(cohort, tmp_path):
    d, out = tmp_path / "cohort", tmp_path / "out"
    for step in (
        ["check", cohort, "--labels", "group", "--donor", "donor", "--out", d / "check.json"],
        ["train", cohort, "--labels", "group", "--out", d / "model.pt", "--performance", d / "performance.tsv", *QUICK],
        ["explain", cohort, "--model", d / "model.pt", "--out", d / "r.h5ad", "--target", "labelled",
         "--donor", "donor"],
        ["rank", d / "r.h5ad", "--name", "cohort", "--out", d / "explained.h5ad", "--table", d / "genes.parquet",
         "--table", d / "genes.tsv", "--stability", d / "stability.tsv"],
        ["curves", d / "explained.h5ad", "--model", d / "model.pt", "--table", d / "genes.tsv",
         "--out", d / "curves.tsv"],
        ["report", d, "--out", d / "report.html"],
    ):  # fmt: skip
        result = call("genes", *step)
        assert result.exit_code == 0, result.output
    result = call("genes", "run", cohort, "--labels", "group", "--out", out, "--target", "labelled", *QUICK)
    assert result.exit_code == 0, result.output
    assert "warning" not in result.stderr
    assert f"report: {(out / 'report.html').resolve()}" in result.stderr
    assert sorted(path.name for path in out.iterdir()) == WRITTEN
    steps, at_once = read_cohort(d / "explained.h5ad"), read_cohort(out / "explained.h5ad")
    np.testing.assert_array_equal(steps.layers["lrp"].toarray(), at_once.layers["lrp"].toarray())
    table = read_table(out / "genes.parquet")
    pd.testing.assert_frame_equal(table, read_table(out / "genes.tsv"))
    same = ["group", "gene", "rank", "score", "effect_size", "selected", "de_rank"]
    pd.testing.assert_frame_equal(table[same], read_table(d / "genes.parquet")[same])
    assert table["p_value"].isna().all() and (table["low"] != read_table(d / "genes.parquet")["low"]).any()
    summary = json.loads((d / "check.json").read_text())
    assert (summary["cells"], summary["genes_read"], summary["donors"]) == (120, 60, 5) and len(summary["groups"]) == 3
    frame = sc.get.rank_genes_groups_df(at_once, group="CD4+/CD25 T Reg", key="rank_genes_lrp")
    assert list(frame["names"]) == list(table.loc[table["group"] == "CD4+/CD25 T Reg", "gene"])


@pytest.mark.slow
def test_a_declared_model_is_explained(cohort, tmp_path):
    network = nn.Sequential(nn.Linear(60, 8), nn.ReLU(), nn.Linear(8, 3))
    shapes = ({0: torch.export.Dim("cells", min=1)},)
    torch.export.save(torch.export.export(network, (torch.rand(4, 60),), dynamic_shapes=shapes), tmp_path / "net.pt2")
    declared = {"network": "net.pt2", "genes": list(made_cohort().var_names), "classes": ["a", "b", "c"]}
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(declared))
    out = tmp_path / "out"
    result = call("genes", "run", cohort, "--model", tmp_path / "model.yaml", "--out", out, "--no-wilcoxon")
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in out.iterdir()) == [
        name for name in WRITTEN if name not in ("model.pt", "performance.tsv")
    ]
    assert set(read_table(out / "genes.tsv")["group"]) <= {"a", "b", "c"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--reference", "naive"], "unknown reference 'naive'"),
        (["--reference", "donor"], "requires the column of obs"),
        (["--reference", "mean", "--rules", "cp-lrp"], "explains no differences from a reference"),
        (["--rules", "secant"], "pass one, such as reference="),
    ],
)
def test_an_explanation_that_does_not_fit_is_refused_before_training(cohort, tmp_path, options, message):
    result = call("genes", "run", cohort, "--labels", "group", "--out", tmp_path / "out", *QUICK, *options)
    assert result.exit_code == 1 and message in " ".join(result.output.split())
    assert not (tmp_path / "out").exists()


def test_a_run_against_a_reference(cohort, tmp_path):
    out = tmp_path / "out"
    arguments = ["--labels", "group", "--reference", "Naive T", "--rules", "secant", "--target", "labelled", *QUICK]
    result = call("genes", "run", cohort, "--out", out, *arguments)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in out.iterdir()) == WRITTEN
    adata, table = read_cohort(out / "explained.h5ad"), read_table(out / "genes.parquet")
    assert adata.uns["lrp"]["reference"] == "Naive T" and adata.uns["lrp"]["rules"] == "secant"
    difference = adata.obs["lrp_score"] - adata.obs["lrp_reference_score"]
    np.testing.assert_allclose(adata.layers["lrp"].sum(1), difference, atol=1e-4)
    assert set(table["reference"]) == {"Naive T"}
    assert "apart from the mean of Naive T" in (out / "report.html").read_text()


def test_curves_of_groups_that_are_no_classes_and_without_curves(cohort, tmp_path):
    out = tmp_path / "out"
    arguments = ["--labels", "group", "--groupby", "donor", "--select", "donor != 'donor_0'", *QUICK]
    result = call("genes", "run", cohort, "--out", out, *arguments)
    assert result.exit_code == 0, result.output
    assert "selected: 96 of 120 cells" in result.stderr and "curves: not measured, because no group" in result.stderr
    assert pd.read_csv(out / "curves.tsv", sep="\t").empty
    assert sorted(path.name for path in out.iterdir()) == sorted([*WRITTEN, "cohort.h5ad"])
    result = call("genes", "run", cohort, "--out", out, "--model", out / "model.pt", "--no-curves", "--no-wilcoxon")
    assert result.exit_code == 0, result.output
    assert not (out / "curves.tsv").exists() and read_cohort(out / "explained.h5ad").n_obs == 120


@pytest.mark.parametrize(
    "options", [["--epochs", "3"], ["--labels", "group"], ["--least-cells", "3"], ["--layer", "X"]]
)
def test_options_of_training_are_refused_beside_a_model(cohort, tmp_path, options):
    result = call("genes", "run", cohort, "--out", tmp_path / "out", "--model", "model.pt", *options)
    assert result.exit_code == 2 and f"nothing is trained; leave out {options[0]}" in " ".join(result.stderr.split())


def test_cells_are_selected(cohort, tmp_path):
    out = tmp_path / "some.h5ad"
    result = call("genes", "select", cohort, "--where", "donor != 'donor_0'", "--out", out)
    assert result.exit_code == 0 and "selected: 96 of 120 cells" in result.stderr
    assert "donor_0" not in set(read_cohort(out).obs["donor"])


def test_the_demo_cohort(tmp_path):
    assert call("genes", "select", "pbmc68k_reduced", "--out", tmp_path / "demo.h5ad").exit_code == 0
    adata = read_cohort(tmp_path / "demo.h5ad")
    assert adata.shape == (700, 765) and adata.X.min() == 0 and "bulk_labels" in adata.obs


@pytest.mark.parametrize(
    "arguments, code, message",
    [
        (["run", "none.h5ad", "--labels", "x"], 1, "error: there is no file 'none.h5ad'"),
        (["run", "COHORT", "--labels", "grup"], 1, "error: obs has no column 'grup'; did you mean 'group'?"),
        (["run", "COHORT", "--labels", "group", "--layer", "raw"], 1, "error: the cohort has no raw"),
        (["run", "COHORT", "--labels", "group", "--device", "tpu"], 1, "error: there is no device 'tpu'"),
        (["run", "COHORT", "--labels", "group", "--donor", "donr"], 1, "did you mean 'donor'"),
        (["run", "COHORT", "--labels", "group", "--rules", "magic"], 2, "'magic' is not one of 'attn-lrp'"),
        (["explain", "COHORT", "--model", "DECLARED", "--rules", "secant-half"], 1, "pass one, such as reference="),
        (["explain", "COHORT", "--model", "DECLARED", "--reference", "mean", "--rules", "cp-lrp"], 1,
         "'CP-LRP' explains no differences from a reference"),
        (["explain", "COHORT", "--model", "DECLARED", "--reference", "naive"], 1, "unknown reference 'naive';"),
        (["explain", "COHORT", "--model", "DECLARED", "--reference", "donor"], 1, "requires the column of obs"),
        (["run", "COHORT", "--labels", "group", "--normalisation", "logg"], 2, "'logg' is not one of 'log'"),
        (["run", "COHORT", "--labels", "group", "--log-base", "1"], 1, "log_base is '1'; expected 'e', 2, 10 or"),
        (["check", "COHORT", "--log-base", "2", "--normalisation", "counts"], 1, "log_base is for layers of logs"),
        (["run", "COHORT", "--labels", "group", "--fdr", "2"], 1, "expected a rate between 0 and 1"),
        (["run", "COHORT", "--labels", "group", "--decoys", "2"], 2, "the number of draws for --fdr; name both"),
        (["run", "COHORT", "--labels", "group", "--fdr", "0.1", "--reference", "zero"], 1, "leave out fdr, or target"),
        (["run", "COHORT", "--labels", "group", "--fdr", "0.1", "--groupby", "donor"], 1, "leave out fdr, or target"),
        (["run", "COHORT"], 2, "name the column to learn (--labels), or a model (--model)"),
        (["run", "COHORT", "--model", "none.yaml"], 1, "error: there is no file 'none.yaml'"),
        (["select", "COHORT", "--where", "donr == 1"], 1, "'donr == 1' is not a valid query on obs: name 'donr'"),
        (["select", "COHORT", "--where", "donor == 'x'"], 1, "leaves none of the 120 cells"),
        (["check", "COHORT", "--labels", "group", "--folds", "99"], 1, "have fewer cells than the 99 folds"),
        (["check", "COHORT", "--labels", "donor", "--donor", "group2"], 1, "no column 'group2' of donors"),
        (["explain", "COHORT", "--model", "none.pt"], 1, "error: there is no file 'none.pt'"),
        (["consensus", "none.tsv", "--agreement", "a.tsv"], 1, "error: there is no table 'none.tsv'"),
        (["enrich", "none.tsv", "--gene-sets", "none.gmt"], 1, "error: there is no table 'none.tsv'"),
        (["report", "nowhere"], 1, "'nowhere' is not a folder of results: it has no explained.h5ad"),
    ],
)  # fmt: skip
def test_errors_are_one_line_and_nothing_is_written(cohort, tmp_path, arguments, code, message):
    torch.save(nn.Linear(60, 3), tmp_path / "net.pt")
    names = list(made_cohort().obs["group"].cat.categories)
    declared = {"network": "net.pt", "genes": list(made_cohort().var_names), "classes": names, "labels": "group"}
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(declared))
    places = {"COHORT": cohort, "DECLARED": tmp_path / "model.yaml"}
    arguments = [places.get(argument, argument) for argument in arguments]
    arguments += ["--allow-pickle"] if "--model" in arguments else []
    result = call("genes", *arguments, "--out", tmp_path / "out" / "x.h5ad")
    plain = re.sub(r"[│╭╮╰╯─\s]+", " ", result.stderr)
    assert result.exit_code == code and message in plain and "Traceback" not in plain, plain
    assert sum(line.startswith("error:") for line in result.stderr.splitlines()) == 1
    assert not (tmp_path / "out" / "x.h5ad").is_file()
    assert not list(tmp_path.rglob("*.parts"))


def test_a_folder_that_cannot_be_written_to(cohort, tmp_path):
    (tmp_path / "out").write_text("a file is in the way")
    result = call("genes", "run", cohort, "--labels", "group", "--out", tmp_path / "out", *QUICK)
    assert result.exit_code == 1 and result.stderr.splitlines()[-1].startswith("error: ")


def test_python_dash_m_is_the_same_command():
    result = subprocess.run([sys.executable, "-m", "lrp_domains", "genes", "--help"], capture_output=True, text=True)
    assert result.returncode == 0 and "consensus" in result.stdout
    assert subprocess.run([sys.executable, "-m", "lrp_domains", "--version"], capture_output=True).returncode == 0


def test_a_warning_is_shown_once(cohort, tmp_path):
    adata = made_cohort()
    adata.X = adata.X.toarray() - 1
    write_cohort(adata, cohort)
    result = call("genes", "run", cohort, "--labels", "group", "--out", tmp_path / "out", *QUICK)
    assert result.exit_code == 0, result.output
    assert result.stderr.count("warning: the expression in 'X' has negative values") == 1


def test_a_run_without_a_finished_cohort_has_no_report_but_reasons(tmp_path):
    (tmp_path / "bad" / "logs").mkdir(parents=True)
    (tmp_path / "bad" / "logs" / "check.log").write_text("error: obs has no column 'grup'\n")
    shown = call(
        "genes", "report", tmp_path / "bad", tmp_path / "later", "--missing-ok", "--out", tmp_path / "report.html"
    )
    assert shown.exit_code == 0
    assert "missing: bad: obs has no column 'grup'" in shown.stderr
    assert "missing: later: it was not started" in shown.stderr
    assert "no cohort is finished" in shown.stderr
    assert not (tmp_path / "report.html").exists()
