"""Runs of the workflow in separate folders, and the cohorts, sheets and configurations written for them."""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import yaml

from lrp_domains.genes import made_cohort, write_cohort

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "configs" / "demo.yaml"


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


def hashes(folder):
    """Return the digest of every file of results by its path; logs and times differ from run to run."""
    files = [path for path in Path(folder).rglob("*") if path.is_file()]
    kept = [path for path in files if not {"logs", "benchmarks"} & set(path.relative_to(folder).parts)]
    digests = {}
    for path in kept:
        content = path.read_bytes()
        if path.name in ("check.json", "cells.json", "texts.json"):
            content = re.sub(rb'"mtime_ns": \d+', b"", content)
        digests[str(path.relative_to(folder))] = hashlib.sha256(content).hexdigest()
    return digests
