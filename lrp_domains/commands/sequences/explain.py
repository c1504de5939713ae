"""Explain a sequence, or all sequences, intervals or variants of a file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from ..console import progress, say, say_time
from ..grouped import grouped
from . import options as o
from .loading import CHECK_AGAIN, inputs_of, key_of, load_explainer, load_sequences


@grouped(
    model=o.MODEL, set_of=o.SET, request=o.REQUEST, settings=o.SETTINGS, shards=o.SHARDS, written=o.WRITTEN
)  # fmt: skip
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
    written: dict,
) -> None:
    """Show which letters decide a model's prediction. A file is explained to files; an interrupted run resumes."""
    if "against" in request and "target" not in request:
        raise typer.BadParameter("--against requires a --target to contrast with it")
    if out is None and (tracks := {*set_of, *shards, *written} - {"html"}):
        raise typer.BadParameter(f"--{min(tracks).replace('_', '-')} is for a file: name the table to write, --out")
    if out is None:
        _show(sequences, load_explainer(model, settings), request, written)
        return

    from ...domain import Clock, Shard, require_space, unchanged
    from ...sequences import explain_file

    require_space(out)
    clock, path = Clock(), Path(sequences)
    with clock("loading"):
        verify = unchanged(
            inputs_of(path, model, set_of), shards.get("check"), required="sequences", remedy=CHECK_AGAIN
        )
        explainer = load_explainer(model, settings)
    with clock("reading"):
        records = load_sequences(path, set_of, explainer)
    with clock("explaining"):
        shard = Shard(shards.get("shard", 1), shards.get("shards", 1))
        how = {name: value for name, value in settings.items() if name != "batch_size"}
        options = {"shard": shard, "verify": verify, "progress": progress, "key": key_of(model, how)}
        before = explain_file(explainer, records, out, **request, **options)
    with clock("writing"):
        _write(out, written, set_of)
    say("explained", f"'{out}'" + (f", {before} sequences by an earlier run" if before else ""))
    say_time(clock)


def _show(letters: str, explainer: Any, request: Mapping[str, Any], written: Mapping[str, Path]) -> None:
    """Print the outcome of one sequence and its strongest letters."""
    from ...domain import whole_file

    asked = {name: value for name, value in request.items() if name in ("target", "against")}
    result = explainer(letters, **asked)
    probability = "" if result.probability is None else f" ({result.probability:.1%})"
    typer.echo(f"predicted {result.prediction}{probability}, explained {result.target}, score {result.score:+.3f}")
    typer.echo(result.top().to_string(index=False))
    if "html" in written:
        with whole_file(written["html"]) as temporary:
            temporary.write_text(result.to_html(), encoding="utf-8")


def _write(out: Path, written: Mapping[str, Path], set_of: Mapping[str, Any]) -> None:
    """Write tracks and pages of explained sequences, as far as they are asked for."""
    from ...domain import whole_file
    from ...sequences import read_explained
    from ...sequences.files import open_fasta

    if not written:
        return
    results = read_explained(out)
    if "html" in written:
        with whole_file(written["html"]) as temporary:
            temporary.write_text(results.to_html(), encoding="utf-8")
    if "bigwig" in written:
        with open_fasta(set_of["genome"]) as genome:
            sizes = {chromosome.name: len(chromosome) for chromosome in genome}
        results.to_bigwig(written["bigwig"], sizes)
    if "bedgraph" in written:
        results.to_bedgraph(written["bedgraph"])
    if "modisco" in written:
        results.to_npz(written["modisco"] / "sequences.npz", written["modisco"] / "contributions.npz")
