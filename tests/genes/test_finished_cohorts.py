"""Which cohorts of a run are finished, and why others are missing."""

import os

from lrp_domains.genes import finished_cohorts


def folder(path, *files, **logs):
    (path / "logs").mkdir(parents=True)
    for name in files:
        (path / name).touch()
    for number, (name, text) in enumerate(logs.items()):
        (path / "logs" / f"{name}.log").write_text(text)
        os.utime(path / "logs" / f"{name}.log", (number, number))
    return path


def test_finished_cohorts_and_why_others_are_missing(tmp_path):
    folders = [
        folder(tmp_path / "one", "genes.parquet", "explained.h5ad"),
        folder(tmp_path / "untrained", check="fine\n", train="Training\nerror: all cells have one label\n"),
        folder(tmp_path / "ranked", "genes.parquet", rank="error: an old one\n", explain="Traceback\nKilled\n"),
        tmp_path / "unstarted",
    ]
    stale = folder(tmp_path / "stale", "genes.parquet", "explained.h5ad", check="error: obs has no column 'grup'")
    without_curves = folder(tmp_path / "two", "genes.parquet", "explained.h5ad", curves="error: out of memory")
    for path in (stale, without_curves):
        os.utime(path / "explained.h5ad", (-1, -1))  # before its log
    finished, missing = finished_cohorts([*folders, stale, without_curves])
    assert finished == [tmp_path / "one", tmp_path / "two"]
    assert missing == {
        "untrained": "all cells have one label",
        "ranked": "an old one",
        "unstarted": "it was not started",
        "stale": "obs has no column 'grup'",
    }
