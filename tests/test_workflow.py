"""The workflow: planned for the demo, run on small cohorts, clear about mistakes, a module for other workflows."""

import inspect
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import scanpy as sc
import yaml

from lrp_domains.genes import made_cohort, write_cohort

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "configs" / "demo.yaml"
COHORT_FILES = {
    "check.json", "curves.tsv", "explained.h5ad", "genes.parquet", "genes.tsv", "logs", "model.pt", "performance.tsv",
    "stability.tsv",
}  # fmt: skip


def snakemake(*arguments, folder, snakefile=ROOT / "Snakefile"):
    """Run Snakemake without an activated environment, in a separate folder."""
    program = Path(sys.executable).parent / "snakemake"
    command = [program, "--snakefile", snakefile, "--directory", folder, "--cores", 2, *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"} | {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
    }
    return subprocess.run([str(one) for one in command], capture_output=True, text=True, env=environment, cwd=folder)


def configured(folder, rows, **genes):
    """Write a sheet and a configuration for it."""
    pd.DataFrame(rows).fillna("").to_csv(folder / "cohorts.tsv", sep="\t", index=False)
    config = {"genes": {"cohorts": "cohorts.tsv", "training": {"folds": 3, "epochs": 60}} | genes}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder / "config.yaml"


def written(folder, *names, **column):
    """Write cohorts and their sheet."""
    for seed, name in enumerate(names):
        adata = made_cohort(seed=seed)
        adata.obs["donor"] = [f"donor_{i % 5}" for i in range(adata.n_obs)]
        write_cohort(adata, folder / f"{name}.h5ad")
    return [{"name": name, "path": f"{name}.h5ad", "labels": "group"} | column for name in names]


def test_the_demo_is_planned(tmp_path):
    plan = snakemake("--dry-run", "--configfile", DEMO, folder=tmp_path)
    assert plan.returncode == 0, plan.stderr
    for rule in ("select", "check", "train", "explain", "rank", "curves", "report"):
        assert f"rule genes_{rule}:" in plan.stdout + plan.stderr
    assert "rule genes_consensus:" not in plan.stdout + plan.stderr
    for rule in ("train_demo", "check", "explain", "gather", "words", "report"):
        assert f"rule text_{rule}:" in plan.stdout + plan.stderr


def test_a_model_from_the_hub_is_not_trained(tmp_path):
    plan = snakemake("--dry-run", "--configfile", ROOT / "configs" / "sst2.yaml", folder=tmp_path)
    assert plan.returncode == 0, plan.stderr
    assert "rule text_explain:" in plan.stdout + plan.stderr
    assert "rule text_train_demo:" not in plan.stdout + plan.stderr and "rule genes_" not in plan.stdout + plan.stderr


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
        ({"text": {"corpora": "c.tsv", "explanation": {"shards": 0}}}, "text.explanation.shards: 0 is less than"),
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


def test_groups_to_merge_are_named_by_their_size(tmp_path):
    config = configured(tmp_path, written(tmp_path, "made", rare="other"))
    plan = snakemake("--dry-run", "--configfile", config, folder=tmp_path)
    assert plan.returncode == 1 and "cohort 'made': rare merges groups of fewer" in plan.stdout + plan.stderr
    config = configured(tmp_path, written(tmp_path, "made", rare="other"), training={"least_cells": 5})
    plan = snakemake("--dry-run", "--printshellcmds", "--configfile", config, folder=tmp_path)
    select = next(line for line in (plan.stdout + plan.stderr).splitlines() if "genes select" in line)
    assert "--labels group --least-cells 5 --rare other" in select


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


@pytest.mark.slow
def test_corpora_from_end_to_end(tmp_path):
    """A user's corpus and the demo, in two shards, explained by the model that the workflow trains."""
    own = pd.DataFrame(
        {"review": ["A fine film & a good cast.", "I hated it.", "Not bad at all."] * 3, "stars": 3 * [1, 0, 1]}
    )
    own.to_csv(tmp_path / "own.csv", index=False)
    rows = [
        {"name": "demo", "path": "demo", "model": "demo", "label": "label"},
        {"name": "own", "path": "own.csv", "model": "demo", "text": "review", "label": "stars", "target": "positive"},
    ]
    pd.DataFrame(rows).fillna("").to_csv(tmp_path / "corpora.tsv", sep="\t", index=False)
    config = {"text": {"corpora": "corpora.tsv", "explanation": {"shards": 2}, "report": {"title": "Made <up>"}}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    run = snakemake("--configfile", tmp_path / "config.yaml", folder=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    results = tmp_path / "results" / "text"
    for name in ("demo", "own"):
        assert {path.name for path in (results / name).iterdir() if path.name != "shards"} == {
            "check.json", "class_words.tsv", "logs", "texts.parquet", "words.parquet",
        }  # fmt: skip
    texts = pd.read_parquet(results / "own" / "texts.parquet")
    assert list(texts["text"]) == list(range(9)) and set(texts["target"]) == {"positive"}
    assert list(texts["label"]) == ["positive", "negative", "positive"] * 3
    held_out = pd.read_csv(results / "demo_model" / "held_out.tsv", sep="\t")
    assert list(pd.read_parquet(results / "demo" / "texts.parquet")["first"]) == list(held_out["text"])
    page = (results / "report.html").read_text()
    assert "Most wrong" in page and "Made &lt;up&gt;" in page and ">film</span>" in page
    again = snakemake("--configfile", tmp_path / "config.yaml", folder=tmp_path)
    assert "Nothing to be done" in again.stdout + again.stderr


@pytest.mark.slow
def test_one_bad_cohort_fails_alone_and_the_others_agree_without_it(tmp_path):
    """Two good cohorts and one whose label column isn't there: reports, consensus, the missing cohort; then fixed."""
    rows = [*written(tmp_path, "one", "two", donor="donor"), *written(tmp_path, "bad", labels="grup")]
    config = configured(tmp_path, rows, report={"title": "Made <up>"}, consensus={"top": 3})
    run = snakemake("--keep-going", "--configfile", config, folder=tmp_path)
    assert run.returncode == 1
    said = run.stdout + run.stderr
    assert "error: obs has no column 'grup'; did you mean 'group'?" in said
    assert "missing: bad: obs has no column 'grup'" in said
    results = tmp_path / "results" / "genes"
    for name in ("one", "two"):
        assert {path.name for path in (results / name).iterdir()} == COHORT_FILES
    assert {path.name for path in (results / "bad").iterdir()} == {"logs"}
    consensus = pd.read_csv(results / "consensus.tsv", sep="\t")
    for number, group in enumerate(["Naive T", "CD4+/CD25 T Reg", "CD19+ B"], 1):
        first = consensus[consensus["group"] == group].head(3)
        assert {gene[:2] for gene in first["gene"]} == {f"g{number}"} and (first["supporting"] == 2).all()
        assert (first["missing"] == "bad").all()
    assert (consensus.groupby("group")["supporting"].sum() == 6).all()  # two cohorts support 3 genes each
    page = (results / "report.html").read_text()
    assert "bad: obs has no column &#39;grup&#39;" in page and "Made <up>" not in page
    adata = sc.read_h5ad(results / "one" / "explained.h5ad")
    assert len(sc.get.rank_genes_groups_df(adata, group="CD19+ B", key="rank_genes_lrp")) == adata.n_vars
    table = pd.read_parquet(results / "one" / "genes.parquet")
    assert table["p_value"].isna().all() and set(table["cohort"]) == {"one"}

    config = configured(tmp_path, [row | {"labels": "group"} for row in rows])
    run = snakemake("--configfile", config, folder=tmp_path)
    assert run.returncode == 0, run.stderr
    assert "rule genes_train:" in run.stdout + run.stderr
    assert (pd.read_csv(results / "consensus.tsv", sep="\t", keep_default_na=False)["missing"] == "").all()
    assert "obs has no column" not in (results / "report.html").read_text()
    again = snakemake("--configfile", config, folder=tmp_path)
    assert "Nothing to be done" in again.stdout + again.stderr


@pytest.mark.slow
def test_used_as_a_module_by_another_workflow(tmp_path):
    """Its rules under another name, its cohort made by another rule, with selected cells and gene sets."""
    rows = written(tmp_path, "made", select="donor != 'donor_0'", donor="donor")
    (tmp_path / "made.h5ad").rename(tmp_path / "source.h5ad")
    gmt = "".join(f"MARKERS_{g}\t\t" + "\t".join(f"g{g}_{i}" for i in range(3)) + "\tother_1\n" for g in (1, 2, 3))
    (tmp_path / "sets.gmt").write_text(gmt)
    config = configured(tmp_path, rows, cohorts_exist=False, gene_sets="sets.gmt", explanation={"layer": False})
    (tmp_path / "Snakefile").write_text(f"""
configfile: "{config}"

module lrp:
    snakefile: "{ROOT / "Snakefile"}"
    config: config

use rule * from lrp as lrp_*

rule everything:
    default_target: True
    input: "results/genes/report.html"

rule make_cohort:
    input: "source.h5ad"
    output: "made.h5ad"
    shell: "cp {{input}} {{output}}"
""")
    run = snakemake(folder=tmp_path, snakefile=tmp_path / "Snakefile")
    assert run.returncode == 0, run.stderr
    assert "rule lrp_genes_train:" in run.stdout + run.stderr
    results = tmp_path / "results" / "genes"
    adata = sc.read_h5ad(results / "made" / "explained.h5ad")
    assert "donor_0" not in set(adata.obs["donor"]) and adata.n_obs == 96 and not adata.layers
    assert (results / "enrichment.tsv").exists() and not (results / "consensus.tsv").exists()
    assert (results / "report.html").exists()


@pytest.mark.slow
def test_another_format_with_a_rare_group_named_by_a_column_and_without_curves(tmp_path):
    adata = made_cohort()
    adata.var["symbol"] = [f"S{i}" for i in range(adata.n_vars)]
    labels = adata.obs["group"].astype(str).to_numpy(dtype=object)
    labels[:2] = "MK"
    adata.obs["group"] = labels
    write_cohort(adata, tmp_path / "file.h5ad")
    pd.DataFrame(adata.X.toarray(), index=adata.obs_names, columns=adata.var_names).to_csv(tmp_path / "matrix.csv.gz")
    adata.obs.to_csv(tmp_path / "cells.csv")
    rows = [
        {"name": "file", "path": "file.h5ad", "labels": "group", "gene_ids": "symbol"},
        {"name": "matrix", "path": "matrix.csv.gz", "labels": "group", "obs": "cells.csv", "rare": "other"},
    ]
    training = {"folds": 3, "epochs": 40, "least_cells": 3}
    config = configured(tmp_path, rows, training=training, ranking={"curves": False}, consensus={"least_cohorts": 1})
    refused = snakemake("--configfile", config, folder=tmp_path)  # the merged group of 2 cells is still too small
    assert refused.returncode == 1 and "'other (2)'; drop them" in refused.stdout + refused.stderr
    assert not (tmp_path / "results" / "genes" / "matrix" / "model.pt").exists()

    rows[1]["rare"] = ""
    config = configured(tmp_path, rows, training=training, ranking={"curves": False}, consensus={"least_cohorts": 1})
    run = snakemake("--configfile", config, folder=tmp_path)
    assert run.returncode == 0, run.stderr
    results = tmp_path / "results" / "genes"
    for name in ("file", "matrix"):
        assert {path.name for path in (results / name).iterdir()} == COHORT_FILES - {"curves.tsv"} | {"cohort.h5ad"}
        assert sc.read_h5ad(results / name / "explained.h5ad").n_obs == 118
        assert "dropped 2 cells" in (results / name / "logs" / "select.log").read_text()
    assert set(pd.read_parquet(results / "file" / "genes.parquet")["gene"]) == set(adata.var["symbol"])
    assert (results / "report.html").exists()


@pytest.mark.slow
def test_a_failing_job_reports_why(tmp_path):
    config = configured(tmp_path, written(tmp_path, "made", labels="grup"))
    run = snakemake("--show-failed-logs", "--configfile", config, folder=tmp_path)
    assert run.returncode == 1
    assert "error: obs has no column 'grup'; did you mean 'group'?" in run.stdout + run.stderr
    assert not (tmp_path / "results" / "genes" / "made" / "model.pt").exists()


def test_the_workflow_is_linted_and_formatted():
    program = Path(sys.executable).parent
    files = [ROOT / "Snakefile", ROOT / "workflows"]
    assert subprocess.run([program / "snakefmt", "--check", *files], capture_output=True).returncode == 0
    lint = subprocess.run(
        [program / "snakemake", "--lint", "--configfile", DEMO], cwd=ROOT, capture_output=True, text=True
    )
    assert lint.returncode == 0, lint.stderr


def test_every_setting_and_column_is_described():
    def described(schema, path):
        for name, one in schema.get("properties", {}).items():
            assert len(one.get("description", "")) > 10, f"{path}.{name} has no description"
            described(one, f"{path}.{name}")

    for name in ("config", "cohorts", "corpora"):
        described(yaml.safe_load((ROOT / "workflows" / "schemas" / f"{name}.schema.yaml").read_text()), name)


def test_the_defaults_in_the_descriptions_are_those_of_the_library():
    from lrp_domains import genes, text
    from lrp_domains.text.demo import train_demo
    from lrp_domains.text.report import write_report

    def defaults(function, *names):
        return {name: inspect.signature(function).parameters[name].default for name in names}

    schema = yaml.safe_load((ROOT / "workflows" / "schemas" / "config.schema.yaml").read_text())["properties"]
    for domain, section, values in (
        ("genes", "training", defaults(genes.Training, "network", "folds", "seed")),
        ("genes", "explanation", {"target": "predicted", **defaults(genes.Explanation, "score")}),
        ("genes", "ranking", defaults(genes.curves, "most")),
        ("genes", "consensus", defaults(genes.consensus, "top", "least_cohorts")),
        ("genes", "report", defaults(genes.write_report, "title", "top")),
        ("text", "training", defaults(train_demo, "seed")),
        ("text", "explanation", defaults(text.Settings, "score", "batch_size")),
        ("text", "words", defaults(text.class_words, "top", "fewest")),
        ("text", "report", defaults(write_report, "title", "top", "examples")),
    ):
        for name, value in values.items():
            rule = schema[domain]["properties"][section]["properties"][name]
            assert "default" not in rule
            assert f"({value})" in rule["description"] or f"(default {value})" in rule["description"], (section, name)


def test_a_corpus_is_checked_and_explained_against_the_reference(tmp_path):
    config = {"text": {"corpora": "configs/demo_corpora.tsv", "explanation": {"reference": "a b", "on_error": "skip"}}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    plan = snakemake("--dry-run", "--printshellcmds", "--configfile", tmp_path / "config.yaml", folder=tmp_path)
    assert plan.returncode == 0, plan.stderr
    lines = (plan.stdout + plan.stderr).splitlines()
    for step in ("text check", "text explain"):
        command = next(line for line in lines if step in line)
        assert "--reference 'a b'" in command and "--on-error skip" in command


def test_text_models_of_any_task_are_explained(tmp_path):
    """Settings of a model are columns of its row; they reach the check and the explanation."""
    (tmp_path / "x.csv").write_text("text\nfine\n")
    sheet = [
        {"name": "topics", "path": "x.csv", "model": "some/nli", "task": "zero-shot-classification",
         "candidates": "sports; world news", "template": "It's about {}.", "multi_label": "true"},
        {"name": "moods", "path": "x.csv", "model": "some/moods", "problem_type": "multi_label_classification"},
        {"name": "names", "path": "x.csv", "model": "some/tagger", "aggregation": "first", "no_answer": "false"},
    ]  # fmt: skip
    pd.DataFrame(sheet).to_csv(tmp_path / "corpora.tsv", sep="\t", index=False)
    explanation = {"long": "windows", "long_text": "second", "window": 100, "stride": 0}
    config = {"text": {"corpora": "corpora.tsv", "explanation": explanation}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    plan = snakemake("--dry-run", "--printshellcmds", "--configfile", tmp_path / "config.yaml", folder=tmp_path)
    assert plan.returncode == 0, plan.stdout + plan.stderr
    lines = (plan.stdout + plan.stderr).splitlines()
    for step in ("text check", "text explain"):
        commands = {re.search("some/([a-z]+)", line)[1]: shlex.split(line) for line in lines if step in line}
        for command in commands.values():
            words = " ".join(command)
            assert "--long-text second --window 100 --stride 0" in words and "--no-answer" not in command
        zero_shot = ["--task", "zero-shot-classification", "--template", "It's about {}."]
        zero_shot += ["--candidate", "sports", "--candidate", "world news", "--multi-label"]
        start = commands["nli"].index("--task")
        assert commands["nli"][start : start + len(zero_shot)] == zero_shot
        assert "multi_label_classification" in commands["moods"] and "--candidate" not in commands["moods"]
        assert commands["tagger"][commands["tagger"].index("--aggregation") + 1] == "first"


def test_the_reference_of_a_cohort_takes_precedence_over_that_of_all(tmp_path):
    rows = written(tmp_path, "one", "two")
    rows[0]["reference"] = "Naive T"
    config = configured(tmp_path, rows, explanation={"reference": "mean", "rules": "secant-half"})
    plan = snakemake("--dry-run", "--printshellcmds", "--configfile", config, folder=tmp_path)
    assert plan.returncode == 0, plan.stderr
    commands = [line for line in (plan.stdout + plan.stderr).splitlines() if "genes explain" in line]
    assert sorted(re.search(r"--reference ('[^']+'|\S+)", line)[1] for line in commands) == ["'Naive T'", "mean"]
    assert all("--rules secant-half" in line for line in commands)


def test_the_rule_sets_of_the_schema_are_those_of_the_command_line():
    from lrp_domains.commands.choices import Rules

    schema = yaml.safe_load((ROOT / "workflows" / "schemas" / "config.schema.yaml").read_text())["properties"]
    rules = schema["genes"]["properties"]["explanation"]["properties"]["rules"]
    assert rules["enum"] == [str(name) for name in Rules]


def test_settings_without_a_value_have_the_default_of_the_command(tmp_path):
    rows = written(tmp_path, "made")
    config = configured(tmp_path, rows, training={"folds": None, "epochs": 60, "members": None}, gene_sets=None)
    plan = snakemake("--dry-run", "--printshellcmds", "--configfile", config, folder=tmp_path)
    assert plan.returncode == 0, plan.stderr
    training = next(line for line in (plan.stdout + plan.stderr).splitlines() if "genes train" in line)
    assert "--epochs 60" in training
    assert "--folds" not in training and "--members" not in training
