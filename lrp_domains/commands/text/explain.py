"""Explain texts from the command line or from stdin, or all those of a file."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..console import progress, say
from . import options as o
from .loading import explainer_of, key_of


def explain(
    texts: Annotated[list[str] | None, typer.Argument(help="Texts; if none is given, the lines of stdin.")] = None,
    model: o.Model = "",
    file: Annotated[str, typer.Option(help="Explain a whole file: .csv, .tsv, .jsonl, .parquet; or demo.")] = "",
    text_column: o.TextColumn = "text",
    second_column: o.SecondColumn = "",
    label_column: o.LabelColumn = "",
    out: Annotated[Path | None, typer.Option(help="For a file, the table of words to write, .parquet.")] = None,
    out_texts: Annotated[
        Path | None, typer.Option(help="For a file, the table of texts; beside --out, as NAME.texts.parquet.")
    ] = None,
    shard: Annotated[int, typer.Option(help="Explain only this part of a file, from 1.")] = 1,
    shards: Annotated[int, typer.Option(min=1, help="In how many parts the file is cut.")] = 1,
    numbers: Annotated[bool, typer.Option(help="Also print one line a word, with its relevance.")] = False,
    html: o.Html = None,
    target: o.Target = "",
    against: o.Against = "",
    score: o.ScoreOption = o.Score.LOG_ODDS,
    rules: o.RulesOption = o.Rules.ATTN_LRP,
    task: o.Task = "",
    long: o.LongOption = None,
    batch_size: o.BatchSize = 16,
    device: o.Device = "auto",
) -> None:
    """Show which words made a model say so. A file is explained to tables, and goes on where it was interrupted."""
    wanted = o.wanted(target, against)
    settings = {"score": score.value, "long": long and long.value, "batch_size": batch_size, "device": device}

    def load():
        return explainer_of(model, rules=rules.name, task=task, **settings)

    if file:
        if texts or html or numbers:
            raise typer.BadParameter("--file goes with --out; texts, --html and --numbers go without it")
        if out is None:
            raise typer.BadParameter("name the table to write: --out relevance.parquet")
        from ...text.corpora import explain_corpus, read_corpus

        corpus = read_corpus(file, text_column, second_column or None, label_column or None).shard(shard, shards)
        beside = out_texts or out.with_name(f"{out.stem}.texts{out.suffix}")
        explainer = load()
        before = explain_corpus(
            explainer, corpus, out, beside, target=wanted, key=key_of(model, explainer), progress=progress
        )
        say("explained", f"{len(corpus)} texts" + (f", {before} of them by an earlier run" if before else ""))
        return
    if out is not None:
        raise typer.BadParameter("--out is for a --file; use --html for single texts")
    found = load()(texts or _lines(), wanted)
    found.print(numbers)
    if html is not None:
        from ...domain.files import whole_file

        with whole_file(html) as temporary:
            temporary.write_text(found.to_html(), encoding="utf-8")


def _lines() -> list[str]:
    """Read texts from stdin, one a line."""
    lines = [] if sys.stdin.isatty() else [line for line in sys.stdin.read().splitlines() if line.strip()]
    if not lines:
        raise typer.BadParameter("there is no text: give one, or name a --file, or pipe some lines in")
    return lines
