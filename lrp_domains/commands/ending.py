"""How a command ends early: on a request (SIGTERM), and with the workflow that started it.

A workflow that is killed can't end its jobs, so they watch it. `PR_SET_PDEATHSIG` of Linux would do the same for a
direct child only, and it fires when the *thread* ends that started the child, as those of a pool do.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

END_WITH = "LRP_DOMAINS_END_WITH"  # "PID BOOT_ID PID_NAMESPACE" of the process to end with
SECONDS = 1.0  # between two looks
GRACE = 60.0  # for the current step, before the process is ended without cleaning up
AGAIN = 10.0  # until a request is repeated: Python ignores what is raised while an object is removed


class EndRequested(BaseException):
    """The process was asked to end. Not an `Exception`, so that it passes handlers of errors."""


@contextmanager
def ending_on_request() -> Iterator[None]:
    """Raise `EndRequested` in the block if the process is asked to end, so that temporary files are removed."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield
        return
    before = {number: signal.signal(number, _end) for number in (signal.SIGTERM, signal.SIGALRM)}
    done = threading.Event()
    try:
        if (pid := _watched(os.environ.get(END_WITH, ""))) is not None:
            threading.Thread(target=_watch, args=(pid, done), daemon=True).start()
        yield
    finally:
        done.set()
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def end_with_this_process() -> str:
    """Return the value of the environment variable by which commands end with the calling process; empty elsewhere."""
    return f"{os.getpid()} {_host()}" if _host() else ""


def _end(*_: object) -> None:
    signal.setitimer(signal.ITIMER_REAL, AGAIN)
    raise EndRequested


def _watched(value: str) -> int | None:
    """Return the process to end with, if it is one of this machine and container."""
    pid, _, host = value.partition(" ")
    return int(pid) if pid.isdigit() and host and host == _host() else None


def _watch(pid: int, done: threading.Event) -> None:
    """Request the end of this process once another one has ended."""
    started = _start_time(pid)
    while started is not None and _start_time(pid) == started:
        if done.wait(SECONDS):
            return
    os.kill(os.getpid(), signal.SIGTERM)
    if not done.wait(GRACE):
        os._exit(128 + signal.SIGTERM)


def _start_time(pid: int) -> str | None:
    """Return when a process was started, as numbers of processes are used again; None if it has ended."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state in "ZX" else fields[18]  # a killed process stays a zombie until its parent looks


def _host() -> str:
    """Return what tells machines and containers apart, whose processes have the same numbers; empty but for Linux."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""
