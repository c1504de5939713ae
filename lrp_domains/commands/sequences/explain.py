"""Explain a sequence, or all sequences, intervals or variants of a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ..grouped import grouped
from . import options as o
from .loading import STEPS, inputs_of, key_of, load_explainer, load_sequences
from .tracks import check_sequences, check_tracks


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
    if "against" in request and "target" not in request:
        raise typer.BadParameter("--against requires a --target to contrast with it")
    if out is None:
        if of_files := {*set_of, *shards, *tracks, *request} - {"target", "against"}:
            name = min(of_files).replace("_", "-")
            raise typer.BadParameter(f"--{name} is for a file: name the table to write, --out")
        _show(sequences, load_explainer(model, settings), request, page)
        return

    from ...sequences import explain_file, read_explained, write_tracks

    path = Path(sequences)
    check_tracks(tracks, set_of.get("genome"), path, out, out.with_suffix(".npz"), page.get("html"))

    def run(explainer: Any, **options: Any) -> int:
        records = load_sequences(path, set_of, explainer)
        check_sequences(records, explainer, tracks)
        return explain_file(explainer, records, out, key=key_of(model, settings), **request, **options)

    STEPS.explain(lambda: inputs_of(path, model, set_of), lambda: load_explainer(model, settings), run, out, shards)
    write_tracks(out, genome=set_of.get("genome"), **tracks)
    if "html" in page:
        _write_page(read_explained(out), page["html"])


def _show(letters: str, explainer: Any, request: Mapping[str, Any], page: Mapping[str, Path]) -> None:
    """Print the outcome of one sequence and its strongest letters."""
    if Path(letters).suffix:
        raise typer.BadParameter(f"'{letters}' is a file, not a sequence: name the table to write, --out")
    asked = {name: value for name, value in request.items() if name in ("target", "against")}
    result = explainer(letters, **asked)
    probability = "" if result.probability is None else f" ({result.probability:.1%})"
    typer.echo(f"predicted {result.prediction}{probability}, explained {result.target}, score {result.score:+.3f}")
    typer.echo(result.top().to_string(index=False))
    if "html" in page:
        _write_page(result, page["html"])


def _write_page(explained: Any, path: Path) -> None:
    from ...domain import whole_file

    with whole_file(path) as temporary:
        temporary.write_text(explained.to_html(), encoding="utf-8")
