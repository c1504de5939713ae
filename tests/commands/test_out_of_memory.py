"""Errors of a lack of memory, whichever library raises them, are one line."""

import errno

import pytest
import typer
from typer.testing import CliRunner

from lrp_domains.commands.console import OneLineErrors

ERRORS = [
    MemoryError(),
    OSError(errno.ENOMEM, "Cannot allocate memory", "cohort.h5ad"),
    ImportError("_ufuncs.so: failed to map segment from shared object"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: 80 bytes"),
    RuntimeError("CUDA out of memory. Tried to allocate 20.00 MiB"),
]


def run(error):
    app = typer.Typer(cls=OneLineErrors, pretty_exceptions_enable=False)

    @app.command()
    def fail() -> None:
        raise error

    @app.callback()
    def main() -> None: ...

    return CliRunner().invoke(app, ["fail"])


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_a_lack_of_memory_is_one_line(error):
    result = run(error)
    assert result.exit_code == 1
    assert result.stderr.startswith("error: not enough memory: ") and len(result.stderr.splitlines()) == 1


def test_bugs_keep_their_traceback():
    assert isinstance(run(RuntimeError("a bug")).exception, RuntimeError)
