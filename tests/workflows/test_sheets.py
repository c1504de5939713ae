"""Mistakes in a configuration or a sheet are named, by row and column, before anything runs."""

import os
from pathlib import Path

import pandas as pd
import pytest
import yaml
from jsonschema import Draft202012Validator
from snakemake.exceptions import WorkflowError

from lrp_domains.genes import made_cohort, write_cohort

from .runs import ROOT, configured, snakemake, written


@pytest.mark.parametrize(
    "change, message",
    [
        ({"genes": {"cohorts": "cohorts.tsv", "layr": "X"}}, "genes: unknown setting 'layr'; there are: "),
        ({"genes": {}}, "genes: 'cohorts' is a required property"),
        ({"genes": {"cohorts": "cohorts.csv"}}, "genes.cohorts: 'cohorts.csv' does not match"),
        ({"genes": {"cohorts": "c.tsv", "training": {"folds": 1}}}, "genes.training.folds: 1 is less than the minimum"),
        ({"genes": {"cohorts": "nowhere.tsv"}}, "there is no sheet 'nowhere.tsv' in the working directory"),
        ({"genes": {"cohorts": "c.tsv", "traning": {}}}, "genes: unknown setting 'traning'; did you mean 'training'"),
        ({"gene": {}}, "top level: unknown setting 'gene'; did you mean 'genes'?"),
        ({"gene": {}}, "nothing to explain; name cohorts (genes:), corpora (text:), pictures (images:) or"),
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
        "row 10 (''), column name: it is empty. Name of the cohort",
        "row 11 ('i'), column obs: there is no 'nowhere.csv' in",
    ):
        assert message in plan.stderr
    assert "What the layer holds (log, counts, centred)" in plan.stderr  # the schema's description is the remedy


def test_an_unknown_column_is_refused(tmp_path):
    rows = [row | {"label": "group"} for row in written(tmp_path, "made")]
    plan = snakemake("--configfile", configured(tmp_path, rows), folder=tmp_path)
    assert plan.returncode == 1 and "row 1: unknown column 'label'; did you mean 'labels'" in plan.stderr
    assert "File " not in plan.stderr  # the place in the workflow's own files where the mistake was noticed


def test_every_mistake_of_a_sheet_of_corpora_is_named(tmp_path):
    (tmp_path / "reviews.csv").write_text("text\nfine\n")
    good = {"name": "good", "path": "reviews.csv", "model": "demo"}
    rows = [
        good,
        good | {"label": "x"},
        good | {"name": "a:b"},
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
        "row 4 ('a:b'), column name: 'a:b' does not match",
        "row 5 ('logs'), column name: 'logs' is reserved",
        "row 6 ('c'), column path: there is no 'nowhere.csv' in",
        "correct the path, or set corpora_exist: false if a rule makes it",
        "row 7 ('d'), column path: 'reviews.xls' does not match",
        "row 8 ('e'), column model: it is empty. A folder that save_pretrained() wrote",
        "row 9 ('f'): 'target' is a dependency of 'against'",
        "row 10 (''), column name: it is empty. Name of the corpus",
    ):
        assert message in plan.stderr, message


class MainProcess:
    basedir, is_main_process = str(ROOT), True


@pytest.fixture
def sheet(tmp_path, monkeypatch):
    """Return a function that reads a sheet of cohorts, from text or bytes, as the workflow does."""
    monkeypatch.chdir(tmp_path)
    names = {
        "os": os, "Path": Path, "Draft202012Validator": Draft202012Validator, "WorkflowError": WorkflowError,
        "workflow": MainProcess, "config": {"genes": {"cohorts": "cohorts.tsv", "cohorts_exist": True}},
        "schema_of": lambda name: yaml.safe_load((ROOT / "workflows" / name).read_text()),
    }  # fmt: skip
    source = ROOT / "workflows" / "sheets.smk"  # Python alone
    exec(compile(source.read_text(), source, "exec"), names)

    def read(content):
        data = content if isinstance(content, bytes) else content.encode()
        (tmp_path / "cohorts.tsv").write_bytes(data)
        return names["read_sheet"]("genes", "cohorts", made="pbmc68k_reduced")

    return read


def mistakes(sheet, content):
    with pytest.raises(WorkflowError) as refused:
        sheet(content)
    first, *lines = str(refused.value).splitlines()
    assert first == "the sheet 'cohorts.tsv' has mistakes"
    return lines


HEADER = "name\tpath\tlabels\n"


@pytest.mark.parametrize(
    "content, message",
    [
        ("name,path,labels\na,b.h5ad,c\n", "row 1: separate the columns by tabs, not by commas"),
        ("name;path;labels\na;b.h5ad;c\n", "row 1: separate the columns by tabs, not by semicolons"),
        ("name   path  labels\na b c\n", "row 1: separate the columns by tabs, not by spaces"),
        ("name path labels\na b c\n", "row 1: separate the columns by tabs, not by spaces"),
        (HEADER + "a,pbmc68k_reduced,c\n", "row 2: separate the cells by tabs, not by commas"),
        ((HEADER + "a\tpbmc68k_reduced\ttumeur_é\n").encode("latin-1"), "row 2: 'tumeur_é' is not UTF-8"),
        ((HEADER + "a\tpbmc68k_reduced\tb\n").encode("utf-16"), "it is UTF-16 or binary; save it as UTF-8"),
        ((HEADER + "a\tpbmc68k_reduced\tb\n").encode("utf-16-le"), "it is UTF-16 or binary; save it as UTF-8"),
        (b"PK\x03\x04", "it is a file of a spreadsheet program; save it as text with tabs (.tsv)"),
        (HEADER + "a\tpbmc68k_reduced\tb\tc\n", "row 2 ('a'): 4 cells for 3 columns; remove a tab"),
        ("name\tpath\t\na\tpbmc68k_reduced\tb\n", "row 2 ('a'): a cell in a column without a name"),
        ("name\tpath\tpath\tlabels\n", "row 1: the column 'path' occurs twice"),
        ("name\tpath\tlabl\na\tpbmc68k_reduced\tb\n", "row 1: unknown column 'labl'; did you mean 'labels'?"),
        (HEADER + "a\tpbmc68k_reduced\t\n", "row 2 ('a'), column labels: it is empty. The column of obs to learn"),
        ("name\tpath\tlabels\ttask\na\tpbmc68k_reduced\tb\tsurvival\n", "row 2 ('a'), column time: it is empty"),
        (HEADER + "a\tb{c}.h5ad\td\n", "row 2 ('a'), column path: 'b{c}.h5ad' has a brace or an angle bracket"),
        (HEADER + "a\tb<c>.h5ad\td\n", "row 2 ('a'), column path: 'b<c>.h5ad' has a brace or an angle bracket"),
        (HEADER + "-rf\tpbmc68k_reduced\tb\n", "row 2 ('-rf'), column name: '-rf' does not match"),
        (HEADER + "logs\tpbmc68k_reduced\tb\n", "row 2 ('logs'), column name: 'logs' is reserved"),
        (HEADER + "report.html\tpbmc68k_reduced\tb\n", "column name: 'report.html' is reserved"),
        (HEADER + "consensus.tsv\tpbmc68k_reduced\tb\n", "'consensus.tsv' is reserved"),
        (HEADER + "a" * 300 + "\tpbmc68k_reduced\tb\n", f"column name: '{'a' * 57}...' is too long"),
        (HEADER + "a\tpbmc68k_reduced\t\"b\nc\tpbmc68k_reduced\td\n", "row 2: unexpected end of data; quote"),
        (HEADER + "a\tpbmc68k_reduced\t\"b\" c\n", "row 2: '\t' expected after"),
        (HEADER + "a\tpbmc68k_reduced\t\"b\nc\"\n", "row 2: a line break within a cell"),
        (HEADER, "no rows; write one for each of the cohorts"),
        ("", "no rows; write one for each of the cohorts"),
    ],
)  # fmt: skip
def test_each_mistake_in_a_sheet_is_named(sheet, content, message):
    assert any(message in line for line in mistakes(sheet, content))


def test_a_sheet_may_have_comments_empty_lines_a_byte_order_mark_and_line_ends_of_any_system(sheet):
    content = (
        "\ufeff# mine\r\nname\tpath\tlabels\tselect\t\r\n\r\na.1\tpbmc68k_reduced\tphase\t\"phase == 'G1 #2'\"\r\n"
    )
    row = {"name": "a.1", "path": "pbmc68k_reduced", "labels": "phase", "select": "phase == 'G1 #2'"}
    assert row.items() <= sheet(content)["a.1"].items()


def test_columns_that_a_file_lacks_are_named(sheet, tmp_path):
    adata = made_cohort()
    adata.obs["age"] = 1.0
    write_cohort(adata, tmp_path / "a.h5ad")
    adata.write_zarr(tmp_path / "a.zarr")
    adata.obs[["age"]].rename(columns={"age": "grade"}).to_csv(tmp_path / "cells.csv")
    (tmp_path / "broken.h5ad").write_bytes(b"no")  # whose error is that of `genes check`
    header = "name\tpath\tobs\tlabels\tdonor\tgroupby\n"
    good = "a\ta.h5ad\t\tgroup\tindex\tage\nb\ta.zarr\tcells.csv\tgrade\t\tgroup\nc\tbroken.h5ad\t\tx\t\t\n"
    assert len(sheet(header + good)) == 3
    lines = mistakes(sheet, header + good + "d\ta.h5ad\t\tgrup\tdonor\t\ne\ta.zarr\t\tgroup\t\tagee\n")
    assert lines[0].startswith(
        "row 5 ('d'), column labels: obs of 'a.h5ad' has no column 'grup'; did you mean 'group'?"
    )
    assert lines[1].startswith("row 5 ('d'), column donor: obs of 'a.h5ad' has no column 'donor'; ")
    assert lines[2].startswith("row 6 ('e'), column groupby: obs of 'a.zarr' has no column 'agee'; did you mean 'age'?")
    assert len(lines) == 3


def test_a_file_whose_name_begins_with_a_dash_is_a_file(sheet, tmp_path):
    write_cohort(made_cohort(), tmp_path / "-dash.h5ad")
    assert sheet(HEADER + "a\t-dash.h5ad\tgroup\n")["a"]["path"] == str(tmp_path / "-dash.h5ad")
