"""The workflow that is installed with the package, and Snakemake's report of its results."""

import json
import os
import re
import subprocess
import sys
import zipfile

import pytest
from hatchling.build import build_wheel

from .runs import ROOT, configured, snakemake, written


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the contents of the wheel."""
    folder, here = tmp_path_factory.mktemp("installed"), os.getcwd()
    os.chdir(ROOT)
    try:
        name = build_wheel(str(folder))
    finally:
        os.chdir(here)
    with zipfile.ZipFile(folder / name) as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


def workflow(*arguments, folder, installed):
    command = [sys.executable, "-m", "lrp_domains", "workflow", *arguments]
    environment = os.environ | {"PYTHONPATH": str(installed)}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)


def test_the_wheel_holds_the_workflow(installed):
    files = {
        str(path.relative_to(ROOT))
        for name in ("workflows", "configs", "profiles")
        for path in (ROOT / name).rglob("*")
    }
    files |= {"Snakefile"}
    held = installed / "lrp_domains" / "workflow"
    assert {str(path.relative_to(held)) for path in held.rglob("*")} == files | {"workflows", "configs", "profiles"}


def test_a_project_runs_what_is_installed(installed, tmp_path):
    made = workflow("init", "project", folder=tmp_path, installed=installed)
    assert made.returncode == 0, made.stderr
    plan = workflow("run", "--dry-run", folder=tmp_path / "project", installed=installed)
    assert plan.returncode == 0, plan.stderr
    said = plan.stdout + plan.stderr
    assert f"{installed}/lrp_domains/workflow/workflows/profiles/laptop" in said and "rule genes_train:" in said


@pytest.mark.slow
def test_the_report_of_snakemake_holds_all_final_results(tmp_path):
    config = configured(tmp_path, written(tmp_path, "one", "two"), gene_sets="sets.gmt")
    (tmp_path / "sets.gmt").write_text("MARKERS_1\t\tg1_0\tg1_1\tg1_2\nMARKERS_2\t\tg2_0\tg2_1\tg2_2\n")
    run = snakemake("--configfile", config, folder=tmp_path)
    assert run.returncode == 0, run.stderr
    run = snakemake("--configfile", config, "--report", "snakemake.zip", folder=tmp_path)
    assert run.returncode == 0, run.stderr
    with zipfile.ZipFile(tmp_path / "snakemake.zip") as report:
        page = next(name for name in report.namelist() if name.endswith("report.html") and "/data/" not in name)
        text = report.read(page).decode()
        files = [name for name in report.namelist() if "/data/" in name]

    across = {f"results/genes/{name}" for name in ("report.html", "consensus.tsv", "agreement.tsv", "enrichment.tsv")}
    names = ("report.html", "genes.tsv", "stability.tsv", "performance.tsv", "curves.tsv")
    expected = {"all cohorts": across} | {
        cohort: {f"results/genes/{cohort}/{name}" for name in names} for cohort in ("one", "two")
    }
    categories = json.loads(re.search(r"var categories = (\{.*\});", text)[1])
    assert {part: set(paths) for part, paths in categories["Genes"].items()} == expected
    assert len(files) == sum(map(len, expected.values()))

    results = json.loads(re.search(r"var results = (\{.*\});", text)[1])
    assert all(result["caption"] and result["labels"] for result in results.values())
