"""Commands end on request, and with the workflow that started them; temporary files are removed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lrp_domains.commands.ending import END_WITH, end_with_this_process

WRITES = """
import sys, time, typer
from lrp_domains.commands.console import OneLineErrors
from lrp_domains.domain import whole_file

app = typer.Typer(cls=OneLineErrors, pretty_exceptions_enable=False)

@app.command()
def write():
    with whole_file("out.txt") as temporary:
        temporary.write_text("half")
        print("writing", flush=True)
        time.sleep(60)

@app.callback()
def main(): ...

app()
"""
STARTS = """
import os, subprocess, sys
from lrp_domains.commands.ending import END_WITH, end_with_this_process
os.environ[END_WITH] = end_with_this_process()
child = subprocess.Popen([sys.executable, "writes.py", "write"], stderr=open("log", "w"))
print(child.pid, flush=True)
child.wait()
"""


def started(folder, program, *arguments, **environment):
    (folder / "writes.py").write_text(WRITES)
    (folder / "starts.py").write_text(STARTS)
    return subprocess.Popen(
        [sys.executable, program, *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])} | environment,
        # Tests that run in the background of a script inherit that it is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_command_says_so_and_leaves_nothing(tmp_path, number, code):
    process = started(tmp_path, "writes.py", "write")
    assert process.stdout.readline() == "writing\n"
    process.send_signal(number)
    assert process.wait(20) == code
    assert process.stderr.read() == "error: interrupted; run the same command again to resume\n"
    assert not list(tmp_path.glob("*out.txt*"))


def test_a_request_that_python_ignores_is_repeated(tmp_path):
    """What is raised in a destructor is only printed."""
    lost = """
import time
from lrp_domains.commands import ending

class Slow:
    def __del__(self):
        print("writing", flush=True)
        time.sleep(2)

ending.AGAIN = 3.0
try:
    with ending.ending_on_request():
        Slow()
        print("removed", flush=True)
        time.sleep(60)
except ending.EndRequested:
    print("ended", flush=True)
"""
    (tmp_path / "lost.py").write_text(lost)
    process = started(tmp_path, "lost.py")
    assert process.stdout.readline() == "writing\n"
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=30)
    assert out == "removed\nended\n" and "Exception ignored" in err


@pytest.mark.skipif(not end_with_this_process(), reason="requires Linux")
def test_a_command_ends_with_the_process_that_started_it(tmp_path):
    parent = started(tmp_path, "starts.py")
    child = int(parent.stdout.readline())
    assert parent.stdout.readline() == "writing\n"
    parent.kill()
    deadline = time.monotonic() + 20
    while Path(f"/proc/{child}").exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not Path(f"/proc/{child}").exists()
    assert (tmp_path / "log").read_text().startswith("error: interrupted")
    assert not list(tmp_path.glob("*out.txt*"))
    parent.communicate()


@pytest.mark.skipif(not end_with_this_process(), reason="requires Linux")
@pytest.mark.parametrize("host", ["of another machine", ""])
def test_a_process_of_another_machine_is_not_waited_for(tmp_path, host):
    process = started(tmp_path, "writes.py", "write", **{END_WITH: f"99999999 {host}"})
    assert process.stdout.readline() == "writing\n"
    time.sleep(0.3)
    assert process.poll() is None
    process.kill()
    process.communicate()


@pytest.mark.skipif(not end_with_this_process(), reason="requires Linux")
def test_a_command_that_is_started_too_late_ends_at_once(tmp_path):
    _, _, host = end_with_this_process().partition(" ")
    process = started(tmp_path, "writes.py", "write", **{END_WITH: f"99999999 {host}"})
    assert process.wait(20) == 143
    process.communicate()
