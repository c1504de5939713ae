"""Optional packages: a test that needs one is skipped, with the reason, where it cannot be imported."""

from importlib import import_module
from types import ModuleType

import pytest

from tests.model_libraries import require


def package(name: str) -> ModuleType:
    """Import a package, or skip the test that needs it."""
    require()
    try:
        return import_module(name)
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"{name} cannot be imported: {error}")
