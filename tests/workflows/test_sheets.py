"""Mistakes in a configuration or a sheet are named, by row and column, before anything runs."""

import pandas as pd
import pytest
import yaml

from .runs import configured, snakemake, written


@pytest.mark.parametrize(
    "change, message",
    [
        ({"genes": {"cohorts": "cohorts.tsv", "layr": "X"}}, "genes: Additional properties are not allowed ('layr'"),
        ({"genes": {}}, "genes: 'cohorts' is a required property"),
        ({"genes": {"cohorts": "cohorts.csv"}}, "genes.cohorts: 'cohorts.csv' does not match"),
        ({"genes": {"cohorts": "c.tsv", "training": {"folds": 1}}}, "genes.training.folds: 1 is less than the minimum"),
        ({"genes": {"cohorts": "nowhere.tsv"}}, "there is no sheet 'nowhere.tsv' in the working directory"),
        ({"gene": {}}, "nothing to explain; name cohorts (genes:), corpora (text:), or both"),
        ({"text": {}}, "text: 'corpora' is a required property"),
        ({"text": {"corpora": "c.tsv", "explanation": {"shard_texts": 0}}}, "explanation.shard_texts: 0 is less than"),
        ({}, "no configuration; name one"),
        ({"genes": None}, "no configuration; name one"),
    ],
)  # fmt: skip
def test_a_wrong_configuration_is_refused_before_anything_runs(tmp_path, change, message):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(change))
    plan = snakemake("--configfile", tmp_path / "config.yaml", folder=tmp_path)
    assert plan.returncode == 1 and message in plan.stderr
    assert not (tmp_path / "results").exists()


def test_every_mistake_of_a_sheet_is_named_by_row_and_column(tmp_path):
    good = written(tmp_path, "good")[0]
    rows = [
        good,
        good | {"labels": "x"},
        good | {"name": "a/b"},
        good | {"name": "c", "path": "nowhere.h5ad"},
        good | {"name": "d", "path": "good.rds"},
        good | {"name": "e", "normalisation": "zscor"},
        good | {"name": "f", "model": "model.pkl"},
        good | {"name": "g", "task": "clases"},
        {"path": "good.h5ad"},
        good | {"name": "i", "obs": "nowhere.csv"},
    ]
    plan = snakemake("--configfile", configured(tmp_path, rows), folder=tmp_path)
    assert plan.returncode == 1 and not (tmp_path / "results").exists()
    for message in (
        "row 3 ('good'), column name: used before; give each row a different name",
        "row 4 ('a/b'), column name: 'a/b' does not match",
        "row 5 ('c'), column path: there is no 'nowhere.h5ad' in",
        "row 6 ('d'), column path: 'good.rds' does not match",
        "row 7 ('e'), column normalisation: 'zscor' is not one of ['log',",
        "row 8 ('f'), column model: 'model.pkl' does not match",
        "row 9 ('g'), column task: 'clases' is not one of",
        "row 10 (''): 'name' is a required property",
        "row 11 ('i'), column obs: there is no 'nowhere.csv' in",
    ):
        assert message in plan.stderr
    assert "What the layer holds (log, counts, centred)" in plan.stderr  # the schema's description is the remedy


def test_an_unknown_column_is_refused(tmp_path):
    rows = [row | {"label": "group"} for row in written(tmp_path, "made")]
    plan = snakemake("--configfile", configured(tmp_path, rows), folder=tmp_path)
    assert plan.returncode == 1 and "Additional properties are not allowed ('label' was unexpected)" in plan.stderr


def test_every_mistake_of_a_sheet_of_corpora_is_named(tmp_path):
    (tmp_path / "reviews.csv").write_text("text\nfine\n")
    good = {"name": "good", "path": "reviews.csv", "model": "demo"}
    rows = [
        good,
        good | {"label": "x"},
        good | {"name": "a.b"},
        good | {"name": "logs"},
        good | {"name": "c", "path": "nowhere.csv"},
        good | {"name": "d", "path": "reviews.xls"},
        good | {"name": "e", "model": ""},
        good | {"name": "f", "against": "negative"},
        {"path": "demo", "model": "demo"},
    ]
    pd.DataFrame(rows).fillna("").to_csv(tmp_path / "corpora.tsv", sep="\t", index=False)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"text": {"corpora": "corpora.tsv"}}))
    plan = snakemake("--configfile", tmp_path / "config.yaml", folder=tmp_path)
    assert plan.returncode == 1 and not (tmp_path / "results").exists()
    for message in (
        "row 3 ('good'), column name: used before; give each row a different name",
        "row 4 ('a.b'), column name: 'a.b' does not match",
        "row 5 ('logs'), column name:",
        "row 6 ('c'), column path: there is no 'nowhere.csv' in",
        "correct the path, or set corpora_exist: false if a rule makes it",
        "row 7 ('d'), column path: 'reviews.xls' does not match",
        "row 8 ('e'): 'model' is a required property",
        "row 9 ('f'): 'target' is a dependency of 'against'",
        "row 10 (''): 'name' is a required property",
    ):
        assert message in plan.stderr, message
