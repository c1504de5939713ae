"""Explain texts from the command line or from stdin, or all texts of a file."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ..console import progress, say, say_time
from ..grouped import grouped
from . import options as o
from .loading import CHECK_AGAIN, inputs_of, key_of, load_corpus, load_explainer, on_error

SHOWN = {
    "numbers": Annotated[bool | None, typer.Option("--numbers", help="Also print one line per word.")],
    "html": o.Html,
    "json": Annotated[Path | None, typer.Option(help="Also write everything to this .json file.")],
}
FILE = {
    "file": o.File,
    "out": Annotated[Path | None, typer.Option(help="For a file, the table of words to write, .parquet.")],
    "out_texts": Annotated[
        Path | None, typer.Option(help="For a file, the table of texts (default: next to --out, NAME.texts.parquet).")
    ],
    "check": Annotated[
        Path | None,
        typer.Option(help="For a file, the .json of 'text check': stop if the file or the model has changed since."),
    ],
    "shard": Annotated[int | None, typer.Option(help="Number of the part of the file to explain, from 1 (default 1).")],
    "shards": Annotated[int | None, typer.Option(min=1, help="Number of parts of the file (default 1).")],
}

SUFFIXES = {"html": ".html", "json": ".json"}


@grouped(
    model=o.MODEL,
    single=o.SINGLE,
    file=FILE,
    columns=o.COLUMNS,
    shown=SHOWN,
    request=o.REQUEST,
    settings=o.SETTINGS,
)
def explain(
    texts: Annotated[list[str] | None, typer.Argument(help="Texts (default: the lines of stdin).")] = None,
    *,
    model: dict,
    single: dict,
    file: dict,
    columns: dict,
    shown: dict,
    request: dict,
    settings: dict,
) -> None:
    """Show which words decide a model's prediction. A file is explained to tables; an interrupted run resumes."""
    o.check_request(request)
    _check_files(shown | file)
    if "file" in file:
        if texts or shown or single:
            _refuse("texts or options of single texts", "a --file", texts=texts, **shown, **single)
        if "out" not in file:
            raise typer.BadParameter("name the table to write: --out relevance.parquet")
        _explain_file(model=model, file=file, columns=columns, request=request, settings=settings)
        return

    if "out" in file:
        raise typer.BadParameter("--out is for a --file; use --html or --json for single texts")
    if columns or file:
        _refuse("options of a file", "single texts: name a --file", **file, **columns)
    texts = texts or _lines()
    if "continuation" in single or "generate" in single:
        _continue(texts, model, single=single, shown=shown, request=request, settings=settings)
        return

    items = _items(texts, single)
    if "at" in single:
        request["at"] = o.place(single["at"])
    results = load_explainer(model, **settings)(items, **request)
    results.print(shown.get("numbers", False))
    _write(shown, html=results.to_html, values=results.to_dict)


def _explain_file(*, model: dict, file: dict, columns: dict, request: dict, settings: dict) -> None:
    from ...domain import Clock, require_space, unchanged
    from ...text.corpora import explain_corpus
    from ...text.corpora.tables import count_skipped

    words = file["out"]
    texts = file.get("out_texts", words.with_name(f"{words.stem}.texts{words.suffix}"))
    for path in (words, texts):
        require_space(path)
    clock = Clock()
    with clock("reading"):
        # Before anything is read, so that a change from then on is noticed.
        verify = unchanged(inputs_of(file["file"], model), file.get("check"), required="corpus", remedy=CHECK_AGAIN)
        options = {"key": key_of(model), "progress": progress, "verify": verify} | request | on_error(columns)
        corpus = load_corpus(file["file"], columns).shard(file.get("shard", 1), file.get("shards", 1))
    with clock("loading"):
        explainer = load_explainer(model, **settings)

    before = explain_corpus(explainer, corpus, words=words, texts=texts, **options)
    skipped = count_skipped(texts)
    message = f"{len(corpus) - skipped} texts" + (f" ({skipped} skipped)" if skipped else "")
    say("explained", message + (f", {before} of {len(corpus)} by an earlier run" if before else ""))
    say_time(f"{clock}, {explainer.clock}")


def _continue(texts: Sequence[str], model: dict, *, single: dict, shown: dict, request: dict, settings: dict) -> None:
    """Explain each token of what the model generates after each text, or of a given continuation."""
    others = {name: value for name, value in single.items() if name not in ("continuation", "generate")}
    if others or request:
        _refuse("other targets", "--continuation or --generate", **others, **request)
    if len(single) == 2:
        raise typer.BadParameter("--continuation and --generate exclude each other")

    from ...text.results.html import continuations

    explainer = load_explainer(model, **settings)
    options = {"longest": single["generate"]} if "generate" in single else {"continuation": single["continuation"]}
    results = [explainer.continuation(text, **options) for text in texts]
    for result in results:
        result.print(shown.get("numbers", False))
    _write(shown, html=lambda: continuations(results), values=lambda: [result.to_dict() for result in results])


def _items(texts: Sequence[str], single: dict) -> list:
    """Return texts, pairs of texts, or texts with their choices."""
    if "choice" in single:
        if "second" in single:
            raise typer.BadParameter("--second and --choice exclude each other")
        return [(text, single["choice"]) for text in texts]
    if "second" not in single:
        return list(texts)

    seconds = single["second"]
    if len(seconds) not in (1, len(texts)):
        raise typer.BadParameter(
            f"--second was given {len(seconds)} times for {len(texts)} texts: give it once for each text, "
            "or once for all"
        )
    seconds = seconds if len(seconds) == len(texts) else [*seconds] * len(texts)
    return list(zip(texts, seconds, strict=True))


def _check_files(options: dict) -> None:
    """Raise for a file to write whose name ends otherwise; report folders that will be made."""
    for name, suffix in SUFFIXES.items():
        if name in options and options[name].suffix != suffix:
            raise typer.BadParameter(f"--{name} {options[name]}: expected a name that ends in {suffix}")

    paths = [options[name] for name in ("out", "out_texts", *SUFFIXES) if name in options]
    for folder in sorted({path.absolute().parent for path in paths}):
        if not folder.exists():
            say("folder", f"'{folder}' doesn't exist and will be made")


def _write(shown: dict, *, html: Any, values: Any) -> None:
    """Write the results to files, as far as they are asked for."""
    from ...domain import whole_file

    if "html" in shown:
        with whole_file(shown["html"]) as temporary:
            temporary.write_text(html(), encoding="utf-8")
    if "json" in shown:
        with whole_file(shown["json"]) as temporary:
            temporary.write_text(json.dumps(values(), ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _refuse(what: str, where: str, **options: Any) -> None:
    """Raise for options that can't be used together."""
    names = ["texts" if name == "texts" else f"--{name.replace('_', '-')}" for name, value in options.items() if value]
    raise typer.BadParameter(f"{what} can't be used with {where}: leave out {', '.join(names)}")


def _lines() -> list[str]:
    """Read texts from stdin, one per line."""
    lines = [] if sys.stdin.isatty() else [line for line in sys.stdin.read().split("\n") if line.strip()]
    if not lines:
        raise typer.BadParameter("there is no text: pass one, name a --file, or pipe lines in")
    return lines
