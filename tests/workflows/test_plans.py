"""What the workflow plans for the configurations that come with it, and its linter."""

import subprocess
import sys
from pathlib import Path

from .runs import DEMO, ROOT, snakemake


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


def test_the_workflow_is_linted_and_formatted():
    program = Path(sys.executable).parent
    files = [ROOT / "Snakefile", ROOT / "workflows"]
    assert subprocess.run([program / "snakefmt", "--check", *files], capture_output=True).returncode == 0
    lint = subprocess.run(
        [program / "snakemake", "--lint", "--configfile", DEMO], cwd=ROOT, capture_output=True, text=True
    )
    assert lint.returncode == 0, lint.stderr
