"""The options of the sequences commands, each described once. Their defaults are the library's."""

from pathlib import Path
from typing import Annotated

import typer

from ..choices import RulesOption, ScoreOption
from ..model import MODEL as MODEL
from ..samples import REQUEST as TARGETS
from ..samples import SHARDS as SHARDS

Sequences = Annotated[
    str,
    typer.Argument(help="Sequences (.fa, .fasta), intervals (.bed) or variants (.vcf); or, to show it, a sequence."),
]
SequenceFile = Annotated[Path, typer.Argument(help="Sequences (.fa, .fasta), intervals (.bed) or variants (.vcf).")]

GENOME = {
    "genome": Annotated[Path | None, typer.Option(help="The FASTA file that intervals and variants refer to.")],
}
SET = GENOME | {
    "length": Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Letters around the middle of each interval (default: the interval), or around each variant (default: "
            "as the model declares).",
        ),
    ],
}
REQUEST = TARGETS | {
    "window": Annotated[
        int | None, typer.Option(min=1, help="Letters per window of long sequences (default: they aren't cut).")
    ],
    "stride": Annotated[
        int | None, typer.Option(min=1, help="Letters from one window to the next (default: half a window).")
    ],
}
SETTINGS = {
    "score": ScoreOption,
    "rules": RulesOption,
    "reference": Annotated[
        str | None,
        typer.Option(
            help="Explain the difference from a reference: shuffle (keeps dinucleotides), zeros, N (unknown letters), "
            "mask (of a tokenizer), or none (default none: the score itself)."
        ),
    ],
    "references": Annotated[
        int | None, typer.Option(min=1, help="Shuffles of each sequence, which are averaged (default 10).")
    ],
    "seed": Annotated[int | None, typer.Option(min=0, help="Seed of the shuffles (default 0).")],
    "reverse_complement": Annotated[
        bool | None, typer.Option("--reverse-complement", help="Average the outputs for both strands of DNA.")
    ],
    "batch_size": Annotated[int | None, typer.Option(min=1, help="Sequences explained at once (default 32).")],
}
PAGE = {
    "html": Annotated[Path | None, typer.Option(help="Also write logos and coloured sequences to this .html file.")],
}
TRACKS = {
    "bigwig": Annotated[
        Path | None, typer.Option(help="A track of relevance to write, .bw; the genome has the sizes of chromosomes.")
    ],
    "bedgraph": Annotated[Path | None, typer.Option(help="A track of relevance to write, .bedgraph.")],
    "modisco": Annotated[
        Path | None,
        typer.Option(help="A folder to write sequences.npz and contributions.npz to, which TF-MoDISco reads."),
    ],
}
ASKED = {
    "bigwig": Annotated[bool | None, typer.Option("--bigwig", help="Also check that sequences make a track.")],
    "modisco": Annotated[bool | None, typer.Option("--modisco", help="Also check that TF-MoDISco reads them.")],
}
