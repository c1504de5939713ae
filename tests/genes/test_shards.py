"""A cohort over several jobs: the gathered file is that of one job, whatever the number of shards."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest
import torch

from lrp_domains.domain import fingerprints, locked
from lrp_domains.genes import (
    CohortError,
    Training,
    explain_shard,
    gather_shards,
    gene_model,
    made_cohort,
    open_cohort,
    rank,
    read_cohort,
    relevance_on_disk,
    train,
    write_cohort,
)
from lrp_domains.genes.explanation.runs import resume

from .interruptions import counting, interrupt_after
from .same_cohorts import dense

ROUNDING = 1e-12  # of sums that are added in another order


def shards_of(path, model, folder, shards, **request):
    """Explain all shards, the last one first, and return their folders."""
    folders = [folder / f"shard-{number}" for number in range(1, shards + 1)]
    for number in range(shards, 0, -1):
        explain_shard(path, model, folders[number - 1], shard=number, shards=shards, **request)
    return folders


def same_as_one_job(result, expected):
    """Check that cells are the same bit by bit, and sums but for rounding."""
    pd.testing.assert_frame_equal(result.obs, expected.obs, check_exact=True)
    assert set(result.layers) == set(expected.layers) and set(result.obsm) == set(expected.obsm)
    for name in expected.layers:
        assert type(result.layers[name]) is type(expected.layers[name])
        np.testing.assert_array_equal(dense(result.layers[name]), dense(expected.layers[name]))
    for name in expected.obsm:
        np.testing.assert_array_equal(result.obsm[name], expected.obsm[name])
    np.testing.assert_array_equal(dense(result.X), dense(expected.X))
    assert set(result.uns) == set(expected.uns)
    for slot in ("lrp", "lrp_groups", "lrp_decoys"):
        assert set(result.uns.get(slot, {})) == set(expected.uns.get(slot, {}))
        for name, value in expected.uns.get(slot, {}).items():
            if np.asarray(value).dtype.kind == "f":
                scale = np.abs(value).max(initial=0)
                np.testing.assert_allclose(result.uns[slot][name], value, rtol=0, atol=ROUNDING * scale, err_msg=name)
            else:
                np.testing.assert_array_equal(result.uns[slot][name], value, err_msg=name)


@pytest.mark.parametrize("shards", [1, 2, 3, 7])  # of 6 chunks
@pytest.mark.parametrize("form", ["sparse", "dense"])
def test_the_same_as_one_job(made_model, tmp_path, form, shards):
    adata = made_cohort()
    adata.obs["donor"] = np.array(["a", "b", "c", "d"])[np.arange(adata.n_obs) % 4]
    if form == "dense":
        adata.X = adata.X.toarray()
    write_cohort(adata, tmp_path / "cohort.h5ad")
    request = {"batch_size": 20, "top": 3, "donor": "donor"}
    folders = shards_of(tmp_path / "cohort.h5ad", made_model, tmp_path, shards, **request)
    statistics = gather_shards(folders[::-1], tmp_path / "cohort.h5ad", tmp_path / "gathered.h5ad")
    one = relevance_on_disk(tmp_path / "cohort.h5ad", made_model, tmp_path / "one.h5ad", **request)
    result = read_cohort(tmp_path / "gathered.h5ad")
    same_as_one_job(result, read_cohort(tmp_path / "one.h5ad"))
    np.testing.assert_allclose(statistics.sums, one.sums, atol=ROUNDING * np.abs(one.sums).max())
    assert not list(tmp_path.glob(".*"))


REQUESTS = [
    {"reference": "mean"},
    {"reference": "CD19+ B"},
    {"reference": "donor", "donor": "donor"},
    {"reference": "zero"},
    {"layer": None, "top": 2},
    {"target": "labelled", "score": "margin"},
    {"groupby": "donor"},
]


@pytest.mark.parametrize("request_", REQUESTS, ids=str)
def test_requests(made_model, tmp_path, request_):
    adata = made_cohort()
    adata.obs["donor"] = np.array(["a", "b", "c", "d"])[np.arange(adata.n_obs) % 4]
    write_cohort(adata, tmp_path / "cohort.h5ad")
    folders = shards_of(tmp_path / "cohort.h5ad", made_model, tmp_path, 3, batch_size=32, **request_)
    gather_shards(folders, tmp_path / "cohort.h5ad", tmp_path / "gathered.h5ad")
    relevance_on_disk(tmp_path / "cohort.h5ad", made_model, tmp_path / "one.h5ad", batch_size=32, **request_)
    same_as_one_job(read_cohort(tmp_path / "gathered.h5ad"), read_cohort(tmp_path / "one.h5ad"))
    with open_cohort(tmp_path / "gathered.h5ad") as gathered, open_cohort(tmp_path / "one.h5ad") as one:
        pd.testing.assert_frame_equal(rank(gathered, wilcoxon=False), rank(one, wilcoxon=False))


@pytest.mark.parametrize("task", ["value", "survival"])
@pytest.mark.parametrize("reference", [None, "high"])
def test_values_and_risks(tmp_path, task, reference):
    adata = made_cohort()
    adata.obs["age"] = adata.X.toarray()[:, 0] + np.arange(adata.n_obs) / 100
    write_cohort(adata, tmp_path / "cohort.h5ad")
    torch.manual_seed(0)
    model = gene_model(torch.nn.Linear(adata.n_vars, 1), adata.var_names, ["age"], task=task, labels="age")
    folders = shards_of(tmp_path / "cohort.h5ad", model, tmp_path, 3, batch_size=32, reference=reference)
    gather_shards(folders, tmp_path / "cohort.h5ad", tmp_path / "gathered.h5ad")
    relevance_on_disk(tmp_path / "cohort.h5ad", model, tmp_path / "one.h5ad", batch_size=32, reference=reference)
    result = read_cohort(tmp_path / "gathered.h5ad")
    same_as_one_job(result, read_cohort(tmp_path / "one.h5ad"))
    assert set(result.obs["lrp_predicted"]) == {"low", "high"}


def test_decoys_and_zscores(tmp_path):
    adata = made_cohort()
    write_cohort(adata, tmp_path / "cohort.h5ad")
    training = Training(folds=3, hidden=4, epochs=3, decoys=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = train(adata, "group", training=training, fdr=0.2, normalisation="zscore")
        folders = shards_of(tmp_path / "cohort.h5ad", model, tmp_path, 2)
        gather_shards(folders, tmp_path / "cohort.h5ad", tmp_path / "gathered.h5ad")
        relevance_on_disk(tmp_path / "cohort.h5ad", model, tmp_path / "one.h5ad")
    result = read_cohort(tmp_path / "gathered.h5ad")
    assert "lrp_decoys" in result.uns
    same_as_one_job(result, read_cohort(tmp_path / "one.h5ad"))


@pytest.mark.parametrize("source, out", [("zarr", "zarr"), ("h5ad", "zarr"), ("zarr", "h5ad")])
def test_zarr_folders(made_model, tmp_path, source, out):
    adata = made_cohort()
    path = tmp_path / f"cohort.{source}"
    getattr(adata, f"write_{source}")(path)
    folders = shards_of(path, made_model, tmp_path, 2, batch_size=32)
    gather_shards(folders, path, tmp_path / f"gathered.{out}")
    relevance_on_disk(path, made_model, tmp_path / f"one.{out}", batch_size=32)
    with open_cohort(tmp_path / f"gathered.{out}") as gathered, open_cohort(tmp_path / f"one.{out}") as one:
        np.testing.assert_array_equal(dense(gathered.layers["lrp"][:]), dense(one.layers["lrp"][:]))
        pd.testing.assert_frame_equal(gathered.obs, one.obs, check_exact=True)


def test_a_shard_resumes_and_appears_whole(made_model, made_path, tmp_path, monkeypatch):
    monkeypatch.setattr(resume, "SECONDS", 0.0)
    request = {"shard": 2, "shards": 2, "batch_size": 10}
    with pytest.raises(KeyboardInterrupt):
        explain_shard(made_path, made_model, tmp_path / "second", **request, progress=interrupt_after(4))
    assert {entry.name for entry in tmp_path.iterdir()} == {"cohort.h5ad", ".second.parts"}
    seen = []
    explain_shard(made_path, made_model, tmp_path / "second", **request, progress=counting(seen))
    assert seen == [100, 110]
    explain_shard(made_path, made_model, tmp_path / "first", shard=1, shards=2, batch_size=10)
    gather_shards([tmp_path / "first", tmp_path / "second"], made_path, tmp_path / "gathered.h5ad")
    relevance_on_disk(made_path, made_model, tmp_path / "one.h5ad", batch_size=10)
    same_as_one_job(read_cohort(tmp_path / "gathered.h5ad"), read_cohort(tmp_path / "one.h5ad"))


def test_a_shard_replaces_an_earlier_one_but_no_other_folder(made_model, made_path, tmp_path):
    explain_shard(made_path, made_model, tmp_path / "shard", shard=1, shards=2, batch_size=10)
    explain_shard(made_path, made_model, tmp_path / "shard", shard=1, shards=1)
    gather_shards([tmp_path / "shard"], made_path, tmp_path / "gathered.h5ad")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("kept")
    with pytest.raises(CohortError, match="mine' exists and is not an explained shard"):
        explain_shard(made_path, made_model, tmp_path / "mine", shard=1, shards=1)
    assert (tmp_path / "mine" / "notes.txt").read_text() == "kept"


def test_a_second_writer_is_refused(made_model, made_path, tmp_path):
    with locked(tmp_path / ".shard.parts"), pytest.raises(CohortError, match="another process is using"):
        explain_shard(made_path, made_model, tmp_path / "shard", shard=1, shards=1)


def test_a_gather_removes_what_a_killed_one_left_and_has_no_second_writer(folders, made_path, tmp_path):
    (tmp_path / ".gathered.h5ad.7.tmp").write_text("half")
    with locked(tmp_path / ".gathered.h5ad.parts"):
        gathered(folders, made_path, tmp_path, "another process is using")
    gather_shards(folders, made_path, tmp_path / "gathered.h5ad")
    assert not list(tmp_path.glob(".*"))


@pytest.fixture
def folders(made_model, made_path, tmp_path):
    """Explain three shards."""
    return shards_of(made_path, made_model, tmp_path, 3, batch_size=20)


def gathered(folders, path, tmp_path, message):
    with pytest.raises(CohortError, match=message):
        gather_shards(folders, path, tmp_path / "gathered.h5ad")
    assert not (tmp_path / "gathered.h5ad").exists()


def test_missing_shards(folders, made_path, tmp_path):
    gathered(folders[1:], made_path, tmp_path, "cells 1 to 40 of 120 are in none of the 2 shards")
    gathered([folders[0], folders[2]], made_path, tmp_path, "cells 41 to 80 of 120 are in none")
    gathered(folders[:2], made_path, tmp_path, "cells 81 to 120 of 120 are in none")
    gathered([], made_path, tmp_path, "no shards to gather")
    gathered([tmp_path / "none"], made_path, tmp_path, "none' is not a finished shard")


def test_a_shard_twice(folders, made_path, tmp_path):
    gathered([*folders, folders[1]], made_path, tmp_path, "shard-2' has cells that another shard has too")


def test_a_shard_without_some_of_its_cells(folders, made_path, tmp_path):
    next(folders[1].glob("cells-*.npz")).unlink()
    gathered(folders, made_path, tmp_path, "shard-2' lacks some of its cells")


@pytest.mark.parametrize("changed", [{"score": "logit"}, {"batch_size": 10}, {"layer": None}, {"precision": "bf16"}])
def test_shards_of_different_requests(folders, made_model, made_path, tmp_path, changed):
    explain_shard(made_path, made_model, folders[2], shard=3, shards=3, **({"batch_size": 20} | changed))
    gathered(folders, made_path, tmp_path, "shard-3' and '.*shard-1' are shards of different requests")


def test_shards_of_another_cohort(folders, tmp_path):
    adata = made_cohort()
    adata.obs_names = [f"other {name}" for name in adata.obs_names]
    write_cohort(adata, tmp_path / "other.h5ad")
    gathered(folders, tmp_path / "other.h5ad", tmp_path, "another cohort than '.*other.h5ad', which has other cells")


def test_shards_of_two_versions_of_a_cohort(made_model, made_path, tmp_path):
    """Of the same names and size, so that only the hash of the check tells."""
    folders, check, request = [tmp_path / "1", tmp_path / "2"], tmp_path / "check.json", {"shards": 2, "batch_size": 20}

    def checked():
        check.write_text(json.dumps({"inputs": fingerprints({"cohort": made_path})}))
        return {"check": check}

    explain_shard(made_path, made_model, folders[0], shard=1, **request, **checked())
    adata = read_cohort(made_path)
    adata.X = adata.X[::-1].copy()
    write_cohort(adata, made_path)
    explain_shard(made_path, made_model, folders[1], shard=2, **request, **checked())
    gathered(folders, made_path, tmp_path, "shards of different requests, models, cohorts or versions")
    explain_shard(made_path, made_model, folders[0], shard=1, **request, check=check)
    gather_shards(folders, made_path, tmp_path / "both.h5ad", check=check)

    adata.X = adata.X * 2
    write_cohort(adata, made_path)
    with pytest.raises(CohortError, match="explained from another file than the one that was checked"):
        gather_shards(folders, made_path, tmp_path / "gathered.h5ad", **checked())
    assert not (tmp_path / "gathered.h5ad").exists()


def test_a_copy_of_the_cohort_is_the_same_cohort(folders, made_model, made_path, tmp_path):
    """Jobs on other machines may read a copy."""
    copy = tmp_path / "copy.h5ad"
    copy.write_bytes(made_path.read_bytes())
    explain_shard(copy, made_model, folders[1], shard=2, shards=3, batch_size=20)
    gather_shards(folders, copy, tmp_path / "gathered.h5ad")


@pytest.mark.parametrize("shard, shards", [(0, 2), (3, 2), (1, 0)])
def test_a_shard_that_is_none(made_model, made_path, tmp_path, shard, shards):
    with pytest.raises(CohortError, match="they are numbered from 1"):
        explain_shard(made_path, made_model, tmp_path / "shard", shard=shard, shards=shards)
