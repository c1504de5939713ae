"""``lrp-domains workflow``: a folder to fill in, and Snakemake with a profile."""

import os
import subprocess
import sys

from lrp_domains.workflow_files import snakefile, workflow_folder
from tests.workflows.runs import ROOT


def workflow(*arguments, folder):
    return subprocess.run(
        [sys.executable, "-m", "lrp_domains", "workflow", *map(str, arguments)],
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
    plan = workflow("run", "--dry-run", folder=project)
    assert plan.returncode == 0, plan.stderr
    assert "workflows/profiles/laptop" in plan.stdout + plan.stderr
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
