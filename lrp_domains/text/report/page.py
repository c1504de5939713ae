"""The whole page: all corpora, and how to read it."""

from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path

from ...domain import whole_file
from ...domain.page import templates
from ..errors import TextError
from .section import section

PACKAGES = ("lrp_domains", "torch", "transformers", "tokenizers", "pandas")


def write_report(
    folders: Iterable[str | Path],
    path: str | Path,
    *,
    title: str = "Words that decided the predictions",
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
        The title of the page.
    top
        Number of words per class.
    examples
        Number of texts of each kind: most confident, most wrong, closest calls.
    """
    folders = list(folders)
    if not folders:
        raise TextError("there are no results to report")
    page = templates(__package__, "lrp_domains.evaluation").get_template("page.html.j2")
    html = page.render(
        title=title,
        corpora=[section(folder, top, examples) for folder in folders],
        versions={name: version(name.replace("_", "-")) for name in PACKAGES},
    )
    with whole_file(path) as temporary:
        temporary.write_text(html, encoding="utf-8")
