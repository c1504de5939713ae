"""Dependencies point down only: core <- domain <- genes, text <- command line. Read from the imports themselves."""

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "lrp_domains"
# The folders that each may import from, in addition to itself.
ALLOWED = {
    "core": set(),
    "domain": {"core"},
    "genes": {"core", "domain"},
    "text": {"core", "domain"},
    "workflow_files": set(),
    "commands": {"core", "domain", "genes", "text", "workflow_files"},
    "command_line": {"commands", "domain"},
    "__main__": {"command_line"},
    "__init__": {"core"},
}


def imports(path: Path) -> set[str]:
    """Every module a file imports, in full: ``lrp_domains.core.rule``, ``torch``."""
    found = set()
    package = ["lrp_domains", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            found |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return found


FILES = sorted([*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.pyi")])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_from_below(path):
    part = path.relative_to(PACKAGE).parts[0].split(".")[0]
    assert part in ALLOWED, f"list in ALLOWED what {part} may import"
    parts = {name.split(".")[1] for name in imports(path) if name.startswith("lrp_domains.")}
    known = {entry.name.removesuffix(".py") for entry in PACKAGE.iterdir()}
    for other in parts & known - {part}:
        assert other in ALLOWED[part], f"{path.name} imports from {other}"


# The folders of the core, lowest first: each imports from those before it, and from errors.py, rule.py and warn.py.
CORE = ("graph", "roles", "layers", "rules", "secants", "planning")


@pytest.mark.parametrize("folder", CORE)
def test_a_folder_of_the_core_imports_only_from_below(folder):
    for path in (PACKAGE / "core" / folder).rglob("*.py"):
        parts = {name.split(".")[2] for name in imports(path) if name.startswith("lrp_domains.core.")}
        above = parts - {*CORE[: CORE.index(folder) + 1], "errors", "rule", "warn"}
        assert not above, f"{path.name} imports from {above}"


@pytest.mark.parametrize("path", sorted((PACKAGE / "core").rglob("*.py")), ids=lambda path: path.name)
def test_the_core_imports_only_torch(path):
    others = {name.split(".")[0] for name in imports(path)} - {"lrp_domains", "torch", ""}
    assert others <= set(sys.stdlib_module_names)
