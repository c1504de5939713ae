"""``lrp-domains genes compare``: what it writes, that it resumes, and what it refuses."""

import pandas as pd
import pytest
from typer.testing import CliRunner

import lrp_domains.genes.evaluation.compare as library
from lrp_domains.command_line import app
from lrp_domains.evaluation import compare as compare_by
from lrp_domains.genes import made_cohort, save_model, write_cohort

FILES = ["comparison.html", "comparison.tsv", "curves.tsv", "samples.parquet"]


@pytest.fixture
def files(made_model, tmp_path):
    """Write the made cohort and its model, and return the arguments that name them."""
    write_cohort(made_cohort(), tmp_path / "cohort.h5ad")
    save_model(made_model, tmp_path / "model.pt")
    return [tmp_path / "cohort.h5ad", "--model", tmp_path / "model.pt", "--out", tmp_path / "out"]


def call(*arguments):
    return CliRunner().invoke(app, ["genes", "compare", *map(str, arguments)])


def test_a_comparison_is_written(files, tmp_path):
    (tmp_path / "markers.tsv").write_text("type\tsymbol\nNaive T\tg1_0\nNaive T\tg1_1\nCD19+ B\tg3_0\n")
    options = ["--method", "attn-lrp", "--method", "secant", "--cells", 4, "--how", "permuted", "--seed", 3, "--soft"]
    options += ["--markers", tmp_path / "markers.tsv", "--marker-group", "type", "--marker-gene", "symbol"]
    result = call(*files, *options)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == FILES
    table = pd.read_csv(tmp_path / "out" / "comparison.tsv", sep="\t")
    assert list(table["method"].unique()) == ["attn-lrp", "secant", "gradient", "random"]
    assert {"ABPC", "deletion", "Gini", "Soft-NC", "Soft-NS", "AUPRC"} <= set(table["measure"])
    samples = pd.read_parquet(tmp_path / "out" / "samples.parquet")
    assert len(samples) == 4 * 12
    mean = samples[samples["method"] == "secant"]["ABPC"].mean()
    row = table[(table["method"] == "secant") & (table["measure"] == "ABPC")]
    assert row["mean"].item() == pytest.approx(mean, rel=1e-4)
    page = (tmp_path / "out" / "comparison.html").read_text()
    assert "12 of 120 cells of &#39;cohort&#39;, drawn with seed 3" in page
    assert "by networks that have not seen it; removed genes are read as those of another cell." in page
    assert "most faithful: " in result.stderr and str((tmp_path / "out" / "comparison.html").resolve()) in result.stderr

    expected = library.compare_methods(
        made_cohort(), _model(files), methods=["attn-lrp", "secant"], cells=4, how="permuted", soft=True, seed=3
    )
    for measure in ("deletion", "Soft-NC", "Soft-NS"):
        own = samples[samples["method"] == "attn-lrp"].set_index("sample")[measure]
        pd.testing.assert_series_equal(own, expected.values.loc["attn-lrp", measure])


def _model(files):
    from lrp_domains.genes import load_model

    return load_model(files[2])


def test_an_interrupted_comparison_resumes(files, tmp_path, monkeypatch):
    measured = []

    def interrupted(runs, measures, **options):
        return compare_by({name: _stop if name == "secant" else run for name, run in runs.items()}, measures, **options)

    def _stop():
        raise KeyboardInterrupt

    def counted(runs, measures, **options):
        def recorded(name, run):
            return lambda: measured.append(name) or run()

        return compare_by({name: recorded(name, run) for name, run in runs.items()}, measures, **options)

    options = ["--cells", 3, "--method", "attn-lrp", "--method", "secant"]
    monkeypatch.setattr(library, "compare", interrupted)
    assert call(*files, *options).exit_code == 130
    assert not (tmp_path / "out").exists() and (tmp_path / ".out.parts").is_dir()
    monkeypatch.setattr(library, "compare", counted)
    assert call(*files, *options).exit_code == 0
    assert measured == ["secant", "gradient", "random"]
    assert not (tmp_path / ".out.parts").exists()

    monkeypatch.setattr(library, "compare", interrupted)
    assert call(*files, *options).exit_code == 130
    measured.clear()
    monkeypatch.setattr(library, "compare", counted)
    assert call(*files, *options, "--seed", 1).exit_code == 0
    assert measured == ["attn-lrp", "secant", "gradient", "random"]  # other cells


@pytest.mark.parametrize(
    "options, code, message",
    [
        (["--method", "attn-lpr"], 1, "there is no method 'attn-lpr'; did you mean 'attn-lrp'"),
        (["--how", "delete"], 2, "'delete' is not one of 'zero'"),
        (["--markers", "none.tsv"], 1, "there is no file of markers 'none.tsv'"),
        (["--marker-group", "type"], 2, "--marker-gene are columns of the table --markers; name it too"),
        (["--markers", "SETS", "--marker-gene", "gene"], 2, "a .gmt file has no columns"),
        (["--markers", "SETS"], 1, "no class of the model"),
        (["--model", "none.pt"], 1, "there is no file 'none.pt'"),
        (["--groupby", "grup"], 1, "obs has no column 'grup'; did you mean 'group'?"),
    ],
)
def test_what_does_not_fit_is_one_line(files, tmp_path, options, code, message, monkeypatch):
    (tmp_path / "sets.gmt").write_text("B cells\tx\tg3_0\n")
    monkeypatch.setattr(library, "compare", None)  # nothing is compared
    result = call(*files, *[tmp_path / "sets.gmt" if option == "SETS" else option for option in options])
    assert result.exit_code == code and message in " ".join(result.output.split()), result.output
    assert not (tmp_path / "out").exists() and not (tmp_path / ".out.parts").exists()
