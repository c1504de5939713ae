"""A run that is killed again and again ends with the files of an undisturbed run, byte for byte."""

import os
import random
import shutil

import pandas as pd
import pytest
import yaml

from .kills import kill_once, started, unlocked
from .runs import hashes, written


def project(folder):
    """Two cohorts in shards and two corpora, so that jobs of both domains run at the same time."""
    rows = written(folder, "one", "two", donor="donor")
    pd.DataFrame(rows).to_csv(folder / "cohorts.tsv", sep="\t", index=False)
    reviews = pd.DataFrame({"review": ["A fine film & a good cast.", "I hated it.", "Not bad at all."] * 100})
    reviews.to_csv(folder / "own.csv", index=False)
    corpora = [{"name": name, "path": path, "model": "demo"} for name, path in (("demo", "demo"), ("own", "own.csv"))]
    corpora[1]["text"] = "review"
    pd.DataFrame(corpora).fillna("").to_csv(folder / "corpora.tsv", sep="\t", index=False)
    config = {
        "genes": {
            "cohorts": "cohorts.tsv",
            "training": {"folds": 3, "epochs": 30},
            "explanation": {"shard_cells": 50, "batch_size": 10},
        },
        "text": {"corpora": "corpora.tsv", "explanation": {"shard_texts": 100}},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def finished(folder, log):
    """Run to the end, and return the hashes of all results."""
    assert started(folder, log).wait(timeout=1200) == 0, log.read_text()[-5000:]
    return hashes(folder / "results")


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_gives_the_same_files(tmp_path):
    """LRP_DOMAINS_KILLS and LRP_DOMAINS_KILL_SEED say how often and when."""
    kills = int(os.environ.get("LRP_DOMAINS_KILLS", 6))
    seed = int(os.environ.get("LRP_DOMAINS_KILL_SEED", random.SystemRandom().randrange(10**6)))
    print(f"{kills} kills with LRP_DOMAINS_KILL_SEED={seed}")
    choice = random.Random(seed)
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    undisturbed.mkdir()
    project(undisturbed)
    shutil.copytree(undisturbed, killed, copy_function=shutil.copy2)
    expected = finished(undisturbed, tmp_path / "undisturbed.log")

    log, ways = tmp_path / "killed.log", []
    while len(ways) < kills:
        ways.append(kill_once(killed, log, choice, longest=20))
        unlocked(killed)
        if ways[-1] == "finished":  # from the start, so that all moments have their turn
            assert hashes(killed / "results") == expected
            shutil.rmtree(killed / "results")
    print(ways)
    assert finished(killed, log) == expected
    hidden = [path for path in (killed / "results").rglob(".*") if path.name.endswith((".parts", ".tmp"))]
    assert not hidden, "parts of interrupted jobs are left"
