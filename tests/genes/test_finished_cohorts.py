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
        folder(tmp_path / "broken", "genes.parquet", rank="error: an old one\n", explain="Traceback\nValueError: x\n"),
        folder(tmp_path / "shards", "check.json", check="", explain_1="error: disk full\n", explain_2=""),
        tmp_path / "unstarted",
    ]
    stale = folder(tmp_path / "stale", "genes.parquet", "explained.h5ad", check="error: obs has no column 'grup'")
    steps = {"curves": "error: out of memory", "page": ""}
    without_curves = folder(tmp_path / "two", "genes.parquet", "explained.h5ad", **steps)
    for path in (stale, without_curves):
        os.utime(path / "explained.h5ad", (-1, -1))  # before its log
    finished, missing = finished_cohorts([*folders, stale, without_curves])
    assert finished == [tmp_path / "one", tmp_path / "two"]
    assert missing == {
        "untrained": "all cells have one label",
        "broken": "ValueError: x",
        "shards": "disk full",
        "unstarted": "it was not started",
        "stale": "obs has no column 'grup'",
    }


def test_a_killed_job_is_not_one_that_was_not_started(tmp_path):
    killed = folder(tmp_path / "killed", "check.json", check="", explain="Explaining 10%\n")
    between = folder(tmp_path / "between", "check.json", check="cohort: 3 cells\n")
    again = folder(tmp_path / "again", "genes.parquet", "explained.h5ad", rank="", explain="")
    os.utime(again / "explained.h5ad", (0, 0))  # explained again, and stopped, after this ranking
    finished, missing = finished_cohorts([killed, between, again])
    assert finished == []
    assert missing == {
        "killed": "it was stopped during 'explain', before it was finished (killed, or out of memory)",
        "between": "it was stopped after 'check', before the next step was started",
        "again": "it was stopped during 'explain', before it was finished (killed, or out of memory)",
    }
