"""The whole page: all corpora, and how to read it."""

from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from ...domain.files import whole_file
from ..errors import TextError
from .section import section

PACKAGES = ("lrp_domains", "torch", "transformers", "tokenizers", "pandas")


def write_report(
    folders: Iterable[str | Path],
    path: str | Path,
    *,
    title: str = "Words that made the model say so",
    top: int = 15,
    examples: int = 8,
) -> None:
    """Write one self-contained HTML report of explained corpora.

    Parameters
    ----------
    folders
        The corpora's folders of results, each with ``words.parquet`` and ``texts.parquet``.
    path
        The file to write.
    title
        What the run is called.
    top
        How many words to show for each class.
    examples
        How many texts to show of each kind: most confident, most wrong, closest calls.
    """
    folders = list(folders)
    if not folders:
        raise TextError("there are no results to report")
    templates = Environment(
        loader=PackageLoader("lrp_domains.text.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = templates.get_template("page.html.j2").render(
        title=title,
        corpora=[section(folder, top, examples) for folder in folders],
        versions={name: version(name.replace("_", "-")) for name in PACKAGES},
    )
    with whole_file(path) as temporary:
        temporary.write_text(page, encoding="utf-8")
