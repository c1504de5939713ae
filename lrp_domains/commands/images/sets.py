"""The steps of a set of pictures before and after its explanation: check, gather, report."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ..console import say, say_time
from ..grouped import grouped
from . import options as o
from .loading import CHECK_AGAIN, inputs_of, load_explainer

CHECKED = {name: option for name, option in o.MODEL.items() if name != "device"}
REPORT = {
    "title": Annotated[
        str | None, typer.Option(help="Title of the report (default Pixels that decided the predictions).")
    ],
    "examples": Annotated[int | None, typer.Option(min=1, help="Pictures of each kind (default 8).")],
}


@grouped(model=CHECKED, set_of=o.SET, request=o.REQUEST, settings=o.SETTINGS)
def check(
    pictures: o.Pictures,
    out: Annotated[Path, typer.Option(help="The summary to write, .json.")],
    model: dict,
    set_of: dict,
    request: dict,
    settings: dict,
) -> None:
    """Read all pictures of a set and explain the first, before any long computation."""
    from ...domain import Clock, fingerprints, require_space, unchanged, whole_file
    from ...images import check_files

    require_space(out)
    clock = Clock()
    with clock("reading"):
        inputs = inputs_of(pictures, model)
        verify = unchanged(inputs, remedy=CHECK_AGAIN)
    with clock("loading"):
        explainer = load_explainer(model | {"device": "cpu"}, **settings)
    with clock("checking"):
        summary = check_files(pictures, explainer, **set_of, **request)
    with clock("hashing"):
        summary |= {"inputs": fingerprints(inputs)}
        verify()
    with whole_file(out) as temporary:
        temporary.write_text(json.dumps(summary, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    height, width = summary["size"]
    say("pictures", f"{summary['samples']}, as the model sees them {height} x {width}")
    for note, count in summary["notes"].items():
        say("note", f"{count} pictures: {note}")
    say_time(clock)


def gather(
    tables: Annotated[
        list[Path], typer.Argument(help="The tables of all shards in order, with the arrays next to them.")
    ],
    out: Annotated[Path, typer.Option(help="The table to write, .parquet; the arrays go next to it.")],
) -> None:
    """Write the tables and arrays of all shards as one."""
    from ...domain import Clock, arrays_of, gather_parts, require_space, size_on_disk

    require_space(out, sum(size_on_disk(path) for table in tables for path in (table, arrays_of(table))))
    clock = Clock()
    with clock("writing"):
        say("gathered", f"{gather_parts(tables, out)} pictures")
    say_time(clock)


@grouped(page=REPORT)
def report(
    folders: Annotated[list[Path], typer.Argument(help="The sets' folders of results, with explained.parquet.")],
    out: Annotated[Path, typer.Option(help="The .html file to write.")],
    page: dict,
) -> None:
    """Write a report of all sets, with pictures and their relevance, in one file."""
    from ...domain import Clock, require_space
    from ...images import write_report

    require_space(out)
    clock = Clock()
    with clock("writing"):
        write_report(folders, out, **page)
    say("report", str(out.resolve()))
    say_time(clock)
