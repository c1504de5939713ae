"""From file to file: the same as in memory, whole or not at all, and resumed after an interruption."""

import os
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pandas as pd
import pytest
import torch
from anndata import AnnData
from scipy import sparse

from lrp_domains import CP_LRP
from lrp_domains.domain import locked
from lrp_domains.genes import (
    CohortError,
    Training,
    gene_model,
    made_cohort,
    open_cohort,
    rank,
    rank_on_disk,
    read_cohort,
    relevance,
    relevance_on_disk,
    save_model,
    stability,
    train,
    write_cohort,
)
from lrp_domains.genes.explanation import resume

KEY = "rank_genes_lrp"


@pytest.fixture(scope="module")
def model():
    return train(made_cohort(), "group", training=Training(folds=3, hidden=8, epochs=20))


@pytest.fixture
def path(tmp_path):
    write_cohort(made_cohort(), tmp_path / "cohort.h5ad")
    return tmp_path / "cohort.h5ad"


def dense(matrix):
    return matrix.toarray() if sparse.issparse(matrix) else matrix


def same(result: AnnData, expected: AnnData):
    pd.testing.assert_frame_equal(result.obs, expected.obs, check_categorical=False)
    assert set(result.layers) == set(expected.layers) and set(result.obsm) == set(expected.obsm)
    for name in expected.layers:
        np.testing.assert_array_equal(dense(result.layers[name]), dense(expected.layers[name]))
    for name in expected.obsm:
        np.testing.assert_array_equal(result.obsm[name], expected.obsm[name])
    assert set(result.uns) == set(expected.uns)
    for slot in ("lrp", "lrp_groups"):
        for name, value in expected.uns[slot].items():
            np.testing.assert_array_equal(result.uns[slot][name], value, err_msg=name)
    np.testing.assert_array_equal(dense(result.X), dense(expected.X))


REQUESTS = [
    {},
    {"layer": None, "top": 3},
    {"target": "CD19+ B", "score": "margin", "rules": CP_LRP},
    {"target": "labelled", "donor": "donor"},
]


@pytest.mark.parametrize("request_", REQUESTS, ids=str)
@pytest.mark.parametrize("form", ["sparse", "dense"])
def test_the_same_as_in_memory(model, tmp_path, form, request_):
    adata = made_cohort()
    adata.obs["donor"] = np.array(["a", "b", "c", "d"])[np.arange(adata.n_obs) % 4]
    if form == "dense":
        adata.X = adata.X.toarray()
    write_cohort(adata, tmp_path / "cohort.h5ad")
    relevance_on_disk(tmp_path / "cohort.h5ad", model, tmp_path / "out.h5ad", batch_size=32, **request_)
    relevance(adata, model, batch_size=32, **request_)
    same(read_cohort(tmp_path / "out.h5ad"), adata)
    assert {entry.name for entry in tmp_path.iterdir()} == {"cohort.h5ad", "out.h5ad"}
    with open_cohort(tmp_path / "out.h5ad") as opened:
        pd.testing.assert_frame_equal(rank(opened, wilcoxon=False), rank(adata, wilcoxon=False))
    if request_.get("layer", "lrp"):
        adata.obs["batch"] = np.where(np.arange(adata.n_obs) < 50, "one", "two")
        write_cohort(adata, tmp_path / "again.h5ad")
        with open_cohort(tmp_path / "again.h5ad") as opened:
            result = rank(opened, groupby="batch", wilcoxon=False)
        pd.testing.assert_frame_equal(result, rank(adata, groupby="batch", wilcoxon=False))


@pytest.mark.parametrize("source, out", [("zarr", "zarr"), ("zarr", "h5ad"), ("h5ad", "zarr")])
def test_zarr_folders_are_read_and_written(model, tmp_path, source, out):
    adata = made_cohort()
    adata.layers["dense"] = adata.X.toarray()
    getattr(adata, f"write_{source}")(tmp_path / f"cohort.{source}")
    relevance_on_disk(tmp_path / f"cohort.{source}", model, tmp_path / f"out.{out}", batch_size=50)
    relevance(adata, model, batch_size=50)
    with open_cohort(tmp_path / f"out.{out}") as opened:
        result = AnnData(
            opened.X[:], opened.obs, opened.var, dict(opened.uns), dict(opened.obsm),
            layers={name: opened.layers[name][:] for name in opened.layers},
        )  # fmt: skip
        same(result, adata)


def interrupt_after(chunks):
    """Show progress, and be interrupted as by Ctrl-C."""

    def progress(items, description):
        for number, item in enumerate(items):
            if number == chunks:
                raise KeyboardInterrupt
            yield item

    return progress


def counting(seen):
    def progress(items, description):
        for item in items:
            seen.append(item)
            yield item

    return progress


def test_an_interrupted_run_resumes(model, path, tmp_path, monkeypatch):
    monkeypatch.setattr(resume, "SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        relevance_on_disk(path, model, tmp_path / "out.h5ad", batch_size=20, progress=interrupt_after(4))
    assert not (tmp_path / "out.h5ad").exists() and (tmp_path / ".out.h5ad.parts").is_dir()
    seen = []
    relevance_on_disk(path, model, tmp_path / "out.h5ad", batch_size=20, progress=counting(seen))
    assert seen == [80, 100]
    adata = made_cohort()
    relevance(adata, model, batch_size=20)
    same(read_cohort(tmp_path / "out.h5ad"), adata)
    assert not (tmp_path / ".out.h5ad.parts").exists()


def test_another_request_starts_from_the_beginning(model, path, tmp_path, monkeypatch):
    monkeypatch.setattr(resume, "SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        relevance_on_disk(path, model, tmp_path / "out.h5ad", batch_size=20, progress=interrupt_after(4))
    seen = []
    relevance_on_disk(path, model, tmp_path / "out.h5ad", batch_size=20, score="logit", progress=counting(seen))
    assert seen == [0, 20, 40, 60, 80, 100]
    adata = made_cohort()
    relevance(adata, model, batch_size=20, score="logit")
    same(read_cohort(tmp_path / "out.h5ad"), adata)


def test_a_killed_run_resumes(model, path, tmp_path):
    save_model(model, tmp_path / "model.pt")
    program = f"""
import time
from lrp_domains.genes import load_trained, relevance_on_disk
from lrp_domains.domain import locked
from lrp_domains.genes.explanation import resume
resume.SECONDS = 0.0
def slowly(items, description):
    for item in items:
        time.sleep(0.2)
        yield item
relevance_on_disk({str(path)!r}, load_trained({str(tmp_path / "model.pt")!r}), {str(tmp_path / "out.h5ad")!r},
                  batch_size=4, progress=slowly)
"""
    running = subprocess.Popen([sys.executable, "-c", program])
    hidden = tmp_path / ".out.h5ad.parts"
    for _ in range(600):
        if len(list(hidden.glob("cells-*.npz"))) >= 3:
            break
        time.sleep(0.1)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    assert len(list(hidden.glob("cells-*.npz"))) >= 3 and not (tmp_path / "out.h5ad").exists()
    seen = []
    relevance_on_disk(path, model, tmp_path / "out.h5ad", batch_size=4, progress=counting(seen))
    assert 0 < len(seen) < 30
    adata = made_cohort()
    relevance(adata, model, batch_size=4)
    same(read_cohort(tmp_path / "out.h5ad"), adata)


def test_a_failed_write_leaves_the_old_file_and_what_was_explained(model, path, tmp_path, monkeypatch):
    (tmp_path / "out.h5ad").write_bytes(b"old")

    def full(*arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("lrp_domains.genes.cohorts.writing.write_elem", full)
        with pytest.raises(CohortError, match=r"out.h5ad' could not be written: No space left on device. What is expl"):
            relevance_on_disk(path, model, tmp_path / "out.h5ad")
    assert (tmp_path / "out.h5ad").read_bytes() == b"old"
    assert {entry.name for entry in tmp_path.iterdir()} == {"cohort.h5ad", "out.h5ad", ".out.h5ad.parts"}
    seen = []
    relevance_on_disk(path, model, tmp_path / "out.h5ad", progress=counting(seen))
    assert seen == []


FILES_OF_50_KB = """
import resource, signal
from lrp_domains.genes import CohortError, load_trained, relevance_on_disk
model = load_trained("model.pt")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    relevance_on_disk("cohort.h5ad", model, "out.h5ad")
except CohortError as error:
    print(error)
"""


def test_a_file_that_the_system_will_not_let_grow(model, path, tmp_path):
    save_model(model, tmp_path / "model.pt")
    program = [sys.executable, "-W", "ignore", "-c", FILES_OF_50_KB]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True)
    assert "'out.h5ad' could not be written: File too large" in done.stdout, done.stderr[-500:]
    assert {entry.name for entry in tmp_path.iterdir()} == {"cohort.h5ad", "model.pt", ".out.h5ad.parts"}
    relevance_on_disk(path, model, tmp_path / "out.h5ad")
    assert {entry.name for entry in tmp_path.iterdir()} == {"cohort.h5ad", "model.pt", "out.h5ad"}


def test_a_folder_that_cannot_be_made(model, path, tmp_path):
    with pytest.raises(CohortError, match=r"could not be written: (Not a directory|File exists)"):
        relevance_on_disk(path, model, tmp_path / "cohort.h5ad" / "out.h5ad")
    assert {entry.name for entry in tmp_path.iterdir()} == {"cohort.h5ad"}


def test_resume_false_starts_from_the_beginning(model, path, tmp_path, monkeypatch):
    monkeypatch.setattr(resume, "SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        relevance_on_disk(path, model, tmp_path / "out.h5ad", batch_size=20, progress=interrupt_after(4))
    seen = []
    relevance_on_disk(path, model, tmp_path / "out.h5ad", batch_size=20, progress=counting(seen), resume=False)
    assert seen == [0, 20, 40, 60, 80, 100]


def test_missing_parts_start_from_the_beginning_and_temporary_files_are_removed(model, path, tmp_path, monkeypatch):
    monkeypatch.setattr(resume, "SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        relevance_on_disk(path, model, tmp_path / "out.h5ad", batch_size=20, progress=interrupt_after(4))
    sorted((tmp_path / ".out.h5ad.parts").glob("cells-*.npz"))[1].unlink()
    (tmp_path / ".out.h5ad.123.tmp").write_bytes(b"half")
    seen = []
    relevance_on_disk(path, model, tmp_path / "out.h5ad", batch_size=20, progress=counting(seen))
    assert seen == [0, 20, 40, 60, 80, 100]
    assert {entry.name for entry in tmp_path.iterdir()} == {"cohort.h5ad", "out.h5ad"}


def test_a_second_process_is_refused(model, path, tmp_path):
    with locked(tmp_path / ".out.h5ad.parts"), pytest.raises(CohortError, match="another process is using"):
        relevance_on_disk(path, model, tmp_path / "out.h5ad")
    relevance_on_disk(path, model, tmp_path / "out.h5ad")


def test_large_parts_are_written_before_their_sums(model, path, tmp_path, monkeypatch):
    monkeypatch.setattr(resume, "BYTES", 1)
    with pytest.raises(KeyboardInterrupt):
        relevance_on_disk(path, model, tmp_path / "out.h5ad", batch_size=20, progress=interrupt_after(4))
    kept = {entry.name[:5] for entry in (tmp_path / ".out.h5ad.parts").glob("*.npz")}
    assert kept == {"cells"}
    relevance_on_disk(path, model, tmp_path / "out.h5ad", batch_size=20)
    adata = made_cohort()
    relevance(adata, model, batch_size=20)
    same(read_cohort(tmp_path / "out.h5ad"), adata)


def test_explained_again_without_a_layer_holds_no_old_one(model, path, tmp_path):
    relevance_on_disk(path, model, tmp_path / "once.h5ad", top=3)
    relevance_on_disk(tmp_path / "once.h5ad", model, tmp_path / "twice.h5ad", layer=None)
    adata = made_cohort()
    relevance(adata, model, layer=None)
    same(read_cohort(tmp_path / "twice.h5ad"), adata)


def test_a_file_without_empty_groups(model, path, tmp_path):
    with h5py.File(path, "r+") as file:
        for name in ("layers", "obsm", "uns"):
            del file[name]
    relevance_on_disk(path, model, tmp_path / "out.h5ad", top=2)
    assert "lrp" in read_cohort(tmp_path / "out.h5ad").layers


@pytest.mark.parametrize("form", ["h5ad", "zarr"])
def test_tables_without_matrices_can_be_ranked(path, tmp_path, form):
    adata = made_cohort()
    network = torch.nn.Linear(60, 3)
    single = gene_model(network, adata.var_names, list(adata.obs["group"].cat.categories), labels="group")
    relevance_on_disk(path, single, tmp_path / f"out.{form}", layer=None, copy=False)
    relevance(adata, single, layer=None)
    with open_cohort(tmp_path / f"out.{form}") as opened:
        assert opened.X is None and not opened.layers
        pd.testing.assert_frame_equal(opened.obs, adata.obs, check_categorical=False)
        pd.testing.assert_frame_equal(rank(opened), rank(adata, wilcoxon=False))


@pytest.mark.parametrize(
    "out, message", [("cohort.h5ad", r"is the cohort itself"), ("out.loom", r"should end in .h5ad or .zarr")]
)
def test_a_file_that_cannot_be_written_is_refused(model, path, tmp_path, out, message):
    with pytest.raises(CohortError, match=message):
        relevance_on_disk(path, model, tmp_path / out)


def test_a_matrix_stored_by_columns_is_read_as_a_whole(model, tmp_path):
    adata = made_cohort()
    adata.X = adata.X.tocsc()
    write_cohort(adata, tmp_path / "cohort.h5ad")
    with pytest.warns(UserWarning, match=r"stored by columns \(CSC\).*adata.X = adata.X.tocsr\(\)"):
        relevance_on_disk(tmp_path / "cohort.h5ad", model, tmp_path / "out.h5ad")
    relevance(adata, model)
    same(read_cohort(tmp_path / "out.h5ad"), adata)


def test_ranked_from_file_to_file(model, path, tmp_path):
    relevance_on_disk(path, model, tmp_path / "explained.h5ad")
    result = rank_on_disk(tmp_path / "explained.h5ad", tmp_path / "ranked.h5ad", cohort="made")
    adata = made_cohort()
    statistics = relevance(adata, model)
    pd.testing.assert_frame_equal(result.table, rank(adata, cohort="made"))
    pd.testing.assert_frame_equal(result.stability, stability(statistics))
    again = read_cohort(tmp_path / "ranked.h5ad")
    for group in again.uns[KEY]["names"].dtype.names:
        np.testing.assert_array_equal(again.uns[KEY]["names"][group], adata.uns[KEY]["names"][group])
