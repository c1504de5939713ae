"""The environments of conda for jobs."""

import os
import re
import subprocess
import sys
import tomllib

import yaml

from .runs import ROOT

CONDA_NAMES = {"torch": "pytorch", "matplotlib": "matplotlib-base"}


def test_the_environment_has_the_dependencies_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    expected = {"python": project["requires-python"]}
    for dependency in project["dependencies"] + extras["text"] + extras["genes"]:
        name, versions = re.match(r"([\w-]+)(.*)", dependency).groups()
        expected[CONDA_NAMES.get(name, name)] = versions
    environment = yaml.safe_load((ROOT / "workflows" / "envs" / "lrp.yaml").read_text())
    assert dict(line.split() for line in environment["dependencies"]) == expected


def test_jobs_in_environments_take_the_package_from_the_repository(tmp_path):
    """Conda itself isn't needed: the Snakefile is read with its method of deployment."""
    code = (
        "import os, sys; from snakemake.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print('path', os.environ.get('PYTHONPATH'))"
    )
    options = [
        "--snakefile",
        ROOT / "Snakefile",
        "--configfile",
        ROOT / "configs/demo.yaml",
        "--dry-run",
        "--quiet",
        "all",
    ]
    for method, path in ((["--sdm", "conda"], ROOT), ([], None)):
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        command = [sys.executable, "-c", code, *map(str, options), *method]
        run = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
        assert run.stdout.splitlines()[-1:] == [f"path {path}"], run.stderr
