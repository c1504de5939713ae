"""One GPU per process: a lease that the system ends with the process, also if it is killed."""

import fcntl
import os
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import takewhile
from pathlib import Path

from ..messages import DomainError

LEASED = "LRP_DOMAINS_GPU"  # the device that this process, or the one that started it, holds
JOB_IDS = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "JOB_ID", "KUBERNETES_SERVICE_HOST")
SECONDS = 0.3  # between two attempts


def lease_gpu(waiting: Callable[[Sequence[str]], None] = lambda gpus: None) -> str | None:
    """Hold one of the visible GPUs until this process ends, and hide the others from it.

    Call it before CUDA is used. Only processes of the same user that call it too are kept apart. The only GPU of a
    batch system's job is used without a lease, because the batch system has granted it to this job already.

    Parameters
    ----------
    waiting
        Called once with the names of the GPUs if other processes hold all of them.

    Returns
    -------
    The GPU's number or UUID, which is the value of ``CUDA_VISIBLE_DEVICES`` from now on; None if there is no GPU.

    Raises
    ------
    DomainError
        Other users can write to the folder of the locks, in the folder of temporary files.
    """
    if LEASED in os.environ:
        return os.environ[LEASED]
    gpus = visible_gpus()
    if not gpus:
        return None
    of_job = next((f"{name}-{os.environ[name]}" for name in JOB_IDS if name in os.environ), None)
    if of_job is None or len(gpus) > 1:
        folder = _private(Path(tempfile.gettempdir()) / f"lrp_domains-gpus-{os.getuid()}")
        gpu = _held(gpus, folder if of_job is None else _private(folder / of_job.replace(os.sep, "_")), waiting)
    else:
        gpu = gpus[0]
    os.environ |= {"CUDA_VISIBLE_DEVICES": gpu, LEASED: gpu}
    return gpu


def visible_gpus() -> list[str]:
    """Return the names of the GPUs that this process may use: UUIDs, or what ``CUDA_VISIBLE_DEVICES`` lists."""
    installed = _installed_gpus()
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return list(installed.values())
    names = [name.strip() for name in listed.split(",")]
    # CUDA ignores an invalid name, such as -1 or NoDevFiles, and all that follow it.
    valid = takewhile(lambda name: name.isdigit() or name.startswith(("GPU-", "MIG-")), names)
    return [installed.get(name, name) for name in valid]


def _installed_gpus() -> dict[str, str]:
    """Return the UUIDs of the GPUs of this machine by their numbers."""
    command = ["nvidia-smi", "--query-gpu=index,uuid", "--format=csv,noheader"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return {}
    if answer.returncode:
        return {}
    rows = [line.partition(",") for line in answer.stdout.splitlines()]
    return {number.strip(): uuid.strip() for number, _, uuid in rows}


def _private(folder: Path) -> Path:
    """Make a folder, or raise if others can write to one that is there: they could hold all GPUs, or place links."""
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    state = folder.lstat()
    if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or state.st_mode & 0o022:
        raise DomainError(
            f"'{folder}', for the leases of GPUs, is not a folder that only you can write to; remove it, or set TMPDIR "
            "to another folder"
        )
    return folder


def _held(gpus: Sequence[str], folder: Path, waiting: Callable[[Sequence[str]], None]) -> str:
    """Wait until one of some GPUs is free; hold it with a lock that is released when the process ends."""
    is_told = False
    while True:
        for gpu in gpus:
            # The file stays open on purpose: closing it would release the lock.
            file = os.open(folder / f"{gpu.replace(os.sep, '_')}.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return gpu
            except BlockingIOError:
                os.close(file)
        if not is_told:
            waiting(gpus)
            is_told = True
        time.sleep(SECONDS)
