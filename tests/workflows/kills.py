"""Kills at random moments of a run: of a job, of Snakemake, of all of them, or an interruption as by Ctrl-C."""

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from .runs import ROOT

WAYS = ("job", "snakemake", "all", "interrupt")
SECONDS = 60  # in which jobs must have ended after Snakemake was killed


def command(folder: Path, *arguments: str) -> list[str]:
    """Return a command that runs the workflow in a folder."""
    program = Path(sys.executable).parent / "snakemake"
    return [
        str(program),
        "--snakefile",
        str(ROOT / "Snakefile"),
        "--cores",
        "2",
        "--configfile",
        "config.yaml",
        *arguments,
    ]


def started(folder: Path, log: Path) -> subprocess.Popen:
    """Start the workflow in a process group of its own."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with log.open("a") as out:
        return subprocess.Popen(
            command(folder), cwd=folder, stdout=out, stderr=out, env=environment, start_new_session=True
        )


def jobs_in(folder: Path) -> list[int]:
    """Return the processes of jobs that run in a folder."""
    jobs = []
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            is_job = b"lrp_domains" in (process / "cmdline").read_bytes() and process.name.isdigit()
            if is_job and (process / "cwd").resolve() == folder.resolve():
                arguments = (process / "cmdline").read_bytes().split(b"\0")
                if b"snakemake" not in b" ".join(arguments[:2]):
                    jobs.append(int(process.name))
    return jobs


def kill_once(folder: Path, log: Path, choice: random.Random, longest: float) -> str:
    """Start the workflow, kill something at a random moment, and wait until nothing of it runs.

    Returns
    -------
    What was killed; ``"finished"`` if the run ended before.

    Raises
    ------
    AssertionError
        Jobs go on after Snakemake was killed.
    """
    run, way = started(folder, log), choice.choice(WAYS)
    moment = time.monotonic() + choice.uniform(1, longest)
    while time.monotonic() < moment and run.poll() is None:
        time.sleep(0.05)
    if run.poll() is not None:
        return "finished"

    if way == "job":
        jobs = jobs_in(folder)
        if not jobs:
            way = "all"
        else:
            with suppress(ProcessLookupError):
                os.kill(choice.choice(jobs), signal.SIGKILL)
    if way == "snakemake":
        run.kill()
    elif way in ("all", "interrupt"):
        with suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL if way == "all" else signal.SIGINT)
    run.wait(timeout=600)

    end = time.monotonic() + SECONDS
    while (jobs := jobs_in(folder)) and time.monotonic() < end:
        time.sleep(0.2)
    assert not jobs, f"after a kill of {way} these jobs went on: {jobs}"
    return way


def unlocked(folder: Path) -> None:
    """Remove the lock that a killed Snakemake leaves, as its message says."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    subprocess.run(command(folder, "--unlock"), cwd=folder, capture_output=True, env=environment, check=True)
