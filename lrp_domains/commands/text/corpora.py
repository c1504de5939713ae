"""The steps of a corpus around its explanation: check, gather, words, report."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ..console import say
from . import options as o
from .loading import explainer_of


def check(
    corpus: o.Corpus,
    model: o.Model,
    out: Annotated[Path, typer.Option(help="What was found, as .json.")],
    text_column: o.TextColumn = "text",
    second_column: o.SecondColumn = "",
    label_column: o.LabelColumn = "",
    target: o.Target = "",
    against: o.Against = "",
    task: o.Task = "",
) -> None:
    """Look at a corpus and its model from end to end before any computing."""
    from ...domain.files import whole_file
    from ...text.corpora import check_corpus, read_corpus

    texts = read_corpus(corpus, text_column, second_column or None, label_column or None)
    found = check_corpus(texts, explainer_of(model, task=task, device="cpu"), o.wanted(target, against))
    with whole_file(out) as temporary:
        temporary.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    say("corpus", f"{found['texts']} texts, the longest of {found['tokens_of_the_longest']} tokens")


def gather(
    tables: Annotated[list[Path], typer.Argument(help="Tables of one kind, in order, as 'text explain' writes them.")],
    out: Annotated[Path, typer.Option(help="The table to write, .parquet.")],
) -> None:
    """Put the tables of several shards one below the other."""
    from ...text.corpora import gather

    say("gathered", f"{gather(tables, out)} rows")


def words(
    table: Annotated[Path, typer.Argument(help="The table of words, as 'text explain' writes it.")],
    texts: Annotated[Path, typer.Option(help="The table of texts that belongs to it.")],
    out: Annotated[Path, typer.Option(help="The table of each class's words to write, .tsv.")],
    top: o.Top = 20,
    fewest: Annotated[int, typer.Option(min=1, help="In how many texts of a class a word must occur.")] = 2,
) -> None:
    """Rank the words of each class by their relevance over a corpus."""
    from ...domain.files import whole_file
    from ...text import class_words
    from ...text.corpora import read_texts, read_words

    found = class_words(read_words(table), read_texts(texts), top=top, fewest=fewest)
    found["examples"] = found["examples"].map(" | ".join)
    with whole_file(out) as temporary:
        found.to_csv(temporary, sep="\t", index=False, float_format="%.6g")


def report(
    folders: Annotated[list[Path], typer.Argument(help="The corpora's folders of results.")],
    out: Annotated[Path, typer.Option(help="The .html file to write.")],
    title: Annotated[str, typer.Option(help="What the run is called.")] = "Words that made the model say so",
    top: o.Top = 15,
    examples: Annotated[int, typer.Option(min=1, help="Texts shown of each kind.")] = 8,
) -> None:
    """Write a report of all corpora with coloured texts and tables of words, in one file."""
    from ...text.report import write_report

    write_report(folders, out, title=title, top=top, examples=examples)
    say("report", str(out.resolve()))
