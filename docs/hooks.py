"""Hooks of the site (.mkdocs.yml): its pages have the paths of the repository, and notebooks are pages."""

from __future__ import annotations

import re
from pathlib import Path
from textwrap import indent

import griffe
import nbformat
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from nbconvert import MarkdownExporter

ROOT = Path(__file__).resolve().parent.parent
RESULTS = "benchmarks/results"
# The pages, and the files that they link to.
SHOWN = (
    "*.md",
    "LICENSE",
    "CITATION.cff",
    "docs/**/*.md",
    "docs/**/*.png",
    f"{RESULTS}/*",
    "configs/*",
    "workflows/schemas/*",
    "workflows/profiles/*/*",
    "lrp_domains/**/*.schema.yaml",
)
# A section whose lines are all flush left: a text, not names or types with their descriptions below.
RETURNED_TEXT = re.compile(r"(?<=^Returns\n-------\n)(?:\S.*(?:\n|\Z))+(?! )", flags=re.MULTILINE)
CODE = re.compile(r"(?:^(?:>>>|\.\.\.) .*(?:\n|\Z))+", flags=re.MULTILINE)


class Notebook(File):
    """A notebook that is shown as a page, at the path of its file."""

    def is_documentation_page(self) -> bool:
        return True


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Add the page of each benchmark to the navigation."""
    (evidence,) = (section["Evidence"] for section in config.nav or () if "Evidence" in section)
    evidence += sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / RESULTS).glob("*.md"))
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Replace the files of docs/ by those of the repository, each at its path in the repository."""
    for file in list(files):
        if file.src_dir == config.docs_dir:
            files.remove(file)
    for path in sorted({path for pattern in SHOWN for path in ROOT.glob(pattern) if path.is_file()}):
        files.append(File.generated(config, path.relative_to(ROOT).as_posix(), abs_src_path=str(path)))
    for path in sorted(ROOT.glob("docs/notebooks/*.ipynb")):
        _append_notebook(files, config, path)
    return files


def _append_notebook(files: Files, config: MkDocsConfig, path: Path) -> None:
    """Convert a notebook to Markdown without executing it, and its figures to files next to it."""
    name = path.relative_to(ROOT).as_posix()
    text, resources = MarkdownExporter().from_notebook_node(nbformat.read(path, as_version=4))
    for figure, data in resources["outputs"].items():
        files.append(File.generated(config, f"docs/notebooks/{path.stem}_{figure}", content=data))
        text = text.replace(f"]({figure})", f"]({path.stem}_{figure})")
    files.append(Notebook.generated(config, name, content=text))


class PlainDocstrings(griffe.Extension):
    """Adapt docstrings where numpydoc allows what griffe or Markdown doesn't."""

    def on_object(self, *, obj: griffe.Object, **_: object) -> None:
        """Indent a text below `Returns`, whose type is that of the signature, and fence code outside of `Examples`."""
        if obj.docstring:
            text = RETURNED_TEXT.sub(lambda match: ":\n" + indent(match[0], "    "), obj.docstring.value)
            if "Examples\n---" not in text:
                text = CODE.sub(lambda match: f"```pycon\n{match[0].rstrip()}\n```\n", text)
            obj.docstring.value = text
