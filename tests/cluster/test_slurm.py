"""The demos on a real Slurm give the files of a local run, each job on the GPU that Slurm granted it."""

import re
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest
import torch
import yaml

from tests.workflows.runs import ROOT, hashes, snakemake

from .slurm import one_node, skip_without_slurm

PROFILE = ROOT / "workflows" / "profiles" / "slurm"


@pytest.fixture
def slurm():
    skip_without_slurm()
    pytest.importorskip("snakemake_executor_plugin_slurm", reason="no executor: pip install 'lrp-domains[slurm]'")
    if torch.cuda.is_available():
        pytest.skip("the stand-in GPUs would be taken for this machine's")
    with tempfile.TemporaryDirectory(prefix="slurm") as folder, one_node(Path(folder)) as slurm:
        yield slurm


def configured_demos(folder):
    """Write a configuration of both demos that takes a minute."""
    folder.mkdir()
    genes = {"cohorts": "configs/demo_cohorts.tsv", "training": {"folds": 3, "epochs": 5}}
    config = {"gpu": 1, "genes": genes, "text": {"corpora": "configs/demo_corpora.tsv"}}
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


@pytest.mark.slow
def test_slurm_gives_the_files_of_a_local_run(tmp_path, slurm):
    """Beside the node's daemon, which is killed and started again once."""
    local, cluster = configured_demos(tmp_path / "local"), configured_demos(tmp_path / "cluster")
    run = snakemake("--configfile", "config.yaml", "--resources", "gpu=0", folder=local)
    assert run.returncode == 0, run.stdout + run.stderr

    command = f"{Path(sys.executable).parent}/snakemake --snakefile {ROOT}/Snakefile --directory {cluster}"
    command += f" --configfile config.yaml --workflow-profile {PROFILE} --latency-wait 20"
    command += " --slurm-init-seconds-before-status-checks 2 --seconds-between-status-checks 2"
    environment = slurm.environment | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    restart = threading.Timer(30, slurm.restart_node)
    restart.start()
    try:
        run = subprocess.run(command.split(), cwd=cluster, env=environment, capture_output=True, text=True, timeout=900)
    finally:
        restart.cancel()
        restart.join()
    assert run.returncode == 0, run.stdout + run.stderr + (slurm.folder / "slurmctld.log").read_text()[-3000:]

    assert hashes(cluster / "results") == hashes(local / "results")
    jobs = [
        "genes/*/logs/train.log",
        "genes/*/logs/explain.log",
        "genes/*/logs/curves.log",
        "text/*/logs/explain_*.log",
    ]
    logs = [log for pattern in jobs for log in (cluster / "results").glob(pattern)]
    assert len(logs) == 4
    for log in logs:
        assert re.search(r"device: cpu, GPU [01]$", log.read_text(), re.MULTILINE), log.read_text()
    assert "No wall time" not in run.stderr and "No job memory" not in run.stderr
