"""Explain pictures from the command line, or all pictures of a set."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ..console import say
from ..grouped import grouped
from . import options as o
from .loading import STEPS, inputs_of, key_of, load_explainer


@grouped(model=o.MODEL, set_of=o.SET, request=o.REQUEST, settings=o.SETTINGS, shards=o.SHARDS, shown=o.SHOWN)
def explain(
    pictures: o.PicturesOrSet,
    out: Annotated[
        Path | None,
        typer.Option(help="Explain a set to this table, .parquet, and to the arrays next to it, .npz."),
    ] = None,
    *,
    model: dict,
    set_of: dict,
    request: dict,
    settings: dict,
    shards: dict,
    shown: dict,
) -> None:
    """Show which pixels decide a model's prediction. A set is explained to files; an interrupted run resumes."""
    from ...domain import require_space

    if "against" in request and "target" not in request:
        raise typer.BadParameter("--against requires a --target to contrast with it")
    unsuitable = shown if out is not None else {**set_of, **shards}
    if unsuitable:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in unsuitable)
        raise typer.BadParameter(f"{names}: leave out with --out" if out else f"{names}: only for a set, with --out")
    if out is None:
        for path in pictures:
            if path.is_dir() or path.suffix in (".csv", ".tsv"):
                raise typer.BadParameter(f"'{path}' is a set: name the table to write, --out")
        if "html" in shown:
            require_space(shown["html"])
        if "drawings" in shown:
            require_space(shown["drawings"], is_folder=True)
        _show(pictures, load_explainer(model, **settings), request, shown)
    else:
        _explain_set(pictures, out, model=model, request=request, settings=settings, shards=shards, set_of=set_of)


def _show(pictures: Sequence[Path], explainer: Any, request: Mapping[str, Any], shown: Mapping[str, Path]) -> None:
    """Print the outcome of each picture, and write drawings and a page as far as they are asked for."""
    from ...domain import whole_file

    results = explainer([str(path) for path in pictures], **request)
    for result in results:
        probability = "" if result.probability is None else f" ({result.probability:.1%})"
        reference = "" if result.reference_score is None else f", of the reference {result.reference_score:+.3f}"
        parts = f"score {result.score:+.3f}{reference}, pixels {result.units:+.3f}, rest {result.rest:+.3f}"
        typer.echo(f"{result.name}: predicted {result.prediction}{probability}, explained {result.target}, {parts}")
        for note in result.notes:
            say("note", f"{result.name}: {note}")
    if "html" in shown:
        with whole_file(shown["html"]) as temporary:
            temporary.write_text(results.to_html(), encoding="utf-8")
    for number, result in enumerate(results if "drawings" in shown else ()):
        with whole_file(shown["drawings"] / f"{number}_{Path(result.name).stem}.png") as temporary:
            result.to_image(over=False).save(temporary, "png")


def _explain_set(
    pictures: Sequence[Path], out: Path, *, model: dict, request: dict, settings: dict, shards: dict, set_of: dict
) -> None:
    from ...images import explain_files

    if len(pictures) > 1:
        raise typer.BadParameter("--out is for one set: name a folder of pictures, or a table")

    def run(explainer: Any, **options: Any) -> int:
        return explain_files(pictures[0], explainer, out, key=key_of(model), **set_of, **request, **options)

    STEPS.explain(lambda: inputs_of(pictures[0], model), lambda: load_explainer(model, **settings), run, out, shards)
