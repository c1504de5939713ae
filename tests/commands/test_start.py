"""The start of commands, and public names: what takes seconds to import is imported only where it is used."""

import importlib
import importlib.util
import pickle
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

import lrp_domains

from .imported import imported

LAZY = ("lrp_domains", "lrp_domains.domain", "lrp_domains.genes", "lrp_domains.text", "lrp_domains.text.corpora")
LAZY += ("lrp_domains.demos.sequences", "lrp_domains.demos.text")


@pytest.mark.parametrize("arguments", [["--help"], ["genes", "--help"], ["text", "explain", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments):
    assert imported(arguments) == [set()]


@pytest.mark.parametrize("name", LAZY)
def test_public_names_are_there_when_they_are_used(name):
    package, names = importlib.import_module(name), {}
    exec(f"from {name} import *", names)
    assert package.__all__ and set(package.__all__) <= set(names) and set(package.__all__) <= set(dir(package))
    for public in package.__all__:
        assert getattr(package, public) is names[public]
        # A submodule of the same name would take its place as soon as it is imported.
        clash = importlib.util.find_spec(f"{name}.{public}")
        assert clash is None or isinstance(names[public], ModuleType), f"{name}.{public} is a submodule too"
    with pytest.raises(AttributeError, match="relevence"):
        _ = package.relevence
    with pytest.raises(ImportError):
        exec(f"from {name} import relevence", {})


@pytest.mark.parametrize("name", LAZY)
def test_type_checkers_are_told_the_same_names(name):
    """They read ``__all__`` of the .pyi, and Python its imports."""
    package = importlib.import_module(name)
    stub, names = Path(package.__file__ + "i").read_text(), {}
    exec(stub[stub.index("__all__") :], names)
    assert sorted(package.__all__) == sorted(names["__all__"])


@pytest.mark.parametrize("name", LAZY)
def test_importing_a_package_imports_nothing_heavy(name):
    code = f"import sys, {name}; print([name for name in ('torch', 'numpy', 'pandas') if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_public_names_can_be_replaced_and_pickled(monkeypatch):
    from lrp_domains import genes

    rank = genes.rank
    with monkeypatch.context() as patch:
        patch.setattr(genes, "rank", len)
        from lrp_domains.genes import rank as replaced

        assert replaced is len
    assert genes.rank is rank
    assert pickle.loads(pickle.dumps(genes.rank)) is rank
    settings = genes.Training(folds=3)
    assert pickle.loads(pickle.dumps(settings)) == settings
    assert isinstance(lrp_domains.ATTN_LRP, lrp_domains.RuleSet)
