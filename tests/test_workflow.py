"""The workflow: planned for the demo, run on a small cohort, and plain about a wrong configuration."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import scanpy as sc
import yaml

from lrp_domains.genes import made_cohort, write_cohort

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "configs" / "demo.yaml"


def snakemake(*arguments, folder):
    """Run Snakemake without an activated environment, in a folder of its own."""
    program = Path(sys.executable).parent / "snakemake"
    command = [program, "--snakefile", ROOT / "Snakefile", "--directory", folder, "--cores", 1, *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"} | {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.run([str(one) for one in command], capture_output=True, text=True, env=environment, cwd=folder)


def written(folder, **cohort):
    """Write a cohort and a configuration for it."""
    write_cohort(made_cohort(), folder / "cohort.h5ad")
    config = {
        "genes": {
            "cohorts": {"made": {"source": "cohort.h5ad", "labels": "group"} | cohort},
            "training": {"folds": 3, "epochs": 30},
        }
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder / "config.yaml"


def test_the_demo_is_planned(tmp_path):
    plan = snakemake("--dry-run", "--configfile", DEMO, folder=tmp_path)
    assert plan.returncode == 0, plan.stderr
    for rule in ("genes_demo_cohort", "genes_train", "genes_explain", "genes_rank", "genes_report"):
        assert f"rule {rule}:" in plan.stdout + plan.stderr


@pytest.mark.parametrize(
    "change, message",
    [
        ({"genes": {"cohorts": {"a": {"source": "a.h5ad", "labels": "x", "layr": "X"}}}},
         "genes.cohorts.a: Additional properties are not allowed ('layr' was unexpected)"),
        ({"genes": {"cohorts": {"a": {"source": "a.h5ad"}}}}, "genes.cohorts.a: 'labels' is a required property"),
        ({"genes": {"cohorts": {}}}, "genes.cohorts: {} should be non-empty"),
        ({"genes": {"cohorts": {"a/b": {"source": "a.h5ad", "labels": "x"}}}}, "'a/b' does not match"),
        ({"genes": {"cohorts": {"a": {"source": "a.csv", "labels": "x"}}}}, "genes.cohorts.a.source: 'a.csv' does"),
        ({"gene": {}}, "top level: 'genes' is a required property"),
        ({}, "no configuration; name one"),
    ],
)  # fmt: skip
def test_a_wrong_configuration_is_named_before_anything_runs(tmp_path, change, message):
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(change))
    plan = snakemake("--configfile", tmp_path / "config.yaml", folder=tmp_path)
    assert plan.returncode == 1 and message in plan.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
def test_a_small_cohort_from_start_to_report(tmp_path):
    config = written(tmp_path)
    run = snakemake("--configfile", config, folder=tmp_path)
    assert run.returncode == 0, run.stderr
    folder = tmp_path / "results" / "genes" / "made"
    assert f"Report: {folder / 'report.html'}" in run.stdout + run.stderr
    kept = {path.name for path in folder.iterdir()}
    assert kept == {"models.pt", "accuracy.tsv", "ranked.h5ad", "genes.tsv", "report.html", "logs"}
    adata = sc.read_h5ad(folder / "ranked.h5ad")
    assert len(sc.get.rank_genes_groups_df(adata, group="CD19+ B", key="rank_genes_lrp")) == adata.n_vars
    again = snakemake("--configfile", config, folder=tmp_path)
    assert "Nothing to be done" in again.stdout + again.stderr


def test_a_failing_job_says_why(tmp_path):
    run = snakemake("--show-failed-logs", "--configfile", written(tmp_path, labels="grup"), folder=tmp_path)
    assert run.returncode == 1
    assert "error: obs has no column 'grup'; did you mean 'group'?" in run.stdout + run.stderr
    assert not (tmp_path / "results" / "genes" / "made" / "models.pt").exists()
