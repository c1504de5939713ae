"""Explanations from file to file resume after an interruption, but not those of another request."""

import os
import signal
import subprocess
import sys
import time

import pytest

from lrp_domains.domain import locked
from lrp_domains.genes import CohortError, made_cohort, read_cohort, relevance, relevance_on_disk, save_model
from lrp_domains.genes.explanation.runs import resume

from .interruptions import counting, interrupt_after
from .same_cohorts import same


def test_an_interrupted_run_resumes(made_model, made_path, tmp_path, monkeypatch):
    monkeypatch.setattr(resume, "SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        relevance_on_disk(made_path, made_model, tmp_path / "out.h5ad", batch_size=20, progress=interrupt_after(4))
    assert not (tmp_path / "out.h5ad").exists() and (tmp_path / ".out.h5ad.parts").is_dir()
    seen = []
    relevance_on_disk(made_path, made_model, tmp_path / "out.h5ad", batch_size=20, progress=counting(seen))
    assert seen == [80, 100]
    adata = made_cohort()
    relevance(adata, made_model, batch_size=20)
    same(read_cohort(tmp_path / "out.h5ad"), adata)
    assert not (tmp_path / ".out.h5ad.parts").exists()


def test_a_killed_run_resumes(made_model, made_path, tmp_path):
    save_model(made_model, tmp_path / "model.pt")
    program = f"""
import time
from lrp_domains.genes import load_trained, relevance_on_disk
from lrp_domains.domain import locked
from lrp_domains.genes.explanation.runs import resume
resume.SECONDS = 0.0
def slowly(items, description):
    for item in items:
        time.sleep(0.2)
        yield item
relevance_on_disk({str(made_path)!r}, load_trained({str(tmp_path / "model.pt")!r}), {str(tmp_path / "out.h5ad")!r},
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
    relevance_on_disk(made_path, made_model, tmp_path / "out.h5ad", batch_size=4, progress=counting(seen))
    assert 0 < len(seen) < 30
    adata = made_cohort()
    relevance(adata, made_model, batch_size=4)
    same(read_cohort(tmp_path / "out.h5ad"), adata)


def test_another_request_starts_from_the_beginning(made_model, made_path, tmp_path, monkeypatch):
    monkeypatch.setattr(resume, "SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        relevance_on_disk(made_path, made_model, tmp_path / "out.h5ad", batch_size=20, progress=interrupt_after(4))
    seen = []
    relevance_on_disk(
        made_path, made_model, tmp_path / "out.h5ad", batch_size=20, score="logit", progress=counting(seen)
    )
    assert seen == [0, 20, 40, 60, 80, 100]
    adata = made_cohort()
    relevance(adata, made_model, batch_size=20, score="logit")
    same(read_cohort(tmp_path / "out.h5ad"), adata)


def test_resume_false_starts_from_the_beginning(made_model, made_path, tmp_path, monkeypatch):
    monkeypatch.setattr(resume, "SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        relevance_on_disk(made_path, made_model, tmp_path / "out.h5ad", batch_size=20, progress=interrupt_after(4))
    seen = []
    relevance_on_disk(
        made_path, made_model, tmp_path / "out.h5ad", batch_size=20, progress=counting(seen), resume=False
    )
    assert seen == [0, 20, 40, 60, 80, 100]


def test_missing_parts_start_from_the_beginning_and_temporary_files_are_removed(
    made_model, made_path, tmp_path, monkeypatch
):
    monkeypatch.setattr(resume, "SECONDS", 0.0)
    with pytest.raises(KeyboardInterrupt):
        relevance_on_disk(made_path, made_model, tmp_path / "out.h5ad", batch_size=20, progress=interrupt_after(4))
    sorted((tmp_path / ".out.h5ad.parts").glob("cells-*.npz"))[1].unlink()
    (tmp_path / ".out.h5ad.123.tmp").write_bytes(b"half")
    seen = []
    relevance_on_disk(made_path, made_model, tmp_path / "out.h5ad", batch_size=20, progress=counting(seen))
    assert seen == [0, 20, 40, 60, 80, 100]
    assert {entry.name for entry in tmp_path.iterdir()} == {"cohort.h5ad", "out.h5ad"}


def test_a_second_process_is_refused(made_model, made_path, tmp_path):
    with locked(tmp_path / ".out.h5ad.parts"), pytest.raises(CohortError, match="another process is using"):
        relevance_on_disk(made_path, made_model, tmp_path / "out.h5ad")
    relevance_on_disk(made_path, made_model, tmp_path / "out.h5ad")


def test_large_parts_are_written_before_their_sums(made_model, made_path, tmp_path, monkeypatch):
    monkeypatch.setattr(resume, "BYTES", 1)
    with pytest.raises(KeyboardInterrupt):
        relevance_on_disk(made_path, made_model, tmp_path / "out.h5ad", batch_size=20, progress=interrupt_after(4))
    kept = {entry.name[:5] for entry in (tmp_path / ".out.h5ad.parts").glob("*.npz")}
    assert kept == {"cells"}
    relevance_on_disk(made_path, made_model, tmp_path / "out.h5ad", batch_size=20)
    adata = made_cohort()
    relevance(adata, made_model, batch_size=20)
    same(read_cohort(tmp_path / "out.h5ad"), adata)
