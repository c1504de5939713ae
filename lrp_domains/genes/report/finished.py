"""Which cohorts of a run are finished, and why others are not: for the report of a run that failed in part."""

from collections.abc import Iterable
from pathlib import Path

NEEDED = ("genes.parquet", "explained.h5ad")
ERROR = "error: "
OUTPUTS = {  # of each step up to the ranking, by the name of its log; a shard has a log such as explain_3_of_4.log
    "select": "cohort.h5ad",
    "check": "check.json",
    "train": "model.pt",
    "explain": "relevance.h5ad",
    "gather": "gathered.h5ad",
    "rank": "explained.h5ad",
}


def finished_cohorts(folders: Iterable[str | Path]) -> tuple[list[Path], dict[str, str]]:
    """Find the cohorts that have results.

    Parameters
    ----------
    folders
        The cohorts' folders of results, as the workflow names them; a folder needn't exist.

    Returns
    -------
    finished
        The folders that have results, and no log of a later run that failed or was stopped before its ranking.
    missing
        By the name of each other cohort, the last error in its logs, or the step during which it was stopped.
    """
    finished, missing = [], {}
    for folder in map(Path, folders):
        results = [folder / name for name in NEEDED]
        if all(path.is_file() for path in results) and not _is_outdated(folder):
            finished.append(folder)
        else:
            missing[folder.name] = _reason(folder)
    return finished, missing


def _is_outdated(folder: Path) -> bool:
    """Return whether a later run than that of the results has started: it failed, or was stopped before ranking."""
    later = [log for log in _logs(folder) if _time(log) > _time(folder / NEEDED[-1])]
    return any(_step(log) != "rank" or _errors(log) for log in later)


def _reason(folder: Path) -> str:
    """Return why a cohort has no results, from the logs of its last step."""
    logs = _logs(folder)
    if not logs:
        return "it was not started"
    last = logs[-1]
    step = _step(last)
    if errors := [error for log in logs if _step(log) == step for error in _errors(log)]:
        return errors[-1].removeprefix(ERROR)
    lines = _lines(last)
    if any(line.startswith("Traceback") for line in lines):
        return lines[-1]
    _, _, shard = last.stem.partition("_")
    output = folder / "shards" / shard if shard else folder / OUTPUTS[step]
    if output.exists() and _time(output) >= _time(last):
        return f"it was stopped after '{step}', before the next step was started"
    return f"it was stopped during '{step}', before it was finished (killed, or out of memory)"


def _logs(folder: Path) -> list[Path]:
    """Return the logs of a cohort in the order of their times; those of what follows the ranking don't count."""
    return sorted((log for log in (folder / "logs").glob("*.log") if _step(log) in OUTPUTS), key=_time)


def _step(log: Path) -> str:
    return log.stem.partition("_")[0]


def _errors(log: Path) -> list[str]:
    return [line for line in _lines(log) if line.startswith(ERROR)]


def _lines(log: Path) -> list[str]:
    return [line for line in log.read_text(errors="replace").splitlines() if line]


def _time(path: Path) -> float:
    return path.stat().st_mtime
