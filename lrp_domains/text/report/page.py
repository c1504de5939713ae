"""The whole page: all corpora, and how to read it."""

from collections.abc import Iterable
from pathlib import Path

from ...domain.page import write_page
from ..errors import TextError
from .section import section

LIBRARIES = ("lrp_domains", "torch", "transformers", "tokenizers", "pandas")


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
    corpora = [section(folder, top, examples) for folder in folders]
    packages = (__package__, "lrp_domains.evaluation")
    write_page(path, "page.html.j2", packages, libraries=LIBRARIES, title=title, corpora=corpora)
