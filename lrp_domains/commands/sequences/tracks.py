"""Write tracks of a set of explained sequences, and what TF-MoDISco reads."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ..console import say, say_time
from ..grouped import grouped
from . import options as o


@grouped(genome=o.GENOME, tracks=o.TRACKS)
def tracks(
    explained: Annotated[Path, typer.Argument(help="The table of explained sequences, .parquet.")],
    genome: dict,
    tracks: dict,
) -> None:
    """Write tracks of explained sequences for a genome browser, and their contributions for TF-MoDISco."""
    from ...domain import Clock
    from ...sequences import write_tracks

    if not tracks:
        raise typer.BadParameter("name what to write: --bigwig, --bedgraph, --modisco")
    check_tracks(tracks, genome.get("genome"), explained, explained.with_suffix(".npz"))
    clock = Clock()
    with clock("writing"):
        write_tracks(explained, **genome, **tracks)
    for path in tracks.values():
        say("written", f"'{path}'")
    say_time(clock)


def check_tracks(tracks: Mapping[str, Path], genome: Path | None, *others: Path | None) -> None:
    """Raise, before long work, if tracks can't be written, or would be written over each other or over other files."""
    from ...domain import require_space

    named = [path.resolve() for path in (*tracks.values(), genome, *others) if path is not None]
    for name, path in tracks.items():
        if named.count(path.resolve()) > 1:
            raise typer.BadParameter(f"--{name} '{path}' is another file of this command too: name a new one")
    if "bigwig" in tracks and genome is None:
        raise typer.BadParameter("--bigwig requires the sizes of chromosomes: name the FASTA file, --genome")
    for name, path in tracks.items():
        require_space(path, is_folder=name == "modisco")


def check_sequences(sequences: Sequence[Any], explainer: Any, tracks: Mapping[str, Path]) -> None:
    """Raise, before long work, if no sequence has a place for a track, or are none that TF-MoDISco reads."""
    from ...genomics.sequences import read_by_model
    from ...genomics.tracks import check_contributions, check_lengths, check_places
    from ...sequences.encodings import Tokens

    records = read_by_model(sequences)
    if {"bigwig", "bedgraph"} & set(tracks):
        check_places(records)
    if "modisco" in tracks:
        check_contributions(explainer.alphabet.letters, not isinstance(explainer.encoding, Tokens))
        check_lengths(len(record.letters) for record in records)
