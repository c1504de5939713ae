"""``lrp-domains workflow``: a folder to fill in, and Snakemake with a profile."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lrp_domains.workflow_files import snakefile, workflow_folder
from tests.workflows.runs import ROOT


def workflow(*arguments, folder, lacking=""):
    start = f"import sys; sys.modules[{lacking!r}] = None; " if lacking else ""
    start += "import runpy; runpy.run_module('lrp_domains', run_name='__main__')"
    return subprocess.run(
        [sys.executable, "-c", start, "workflow", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


def test_the_workflow_in_a_repository_is_the_repository():
    assert workflow_folder() == ROOT and snakefile() == str(ROOT / "Snakefile")


def test_a_new_folder_runs_the_demos_as_it_is(tmp_path):
    made = workflow("init", "project", folder=tmp_path)
    assert made.returncode == 0 and "next: cd project && lrp-domains workflow run" in made.stderr
    project = tmp_path / "project"
    links = re.findall(r"\]\(([^)]+)\)", (project / "configs" / "README.md").read_text())
    assert links and all(Path(link).is_absolute() and Path(link).exists() for link in links)
    plan = workflow("run", "--dry-run", folder=project)
    assert plan.returncode == 0, plan.stderr
    assert "workflows/profiles/laptop" in plan.stdout + plan.stderr and "Warning" not in plan.stdout + plan.stderr
    for rule in ("genes_train", "text_explain", "everything"):
        assert f"rule {rule}:" in plan.stdout + plan.stderr

    files = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    again = workflow("init", "project", folder=tmp_path)
    assert again.returncode == 1 and "has Snakefile, configs/config.yaml" in again.stderr
    assert {path: path.read_bytes() for path in files} == files


def test_without_a_snakefile_the_installed_workflow_runs_a_configuration(tmp_path):
    plan = workflow("run", "--on", "gpus", "--dry-run", "--configfile", ROOT / "configs/demo.yaml", folder=tmp_path)
    assert plan.returncode == 0, plan.stderr
    assert "workflows/profiles/gpus" in plan.stdout + plan.stderr and "gpu=1" in plan.stdout + plan.stderr

    refused = workflow("run", "--dry-run", folder=tmp_path)
    assert refused.returncode == 1 and refused.stderr.startswith("error: no Snakefile here; write one with")
    refused = workflow("run", "--profile", "mine", "--configfile", "c.yaml", folder=tmp_path)
    assert refused.returncode == 1 and "error: there is no profile 'mine'" in refused.stderr
    refused = workflow("run", "--configfile", "c.yaml", "--dry-run", folder=tmp_path)
    assert refused.returncode == 1 and refused.stderr == "error: there is no configuration 'c.yaml'\n"


@pytest.mark.parametrize(
    ("on", "lacking", "command"),
    [
        ("laptop", "snakemake", "pip install 'lrp-domains[workflows]'"),
        ("slurm", "snakemake_executor_plugin_slurm", "pip install 'lrp-domains[slurm]'"),
        ("kubernetes", "snakemake_executor_plugin_kubernetes", "pip install snakemake-executor-plugin-kubernetes"),
    ],
)
def test_what_is_not_installed_is_named_with_its_extra(tmp_path, on, lacking, command):
    refused = workflow("run", "--on", on, "--configfile", ROOT / "configs/demo.yaml", folder=tmp_path, lacking=lacking)
    assert refused.returncode == 1 and command in refused.stderr and refused.stderr.count("\n") == 1


def test_a_folder_that_needs_quotes(tmp_path):
    made = workflow("init", "a project", folder=tmp_path)
    assert "next: cd 'a project' && lrp-domains workflow run" in made.stderr
    (tmp_path / "here").mkdir()
    assert "next: lrp-domains workflow run" in workflow("init", ".", folder=tmp_path / "here").stderr


def test_files_beside_a_snakefile_are_not_imported_by_snakemake(tmp_path):
    (tmp_path / "snakemake.py").write_text("raise SystemExit('executed')")
    plan = workflow("run", "--dry-run", "--configfile", ROOT / "configs/demo.yaml", folder=tmp_path)
    assert plan.returncode == 0 and "executed" not in plan.stdout + plan.stderr
