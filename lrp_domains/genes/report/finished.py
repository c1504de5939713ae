"""Which cohorts of a run are finished, and why others are not: for the report of a run that failed in part."""

import math
from collections.abc import Iterable
from pathlib import Path

NEEDED = ("genes.parquet", "explained.h5ad")
ERROR = "error: "


def finished_cohorts(folders: Iterable[str | Path]) -> tuple[list[Path], dict[str, str]]:
    """Find the cohorts that have results.

    Parameters
    ----------
    folders
        The cohorts' folders of results, as the workflow names them; a folder needn't exist.

    Returns
    -------
    finished
        The folders that have results, and no later error in their logs: with it, the results are of an earlier run.
    missing
        By the name of each other cohort, the last error in its logs.
    """
    finished, missing = [], {}
    for folder in map(Path, folders):
        results = [folder / name for name in NEEDED]
        if all(path.is_file() for path in results) and not _errors(folder, after=_time(results[-1])):
            finished.append(folder)
        else:
            missing[folder.name] = _reason(folder)
    return finished, missing


def _reason(folder: Path) -> str:
    lines = _errors(folder) or _lines(folder)[-1:]
    return lines[-1].removeprefix(ERROR) if lines else "it was not started"


def _errors(folder: Path, after: float = -math.inf) -> list[str]:
    return [line for line in _lines(folder, after) if line.startswith(ERROR)]


def _lines(folder: Path, after: float = -math.inf) -> list[str]:
    """Return the lines of a cohort's logs that were written later than a time, in the order of the logs' times.

    Curves are not needed for a ranking, so their errors don't count.
    """
    logs = [log for log in (folder / "logs").glob("*.log") if _time(log) > after and log.stem != "curves"]
    logs = sorted(logs, key=_time)
    return [line for log in logs for line in log.read_text(errors="replace").splitlines() if line]


def _time(path: Path) -> float:
    return path.stat().st_mtime
