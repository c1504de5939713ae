"""Commands on a full disk: one line that names the file, no crash, and no part of a file under its name."""

import subprocess
import sys

import pytest

from lrp_domains.genes import Training, made_cohort, relevance_on_disk, save_model, train, write_cohort

SMALL_FILES = """
import resource, signal, sys
from lrp_domains.command_line import app
size = int(sys.argv.pop(1))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
app(prog_name="lrp-domains")
"""


@pytest.fixture(scope="module")
def explained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("full")
    write_cohort(made_cohort(), folder / "cohort.h5ad")
    model = train(made_cohort(), "group", training=Training(folds=3, hidden=8, epochs=5))
    save_model(model, folder / "model.pt")
    relevance_on_disk(folder / "cohort.h5ad", model, folder / "explained.h5ad")
    return folder


def results(folder):
    return {path.name for path in folder.iterdir() if not path.name.endswith(".parts")}


@pytest.mark.parametrize(
    "size, name, command",
    [
        (50_000, "s.h5ad", "select cohort.h5ad --out s.h5ad"),
        (20_000, "m.pt", "train cohort.h5ad --labels group --folds 3 --epochs 2 --out m.pt --performance p.tsv"),
        (90_000, "r.h5ad", "rank explained.h5ad --out r.h5ad --table t.tsv --stability s.tsv"),
        (10, "c.json", "check cohort.h5ad --labels group --out c.json"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_one_line_names_the_file(explained, size, name, command):
    before = results(explained)
    program = [sys.executable, "-c", SMALL_FILES, str(size), "genes", *command.split()]
    done = subprocess.run(program, cwd=explained, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"error: '{name}' could not be written: File too large"), done.stderr
    assert "Traceback" not in done.stderr and done.stderr.count("error:") == 1
    assert results(explained) == before
