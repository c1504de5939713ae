"""Dependencies point down only: core <- domain <- text, ... <- demos <- command line. Read from the imports."""

import ast
import sys
import tokenize
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "lrp_domains"
# The folders that each may import from, in addition to itself.
ALLOWED = {
    "core": set(),
    "domain": {"core"},
    "evaluation": {"core", "domain"},
    "genes": {"core", "domain", "evaluation"},
    "genomics": {"core", "domain"},
    "images": {"core", "domain", "evaluation"},
    "sequences": {"core", "domain", "evaluation", "genomics"},
    "text": {"core", "domain", "evaluation"},
    "demos": {"core", "domain", "evaluation", "genomics", "images", "sequences", "text"},
    "workflow_files": set(),
    "commands": {
        "core",
        "domain",
        "evaluation",
        "genomics",
        "genes",
        "images",
        "sequences",
        "text",
        "demos",
        "workflow_files",
    },
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


# The folders of a folder, lowest first: each imports from those before it. Those of text are in text/test_rooms.py.
LAYERS = {
    "core": ("graph", "roles", "layers", "rules", "secants", "planning", "compiled"),
    "domain": ("files", "hardware", "models", "explanation", "results", "runs"),
    "genes": ("cohorts", "decoys", "models", "explanation", "training", "rankings", "evaluation", "figures", "report"),
    "genes/cohorts": ("files", "values", "cells"),
    "genes/explanation": ("results", "requests", "cells", "runs", "curves"),
}
# What a folder of the core may import from beside it.
BESIDE = {"errors", "rule", "warn"}


def folders(path: Path) -> set[str]:
    return {entry.parent.name for entry in path.glob("*/__init__.py")}


@pytest.mark.parametrize("path", LAYERS)
def test_every_folder_has_its_place(path):
    assert set(LAYERS[path]) == folders(PACKAGE / path)


@pytest.mark.parametrize(("path", "folder"), [(path, folder) for path in LAYERS for folder in LAYERS[path]])
def test_a_folder_imports_only_from_below(path, folder):
    package = f"lrp_domains.{path.replace('/', '.')}."
    for file in (PACKAGE / path / folder).rglob("*.py"):
        parts = {name.removeprefix(package).split(".")[0] for name in imports(file) if name.startswith(package)}
        above = parts & set(LAYERS[path]) - set(LAYERS[path][: LAYERS[path].index(folder) + 1])
        assert not above, f"{file.name} imports from {above}"


@pytest.mark.parametrize("folder", LAYERS["core"][:-1])
def test_a_folder_of_the_core_imports_nothing_from_beside_it(folder):
    for file in (PACKAGE / "core" / folder).rglob("*.py"):
        parts = {name.split(".")[2] for name in imports(file) if name.startswith("lrp_domains.core.")}
        assert parts <= {*LAYERS["core"], *BESIDE}, file.name


@pytest.mark.parametrize("path", sorted((PACKAGE / "core").rglob("*.py")), ids=lambda path: path.name)
def test_the_core_imports_only_torch(path):
    others = {name.split(".")[0] for name in imports(path)} - {"lrp_domains", "torch", ""}
    assert others <= set(sys.stdlib_module_names)


# Lines of code that an adapter may have, and its commands; genomics, which knows of no explanations, is no adapter.
SMALL = {"images": 600, "sequences": 600, "commands/images": 250, "commands/sequences": 280}
OF_GENOMICS = {"DomainError", "check_whole", "choices", "listed", "reason", "whole_file"}
LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER}
DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def lines_of_code(path: Path) -> int:
    """The lines of a file without docstrings, comments and blank lines."""
    lines = set()
    with tokenize.open(path) as file:
        for token in tokenize.generate_tokens(file.readline):
            if token.type not in LAYOUT:
                lines |= set(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
            lines -= set(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return len(lines)


def test_code_is_counted_without_docstrings_comments_and_blank_lines(tmp_path):
    (tmp_path / "a.py").write_text(
        '"""One\n\ntwo."""\n\n# why\ndef f():\n    """Return."""\n    return (\n        1)\n'
    )
    assert lines_of_code(tmp_path / "a.py") == 3


@pytest.mark.parametrize("folder", SMALL)
def test_an_adapter_is_small(folder):
    assert sum(map(lines_of_code, (PACKAGE / folder).rglob("*.py"))) <= SMALL[folder]


def test_genomics_knows_of_no_explanations():
    """Its files import of the domain layer only messages and files, and no tensors."""
    for path in (PACKAGE / "genomics").rglob("*.py"):
        names = {name for name in imports(path) if name.startswith(("lrp_domains.core", "lrp_domains.domain", "torch"))}
        parts = {".".join(name.split(".")[1:3]) for name in names}
        assert parts <= {"core.warn", "domain", "domain.files", *(f"domain.{name}" for name in OF_GENOMICS)}, path.name
