"""Explain a sequence, or all sequences, intervals or variants of a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ..console import say
from ..grouped import grouped
from ..samples import check_request, outcome_line, refuse, write_html
from . import options as o
from .loading import STEPS, inputs_of, load_explainer, load_sequences
from .tracks import check_tracks


@grouped(
    model=o.MODEL,
    set_of=o.SET,
    request=o.REQUEST,
    settings=o.SETTINGS,
    shards=o.SHARDS,
    page=o.PAGE,
    tracks=o.TRACKS,
)
def explain(
    sequences: o.Sequences,
    out: Annotated[
        Path | None, typer.Option(help="The table to write, .parquet, and the arrays next to it, .npz.")
    ] = None,
    *,
    model: dict,
    set_of: dict,
    request: dict,
    settings: dict,
    shards: dict,
    page: dict,
    tracks: dict,
) -> None:
    """Show which letters decide a model's prediction. A file is explained to files; an interrupted run resumes."""
    check_request(request)
    if out is None:
        of_files = {**set_of, **shards, **tracks, **request}.keys() - {"target", "against"}
        refuse(sorted(of_files), "only for a file: name the table to write, --out")
        _show(sequences, load_explainer(model, settings), request, page)
        return

    from ...sequences import explain_set, read_explained, write_tracks

    path = Path(sequences)
    check_tracks(tracks, set_of.get("genome"), path, out, out.with_suffix(".npz"), page.get("html"))

    def run(explainer: Any, **options: Any) -> int:
        records = load_sequences(path, set_of, explainer, tracks)
        return explain_set(explainer, records, out, key=STEPS.key_of(model), **request, **options)

    STEPS.explain(lambda: inputs_of(path, model, set_of), lambda: load_explainer(model, settings), run, out, shards)
    write_tracks(out, genome=set_of.get("genome"), **tracks)
    if "html" in page:
        write_html(read_explained(out), page["html"])


def _show(letters: str, explainer: Any, request: Mapping[str, Any], page: Mapping[str, Path]) -> None:
    """Print the outcome of one sequence and its strongest letters."""
    if Path(letters).suffix:
        raise typer.BadParameter(f"'{letters}' is a file, not a sequence: name the table to write, --out")
    result = explainer(letters, **request)
    typer.echo(outcome_line(result, "letters"))
    for note in result.notes:
        say("note", note)
    typer.echo(result.top().to_string(index=False))
    if "html" in page:
        write_html(result, page["html"])
