"""Leases of GPUs between processes; the devices are stand-ins, named as CUDA_VISIBLE_DEVICES names them."""

import os
import signal
import subprocess
import sys
from itertools import pairwise

import pytest

from lrp_domains.domain import DomainError
from lrp_domains.domain.hardware.lease import JOB_IDS, LEASED, lease_gpu, visible_gpus

# Holds a GPU for a while, and prints which and when.
HOLDER = """
import sys, time
from lrp_domains.domain import DomainError
from lrp_domains.domain.hardware.lease import lease_gpu
gpu = lease_gpu(lambda gpus: print("waiting", file=sys.stderr, flush=True))
start = time.monotonic()
print(gpu, flush=True)
time.sleep(float(sys.argv[1]))
print(start, time.monotonic(), flush=True)
"""


@pytest.fixture(autouse=True)
def a_machine_with_two_gpus(monkeypatch, tmp_path):
    for name in (LEASED, *JOB_IDS):
        monkeypatch.setenv(name, "")  # so that what a lease sets is undone after the test
        monkeypatch.delenv(name)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setenv("PATH", str(tmp_path))  # no nvidia-smi


def holder(seconds):
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(seconds)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_two_processes_never_hold_the_same_gpu():
    held = {"0": [], "1": []}
    for process in [holder(0.3) for _ in range(4)]:
        out, _ = process.communicate(timeout=100)
        gpu, start, stop = out.split()
        held[gpu].append((float(start), float(stop)))

    assert all(held.values())
    for times in map(sorted, held.values()):
        assert all(stop <= start for (_, stop), (start, _) in pairwise(times))


def test_a_killed_process_frees_its_gpu_and_the_next_one_waits_for_it(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    first = holder(1000)
    assert first.stdout.readline().strip() == "1"
    second = holder(0)
    assert second.stderr.readline().strip() == "waiting"

    first.send_signal(signal.SIGKILL)
    first.wait()
    assert second.communicate(timeout=100)[0].split()[0] == "1"


def test_a_process_keeps_its_gpu():
    first = lease_gpu()
    assert lease_gpu() == first == os.environ["CUDA_VISIBLE_DEVICES"]
    assert visible_gpus() == [first]


def test_the_only_gpu_of_a_batch_job_needs_no_lease(monkeypatch, tmp_path):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert lease_gpu() == "1"
    assert not list(tmp_path.rglob("*.lock"))


def test_processes_of_one_batch_job_share_its_gpus(monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    first = holder(1000)
    try:
        assert {first.stdout.readline().strip(), lease_gpu()} == {"0", "1"}
    finally:
        first.kill()


def linked(folder):
    (folder.parent / "other").mkdir()
    folder.symlink_to(folder.parent / "other")


def writable(folder):
    folder.mkdir()
    folder.chmod(0o777)


@pytest.mark.parametrize(
    "make", [linked, writable, lambda folder: folder.write_text("")], ids=lambda make: make.__name__
)
@pytest.mark.parametrize("job", [None, "7"])
def test_a_folder_that_others_can_write_to_is_refused(monkeypatch, tmp_path, make, job):
    folder = tmp_path / f"lrp_domains-gpus-{os.getuid()}"
    if job is not None:
        monkeypatch.setenv("SLURM_JOB_ID", job)
        folder.mkdir()
        folder /= f"SLURM_JOB_ID-{job}"
    make(folder)
    with pytest.raises(DomainError, match="is not a folder that only you can write to; remove it, or set TMPDIR"):
        lease_gpu()
    assert not list(tmp_path.rglob("*.lock")) and LEASED not in os.environ


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(tmp_path):
    (tmp_path / f"lrp_domains-gpus-{os.getuid()}").mkdir()
    os.chown(tmp_path / f"lrp_domains-gpus-{os.getuid()}", 1000, 1000)
    with pytest.raises(DomainError, match="is not a folder that only you can write to"):
        lease_gpu()


def test_a_lock_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / f"lrp_domains-gpus-{os.getuid()}").mkdir()
    (tmp_path / f"lrp_domains-gpus-{os.getuid()}" / "0.lock").symlink_to(tmp_path / "victim")
    with pytest.raises(OSError, match="symbolic links"):
        lease_gpu()
    assert not (tmp_path / "victim").exists()


def test_without_a_folder_for_temporary_files_another_is_found(monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "missing"))
    monkeypatch.setenv("TEMP", str(tmp_path))
    assert lease_gpu() == "0"
    assert list(tmp_path.rglob("0.lock"))


@pytest.mark.parametrize(
    ("listed", "gpus"),
    [("", []), ("-1", []), ("NoDevFiles", []), ("2, 0", ["2", "0"]), ("1,-1,0", ["1"]), ("GPU-8f", ["GPU-8f"])],
)
def test_visible_gpus_are_those_that_cuda_would_see(monkeypatch, listed, gpus):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", listed)
    assert visible_gpus() == gpus
    assert lease_gpu() == (gpus[0] if gpus else None)


def test_numbers_are_uuids_where_nvidia_smi_knows_them(monkeypatch, tmp_path):
    """So that processes that see the same GPU under different numbers are kept apart."""
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho '0, GPU-a'\necho '1, GPU-b'\n")
    program.chmod(0o755)
    assert visible_gpus() == ["GPU-a", "GPU-b"]
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert visible_gpus() == ["GPU-a", "GPU-b"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert lease_gpu() == "GPU-b"


def test_commands_say_which_gpu_they_hold(tmp_path):
    result = subprocess.run(
        f"{sys.executable} -m lrp_domains genes train a.h5ad --labels x --device auto --out m --performance p".split(),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert "device: cpu, GPU 0" in result.stderr or "device: cuda, GPU 0" in result.stderr
