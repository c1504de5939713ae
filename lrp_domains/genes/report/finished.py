"""Which cohorts of a run are finished, and why others are not: for the report of a run that failed in part."""

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
        The folders that have results.
    missing
        By the name of each other cohort, the last error in its logs.
    """
    finished, missing = [], {}
    for folder in map(Path, folders):
        if all((folder / name).is_file() for name in NEEDED):
            finished.append(folder)
        else:
            missing[folder.name] = _reason(folder)
    return finished, missing


def _reason(folder: Path) -> str:
    logs = sorted((folder / "logs").glob("*.log"), key=lambda log: log.stat().st_mtime)
    lines = [line for log in logs for line in log.read_text(errors="replace").splitlines() if line]
    errors = [line for line in lines if line.startswith(ERROR)] or lines[-1:]
    return errors[-1].removeprefix(ERROR) if errors else "it was not started"
