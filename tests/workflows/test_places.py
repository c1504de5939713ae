"""Where the workflow runs and where its files are: profiles, GPUs, under a prefix, in a bucket."""

import re

import pytest

from .runs import ROOT, configured, snakemake, written

PROFILES = ROOT / "workflows" / "profiles"


def said(run):
    assert run.returncode == 0, run.stdout + run.stderr
    return run.stdout + run.stderr


@pytest.mark.parametrize("name", ["laptop", "gpus", "slurm"])
def test_profiles_plan_and_state_memory_and_time(tmp_path, name):
    if name == "slurm":
        pytest.importorskip("snakemake_executor_plugin_slurm")
    config = configured(tmp_path, written(tmp_path, "made"))
    plan = said(snakemake("--dry-run", "--workflow-profile", PROFILES / name, "--configfile", config, folder=tmp_path))
    rules = re.findall(r"\nrule (genes_\w+):\n.*?resources: ([^\n]*)", plan, re.DOTALL)
    assert len(rules) >= 6
    for rule, resources in rules:
        assert "mem_mb=" in resources and "runtime=" in resources, rule
    expected = "--device auto" if name == "gpus" else "--device cpu"
    commands = said(
        snakemake("-np", "--workflow-profile", PROFILES / name, "--configfile", config, folder=tmp_path)
    ).splitlines()
    assert all(expected in line for line in commands if "genes train" in line or "genes explain" in line)


def test_jobs_run_on_the_cpu_where_no_gpu_is_granted(tmp_path):
    config = configured(tmp_path, written(tmp_path, "made"))
    options = ["--workflow-profile", PROFILES / "gpus", "--resources", "gpu=0", "--configfile", config]
    plan = said(snakemake("-np", *options, folder=tmp_path))
    assert "--device auto" not in plan and "genes train" in plan


def test_a_prefix_moves_every_file_of_the_workflow(tmp_path):
    """With it Snakemake looks for all files under the prefix, those of the sheet too."""
    (tmp_path / "sub").mkdir()
    rows = written(tmp_path / "sub", "one", "two")
    config = configured(tmp_path, rows, cohorts_exist=False)
    config.write_text(config.read_text() + "text: {corpora: configs/demo_corpora.tsv}\n")
    (tmp_path / "Snakefile").write_text(f"""
configfile: "{config}"

module lrp:
    snakefile: "{ROOT / "Snakefile"}"
    config: config
    prefix: "sub"

use rule * from lrp as lrp_*
""")
    plan = said(snakemake("-np", folder=tmp_path, snakefile=tmp_path / "Snakefile"))
    assert "rule lrp_text_explain:" in plan and "rule lrp_genes_page:" in plan
    paths = re.findall(r"[\w/]*(?:results/|one\.h5ad|two\.h5ad)[\w./]*", plan)
    assert len(paths) > 50 and all(path.startswith("sub/") for path in paths), paths


def test_files_in_a_bucket_are_planned(tmp_path):
    """As on Kubernetes, where nodes share no file system."""
    pytest.importorskip("snakemake_storage_plugin_fs")
    bucket = tmp_path / "bucket"
    bucket.mkdir()
    rows = written(bucket, "one", "two")
    config = configured(tmp_path, rows, cohorts_exist=False)
    config.write_text(config.read_text() + "text: {corpora: configs/demo_corpora.tsv}\n")
    storage = ["--default-storage-provider", "fs", "--default-storage-prefix", bucket]
    plan = said(snakemake("--dry-run", *storage, "--configfile", config, folder=tmp_path))
    for rule in ("genes_check", "genes_train", "genes_report", "text_check", "text_train_demo"):
        assert f"rule {rule}:" in plan
    assert f"{bucket}/results/genes/one/check.json (send to storage)" in plan
