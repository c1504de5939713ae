"""The steps of a corpus before and after its explanation: check, gather, words, report."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ..console import say, say_time
from ..grouped import grouped
from . import options as o
from .loading import CHECK_AGAIN, inputs_of, load_corpus, load_explainer, on_error

CHECKED = {name: option for name, option in o.MODEL.items() if name != "device"}

WORDS = {
    "top": Annotated[int | None, typer.Option(min=1, max=100, help="Words per class (default 20).")],
    "fewest": Annotated[
        int | None, typer.Option(min=1, help="Number of texts of a class that a word must occur in (default 2).")
    ],
}
REPORT = {
    "title": Annotated[
        str | None, typer.Option(help="Title of the report (default Words that decided the predictions).")
    ],
    "top": Annotated[int | None, typer.Option(min=1, max=100, help="Words per class (default 15).")],
    "examples": Annotated[int | None, typer.Option(min=1, help="Texts of each kind (default 8).")],
}


@grouped(model=CHECKED, columns=o.COLUMNS, request=o.REQUEST, settings=o.SETTINGS)
def check(
    corpus: o.Corpus,
    out: Annotated[Path, typer.Option(help="The summary to write, .json.")],
    model: dict,
    columns: dict,
    request: dict,
    settings: dict,
) -> None:
    """Check a corpus and its model from end to end before any long computation."""
    o.check_request(request)
    from ...domain import Clock, fingerprints, require_space, unchanged, whole_file
    from ...text.corpora import check_corpus

    require_space(out)
    clock = Clock()
    with clock("reading"):
        inputs = inputs_of(corpus, model)
        verify = unchanged(inputs, remedy=CHECK_AGAIN)
        texts = load_corpus(corpus, columns)
    with clock("loading"):
        explainer = load_explainer(model | {"device": "cpu"}, **settings)
    with clock("checking"):
        summary = check_corpus(explainer, texts, **request, **on_error(columns))
    with clock("hashing"):
        summary |= {"inputs": fingerprints(inputs)}
        verify()
    with whole_file(out) as temporary:
        temporary.write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    say("corpus", f"{summary['texts']} texts, the longest of {summary['tokens_of_the_longest']} tokens")
    if summary["skipped"]:
        say("skipped", f"{summary['skipped']} texts, such as {summary['errors'][0]}", "bold yellow")
    say_time(clock)


def gather(
    tables: Annotated[list[Path], typer.Argument(help="The tables of all shards in order, as 'text explain' writes.")],
    out: Annotated[Path, typer.Option(help="The table to write, .parquet: of words, if --out-texts is given.")],
    out_texts: Annotated[
        Path | None, typer.Option(help="The table of texts to write, .parquet, where tables of both kinds are given.")
    ] = None,
) -> None:
    """Write the tables of all shards as one, of words, of texts or of both."""
    from ...domain import Clock, require_space, size_on_disk
    from ...text.corpora import gather
    from ...text.corpora.tables import is_of_texts

    of_texts = [table for table in tables if out_texts is not None and is_of_texts(table)]
    others = [table for table in tables if table not in of_texts]
    outputs = [(others, out, "rows")] + ([(of_texts, out_texts, "texts")] if out_texts is not None else [])
    for paths, path, _ in outputs:
        require_space(path, sum(map(size_on_disk, paths)))
    clock = Clock()
    with clock("writing"):
        for paths, path, what in outputs:
            say("gathered", f"{gather(paths, path)} {what}")
    say_time(clock)


@grouped(ranking=WORDS)
def words(
    table: Annotated[Path, typer.Argument(help="The table of words, as 'text explain' writes it.")],
    texts: Annotated[Path, typer.Option(help="The table of texts of the same corpus.")],
    out: Annotated[Path, typer.Option(help="The table to write, with the words of each class, .tsv.")],
    ranking: dict,
) -> None:
    """Rank the words of each class by their relevance over a corpus."""
    from ...domain import Clock, require_space
    from ...domain.files.tsv import write_tsv
    from ...text.corpora import rank_words

    require_space(out)
    clock = Clock()
    with clock("ranking"):
        ranked = rank_words(table, texts, **ranking)
    ranked["examples"] = ranked["examples"].map(" | ".join)
    write_tsv(ranked, out, float_format="%.6g")
    say_time(clock)


@grouped(page=REPORT)
def report(
    folders: Annotated[list[Path], typer.Argument(help="The corpora's folders of results.")],
    out: Annotated[Path, typer.Option(help="The .html file to write.")],
    page: dict,
) -> None:
    """Write a report of all corpora with coloured texts and tables of words, in one file."""
    from ...domain import Clock, require_space
    from ...text.report import write_report

    require_space(out)
    clock = Clock()
    with clock("writing"):
        write_report(folders, out, **page)
    say("report", str(out.resolve()))
    say_time(clock)
