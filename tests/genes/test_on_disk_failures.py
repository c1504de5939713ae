"""Files that can't be written: one clear error, the old file is kept, and what was explained isn't lost."""

import subprocess
import sys

import pytest

from lrp_domains.genes import CohortError, relevance_on_disk, save_model

from .interruptions import counting


def test_a_failed_write_leaves_the_old_file_and_what_was_explained(made_model, made_path, tmp_path, monkeypatch):
    (tmp_path / "out.h5ad").write_bytes(b"old")

    def full(*arguments):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("lrp_domains.genes.cohorts.files.writing.write_elem", full)
        with pytest.raises(
            CohortError,
            match=r"out.h5ad' could not be written: No space left on device \(.* kept",
        ):
            relevance_on_disk(made_path, made_model, tmp_path / "out.h5ad")
    assert (tmp_path / "out.h5ad").read_bytes() == b"old"
    assert {entry.name for entry in tmp_path.iterdir()} == {"cohort.h5ad", "out.h5ad", ".out.h5ad.parts"}
    seen = []
    relevance_on_disk(made_path, made_model, tmp_path / "out.h5ad", progress=counting(seen))
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


def test_a_file_that_the_system_will_not_let_grow(made_model, made_path, tmp_path):
    save_model(made_model, tmp_path / "model.pt")
    program = [sys.executable, "-W", "ignore", "-c", FILES_OF_50_KB]
    done = subprocess.run(program, cwd=tmp_path, capture_output=True, text=True)
    assert "'out.h5ad' could not be written: File too large" in done.stdout, done.stderr[-500:]
    assert done.returncode == 0 and "free in" in done.stdout
    assert {entry.name for entry in tmp_path.iterdir()} == {"cohort.h5ad", "model.pt", ".out.h5ad.parts"}
    relevance_on_disk(made_path, made_model, tmp_path / "out.h5ad")
    assert {entry.name for entry in tmp_path.iterdir()} == {"cohort.h5ad", "model.pt", "out.h5ad"}


def test_a_folder_that_cannot_be_made(made_model, made_path, tmp_path):
    with pytest.raises(CohortError, match=r"out.h5ad' can't be written, because '.*cohort.h5ad' is not a f"):
        relevance_on_disk(made_path, made_model, tmp_path / "cohort.h5ad" / "out.h5ad")
    assert {entry.name for entry in tmp_path.iterdir()} == {"cohort.h5ad"}


@pytest.mark.parametrize(
    "out, message", [("cohort.h5ad", r"is the cohort itself"), ("out.loom", r"should end in .h5ad or .zarr")]
)
def test_a_file_that_cannot_be_written_is_refused(made_model, made_path, tmp_path, out, message):
    with pytest.raises(CohortError, match=message):
        relevance_on_disk(made_path, made_model, tmp_path / out)
