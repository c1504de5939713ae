"""What the workflow itself costs, and what a kill costs: ``python -m benchmarks.workflow``.

Plans of hundreds of cohorts are run with commands that only touch their outputs, so that what is measured is Snakemake
with our rules. The demo is run as it is: undisturbed, and killed half-way and run again.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import yaml

from lrp_domains.genes import made_cohort, write_cohort
from lrp_domains.workflow_files import snakefile, workflow_folder

from .measure import write

COHORTS = (300, 500)  # of 6 jobs each
# Takes the place of the package: touches what a command would write.
STUB = """
import pathlib, sys
options = ("--out", "--out-texts", "--performance", "--table", "--stability", "--agreement")
for option, path in zip(sys.argv, sys.argv[1:]):
    if option in options:
        pathlib.Path(path).write_text("{}")
"""


def main() -> None:
    rows = []
    with TemporaryDirectory() as name:
        for cohorts in COHORTS:
            rows += plan_rows(Path(name) / str(cohorts), cohorts)
        rows += demo_rows(Path(name) / "demo")
    plans = [row for row in rows if row["task"].startswith("run with commands that do nothing")]
    per_job = 1000 * sum(row["CPU s"] for row in plans) / sum(row["jobs"] for row in plans)
    undisturbed, killed = (row["wall s"] for row in rows[-2:])
    write(
        "workflow",
        "What the workflow costs",
        rows,
        f"Snakemake with our rules takes {per_job:.0f} ms of CPU time per job. The demo is both domains of "
        f"configs/demo.yaml on two cores; killed half-way (SIGKILL of Snakemake) and run again it takes "
        f"{killed - undisturbed:.0f} s more than undisturbed.",
    )


def plan_rows(folder: Path, cohorts: int) -> list[dict[str, str | float]]:
    """Measure plans and runs of many cohorts whose commands do nothing."""
    folder.mkdir(parents=True)
    stub = folder / "stub" / "lrp_domains"
    stub.mkdir(parents=True)
    (stub / "__init__.py").touch()
    (stub / "__main__.py").write_text(STUB)
    write_cohort(made_cohort(), folder / "cohort.h5ad")
    sheet = [{"name": f"c{number}", "path": "cohort.h5ad", "labels": "group"} for number in range(cohorts)]
    pd.DataFrame(sheet).to_csv(folder / "cohorts.tsv", sep="\t", index=False)
    (folder / "config.yaml").write_text(yaml.safe_dump({"genes": {"cohorts": "cohorts.tsv"}}))

    jobs = 6 * cohorts + 3  # check, train, explain, rank, curves, page; consensus, report, all
    steps = {
        "dry run": ["--dry-run", "--quiet"],
        "run with commands that do nothing": ["--quiet"],
        "run with nothing to do": ["--quiet"],
    }
    rows = []
    for task, options in steps.items():
        measured = finished(started(folder, "--configfile", "config.yaml", *options, path=folder / "stub"))
        rows.append({"task": f"{task}, {cohorts} cohorts", "jobs": jobs, **measured})
    if len(list(folder.glob("results/genes/*/report.html"))) != cohorts:
        raise RuntimeError("the commands that do nothing have not been run for all cohorts")
    return rows


def demo_rows(folder: Path) -> list[dict[str, str | float]]:
    """Measure the demo, undisturbed and killed half-way."""
    folder.mkdir()
    options = ["--configfile", str(workflow_folder() / "configs" / "demo.yaml"), "--quiet"]
    undisturbed = finished(started(folder, *options))
    shutil.rmtree(folder / "results")

    begin, run = time.perf_counter(), started(folder, *options)
    time.sleep(undisturbed["wall s"] / 2)
    run.send_signal(signal.SIGKILL)
    run.wait()
    finished(started(folder, *options, "--unlock"))
    again = finished(started(folder, *options))
    killed = {"CPU s": "", "wall s": time.perf_counter() - begin, "peak memory, MB": again["peak memory, MB"]}
    return [
        {"task": "demo, undisturbed", "jobs": 14, **undisturbed},
        {"task": "demo, killed half-way and run again", "jobs": 14, **killed},
    ]


def started(folder: Path, *arguments: str, path: Path | None = None) -> subprocess.Popen:
    """Start Snakemake in a folder, with a package instead of ours if its path is given."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", snakefile(), "--cores", "2", *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1"} | ({"PYTHONPATH": str(path)} if path else {})
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def finished(run: subprocess.Popen) -> dict[str, float]:
    """Return the CPU time (with that of jobs), wall time and memory of Snakemake."""
    begin, peak, ended = time.perf_counter(), 0.0, 0
    while not ended:
        peak = max(peak, _peak_mb(run.pid))
        time.sleep(0.05)
        ended, status, usage = os.wait4(run.pid, os.WNOHANG)
    if status:
        raise RuntimeError(f"{run.args} ended with {status}")
    return {
        "CPU s": usage.ru_utime + usage.ru_stime,
        "wall s": time.perf_counter() - begin,
        "peak memory, MB": peak,
    }


def _peak_mb(pid: int) -> float:
    """Return the peak memory of a process so far; 0 if it has just ended. (`ru_maxrss` includes that of its parent.)"""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


if __name__ == "__main__":
    main()
