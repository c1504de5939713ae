"""Explain texts from the command line or from stdin, or all texts of a file."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..console import progress, say
from ..grouped import grouped
from . import options as o
from .loading import key_of, load_corpus, load_explainer

SHOWN = {
    "numbers": Annotated[bool | None, typer.Option("--numbers", help="Also print one line per word.")],
    "html": o.Html,
}
FILE = {
    "file": Annotated[
        str | None,
        typer.Option(help="Explain a whole file: .csv, .tsv, .jsonl, .parquet; or demo for the demo corpus."),
    ],
    "out": Annotated[Path | None, typer.Option(help="For a file, the table of words to write, .parquet.")],
    "out_texts": Annotated[
        Path | None, typer.Option(help="For a file, the table of texts (default: next to --out, NAME.texts.parquet).")
    ],
    "shard": Annotated[int | None, typer.Option(help="Number of the part of the file to explain, from 1 (default 1).")],
    "shards": Annotated[int | None, typer.Option(min=1, help="Number of parts of the file (default 1).")],
}


@grouped(model=o.MODEL, file=FILE, columns=o.COLUMNS, shown=SHOWN, request=o.REQUEST, settings=o.SETTINGS)
def explain(
    texts: Annotated[list[str] | None, typer.Argument(help="Texts (default: the lines of stdin).")] = None,
    *,
    model: dict,
    file: dict,
    columns: dict,
    shown: dict,
    request: dict,
    settings: dict,
) -> None:
    """Show which words decide a model's prediction. A file is explained to tables; an interrupted run resumes."""
    o.check_request(request)
    if "file" in file:
        if texts or shown:
            raise typer.BadParameter("--file requires --out; texts, --html and --numbers can't be used with it")
        if "out" not in file:
            raise typer.BadParameter("name the table to write: --out relevance.parquet")
        corpus = load_corpus(file["file"], columns).shard(file.get("shard", 1), file.get("shards", 1))
        explainer = load_explainer(model, **settings)
        _explain_file(corpus, explainer, model=model["model"], file=file, request=request)
        return

    if "out" in file:
        raise typer.BadParameter("--out is for a --file; use --html for single texts")
    results = load_explainer(model, **settings)(texts or _lines(), **request)
    results.print(shown.get("numbers", False))
    if "html" in shown:
        from ...domain import whole_file

        with whole_file(shown["html"]) as temporary:
            temporary.write_text(results.to_html(), encoding="utf-8")


def _explain_file(corpus, explainer, *, model: str, file: dict, request: dict) -> None:
    from ...text.corpora import explain_corpus

    words = file["out"]
    texts = file.get("out_texts", words.with_name(f"{words.stem}.texts{words.suffix}"))
    options = {"key": key_of(model, explainer), "progress": progress} | request
    before = explain_corpus(explainer, corpus, words=words, texts=texts, **options)
    say("explained", f"{len(corpus)} texts" + (f", {before} of them by an earlier run" if before else ""))


def _lines() -> list[str]:
    """Read texts from stdin, one per line."""
    lines = [] if sys.stdin.isatty() else [line for line in sys.stdin.read().splitlines() if line.strip()]
    if not lines:
        raise typer.BadParameter("there is no text: pass one, name a --file, or pipe lines in")
    return lines
