"""Whatever can be known is refused before a network is trained, by the code that reads the cohort later."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from lrp_domains import genes
from lrp_domains.command_line import app

LABELS = ["--labels", "group"]


@pytest.fixture(scope="module")
def cohorts(tmp_path_factory):
    """Cohorts by name, each with one thing wrong."""
    folder = tmp_path_factory.mktemp("cohorts")

    def changed(name, change):
        adata = genes.made_cohort()
        adata.obs["donor"] = [f"donor_{i % 4}" for i in range(adata.n_obs)]
        adata.obs["dose"] = np.arange(adata.n_obs) / 10
        adata.obs["lone"] = ["a"] + ["b"] * (adata.n_obs - 1)
        adata.obs["some"] = [np.nan] + ["b"] * (adata.n_obs - 1)
        adata.var["symbol"] = [f"S{i}" for i in range(adata.n_vars)]
        genes.write_cohort(change(adata), folder / f"{name}.h5ad")

    def with_nan(adata):
        adata.X.data[7] = np.nan
        return adata

    def with_rare(adata):
        labels = adata.obs["group"].astype(str).to_numpy(dtype=object)
        labels[0] = "MK"
        adata.obs["group"] = labels
        return adata

    def twice(adata):
        adata.var_names = ["g1_1", *adata.var_names[1:]]
        return adata

    def one_donor(adata):
        adata.obs["donor"] = "a"
        return adata

    def of_its_own_donor(adata):
        adata.obs["donor"] = adata.obs["group"].astype(str)
        return adata

    def without_label(adata):
        adata.obs["group"] = adata.obs["group"].astype(object)
        adata.obs.loc["cell_3", "group"] = np.nan
        return adata

    def with_lrp(adata):
        adata.layers["lrp"] = adata.X.copy()
        return adata

    for name, change in {
        "good": lambda adata: adata, "nan": with_nan, "rare": with_rare, "twice": twice, "one_donor": one_donor,
        "own_donor": of_its_own_donor, "unlabelled": without_label, "lrp": with_lrp,
    }.items():  # fmt: skip
        changed(name, change)
    (folder / "text.h5ad").write_text("not a cohort")
    (folder / "a.rds").write_text("not a cohort")
    pd.DataFrame(np.ones((4, 3)), columns=list("abc")).to_csv(folder / "plain.csv")
    return folder


@pytest.fixture
def trained(monkeypatch):
    """The calls of `train`, which trains nothing."""
    calls = []
    monkeypatch.setattr(genes, "train", lambda *arguments, **settings: calls.append(settings))
    return calls


REFUSED = [
    ("none", LABELS, "there is no file"),
    ("text", LABELS, "is not an HDF5 file"),
    ("a.rds", LABELS, "has no format that is read"),
    ("plain.csv", LABELS, "obs has no column 'group'"),
    ("good", ["--labels", "grup"], "did you mean 'group'"),
    ("good", ["--labels", "some"], "1 of 120 cells have no label in 'some'"),
    ("unlabelled", LABELS, "1 of 120 cells have no label in 'group', first 'cell_3'"),
    ("good", [*LABELS, "--layer", "count"], "there is no layer 'count'"),
    ("good", [*LABELS, "--layer", "raw"], "the cohort has no raw"),
    ("lrp", [*LABELS, "--layer", "lrp"], "layer is 'lrp', the expression that is explained"),
    ("good", [*LABELS, "--gene-column", "symbl"], "did you mean 'symbol'"),
    ("good", [*LABELS, "--donor", "donr"], "did you mean 'donor'"),
    ("one_donor", [*LABELS, "--donor", "donor"], "all cells come from one donor"),
    ("own_donor", [*LABELS, "--donor", "donor"], "come from one donor in 'donor'"),
    ("nan", LABELS, "a value that is not finite, first in cell"),
    ("twice", LABELS, "1 gene name(s) are used more than once"),
    ("rare", LABELS, "'MK (1)'; drop them (least_cells=5, --least-cells 5)"),
    ("good", [*LABELS, "--folds", "50"], "have fewer cells than the 50 folds"),
    ("good", [*LABELS, "--folds", "2"], "folds is 2; with 3 or more"),
    ("good", [*LABELS, "--network", "transformer", "--hidden", "7"], "requires a multiple of 4"),
    ("good", [*LABELS, "--input-dropout", "1"], "input_dropout is 1.0"),
    ("good", [*LABELS, "--task", "survival"], "got no column of times"),
    ("good", [*LABELS, "--task", "value"], "numbers"),
    ("good", ["--labels", "lone"], "have fewer cells than the 5 folds: 'a (1)'"),
    ("good", [*LABELS, "--normalisation", "log1p_cp10k", "--device", "tpu"], "there is no device 'tpu'"),
    ("good", [*LABELS, "--target", "CD19+"], "did you mean 'CD19+ B'"),
    ("good", [*LABELS, "--against", "B"], "no class 'B' to contrast"),
    ("good", [*LABELS, "--target", "CD19+ B", "--against", "CD19+ B"], "target and against are both"),
    ("good", [*LABELS, "--groupby", "gruop"], "did you mean 'group'"),
    ("good", [*LABELS, "--groupby", "some"], "1 of 120 cells have no label in 'some'"),
    ("good", [*LABELS, "--groupby", "lone"], "a Wilcoxon test requires two cells per group; 'a' has one"),
    ("good", [*LABELS, "--reference", "naive"], "unknown reference 'naive'"),
    ("good", [*LABELS, "--reference", "donor"], "requires the column of obs"),
    ("good", [*LABELS, "--reference", "mean", "--network", "transformer"], "the transformer reads only the genes"),
    ("good", [*LABELS, "--rules", "secant"], "pass one, such as reference="),
    ("good", ["--labels", "dose", "--task", "value", "--target", "high"], "leave out target and against"),
    ("good", [*LABELS, "--select", "donr == 1"], "is not a column of obs; did you mean 'donor'"),
    ("good", [*LABELS, "--select", "donor == 'x'"], "leaves none of the 120 cells"),
    ("good", [*LABELS, "--select", "group == 'Naive T'"], "all cells have the label 'Naive T'"),
    ("good", [*LABELS, "--least-cells", "1000"], "all groups of 'group' have fewer than 1000 cells"),
    ("good", [*LABELS, "--rare", "other"], "--rare merges groups of fewer than --least-cells cells"),
    ("good", [*LABELS, "--obs", "none.csv"], "there is no table of cells 'none.csv'"),
    ("good", ["--model", "none.pt"], "there is no file 'none.pt'"),
    ("good", ["--model", "none.pt", "--epochs", "3"], "nothing is trained; leave out --epochs"),
    ("good", ["--model", "none.pt", "--labels", "group"], "leave out --labels (the groups to rank are --groupby)"),
    ("good", [], "name the column to learn (--labels), or a model (--model)"),
]


@pytest.mark.parametrize("name, options, message", REFUSED, ids=lambda value: str(value)[:40])
def test_no_network_is_trained(cohorts, trained, tmp_path, name, options, message):
    path = cohorts / (name if "." in name else f"{name}.h5ad")
    result = CliRunner().invoke(app, ["genes", "run", str(path), "--out", str(tmp_path / "out"), *options])
    plain = re.sub(r"[│╭╮╰╯─\s]+", " ", result.stderr)
    assert result.exit_code in (1, 2) and message in plain, plain
    assert "Traceback" not in plain and not trained and not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_to(cohorts, trained, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for out, message in ((tmp_path / "file", "is a file"), (tmp_path / "file" / "deeper", "is a file")):
        result = CliRunner().invoke(app, ["genes", "run", str(cohorts / "good.h5ad"), "--out", str(out), *LABELS])
        assert result.exit_code == 1 and message in result.stderr and not trained


def test_the_cohort_itself_is_not_replaced(cohorts, trained, tmp_path):
    for name, options in (("explained", []), ("cohort", ["--select", "donor != 'donor_0'"])):
        path = tmp_path / f"{name}.h5ad"
        path.write_bytes((cohorts / "good.h5ad").read_bytes())
        result = CliRunner().invoke(app, ["genes", "run", str(path), "--out", str(tmp_path), *LABELS, *options])
        assert result.exit_code == 1 and "is the cohort itself, which would be replaced" in " ".join(
            result.stderr.split()
        )
        assert not trained and path.read_bytes() == (cohorts / "good.h5ad").read_bytes()


def test_a_good_cohort_is_trained_on(cohorts, trained, tmp_path):
    options = [*LABELS, "--donor", "donor", "--gene-column", "symbol", "--target", "CD19+ B", "--groupby", "donor"]
    result = CliRunner().invoke(
        app, ["genes", "run", str(cohorts / "good.h5ad"), "--out", str(tmp_path / "out"), *options]
    )
    assert len(trained) == 1 and trained[0]["gene_column"] == "symbol"
    assert not isinstance(result.exception, genes.CohortError)


def test_the_check_command_checks_the_same(cohorts, tmp_path):
    out = str(tmp_path / "check.json")
    for options, message in (
        (["--target", "CD19+"], "did you mean 'CD19+ B'"),
        (["--reference", "mean", "--network", "transformer"], "the transformer reads only the genes"),
        (["--groupby", "lone"], "a Wilcoxon test requires two cells"),
        (["--time", "dose"], "time is for 'survival'"),
    ):
        result = CliRunner().invoke(
            app, ["genes", "check", str(cohorts / "good.h5ad"), *LABELS, "--out", out, *options]
        )
        assert result.exit_code == 1 and message in " ".join(result.stderr.split()), result.stderr
    arguments = ["genes", "check", str(cohorts / "rare.h5ad"), *LABELS, "--out", out, "--least-cells", "5"]
    assert CliRunner().invoke(app, arguments).exit_code == 0
    assert json.loads((tmp_path / "check.json").read_text())["cells"] == 119
