"""The site documents every public name, and builds strictly: a broken link, anchor or reference fails."""

import ast
import importlib
import inspect
import re
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
MODULES = [
    name
    for name in (
        "lrp_domains",
        "lrp_domains.text",
        "lrp_domains.genes",
        "lrp_domains.genes.figures",
        "lrp_domains.images",
        "lrp_domains.sequences",
        "lrp_domains.domain",
        "lrp_domains.evaluation",
        "lrp_domains.evaluation.rivals",
        "lrp_domains.sequences",
        "lrp_domains.demos.images",
        "lrp_domains.demos.sequences",
        "lrp_domains.demos.text",
        "lrp_domains.text.evaluation",
        "lrp_domains.genes.evaluation",
    )
    if find_spec(name) is not None
]


def documented() -> list[Any]:
    """Return the objects that the pages of the reference render."""
    pages = (page.read_text() for page in (ROOT / "docs/api").glob("*.md"))
    paths = [path for page in pages for path in re.findall(r"^::: (\S+)$", page, flags=re.MULTILINE)]
    return [getattr(importlib.import_module(module), name) for module, _, name in (p.rpartition(".") for p in paths)]


def described_constants() -> set[str]:
    """Return the names of constants of the package that a docstring follows."""
    return {
        assignment.targets[0].id
        for path in (ROOT / "lrp_domains").rglob("*.py")
        for assignment, text in pairwise(ast.parse(path.read_text()).body)
        if isinstance(assignment, ast.Assign) and isinstance(assignment.targets[0], ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
    }


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_is_documented(module):
    public, pages, constants = importlib.import_module(module), documented(), described_constants()
    for name in public.__all__:
        value = getattr(public, name)
        if inspect.ismodule(value):  # its own names are checked
            assert value.__name__ in MODULES
            continue
        assert any(value is other for other in pages), f"add ::: {module}.{name} to a page of docs/api"

        is_constant = not inspect.isclass(value) and not inspect.isroutine(value)
        assert name in constants if is_constant else value.__doc__, f"{module}.{name} has no docstring"


@pytest.mark.slow
def test_the_site_builds(tmp_path):
    for name in ("mkdocs", "material", "mkdocstrings", "nbconvert"):
        pytest.importorskip(name)
    from mkdocs.commands.build import build
    from mkdocs.config import load_config

    build(load_config(str(ROOT / ".mkdocs.yml"), strict=True, site_dir=str(tmp_path)))
    assert (tmp_path / "docs/notebooks/sentiment_words/index.html").exists()
