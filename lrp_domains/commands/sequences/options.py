"""The options of the sequences commands, each described once. Their defaults are the library's."""

from pathlib import Path
from typing import Annotated

import typer

from ..choices import RulesOption, ScoreOption
from ..model import MODEL as MODEL

Sequences = Annotated[
    str,
    typer.Argument(help="Sequences (.fa, .fasta), intervals (.bed) or variants (.vcf); or, to show it, a sequence."),
]
SequenceFile = Annotated[Path, typer.Argument(help="Sequences (.fa, .fasta), intervals (.bed) or variants (.vcf).")]
Seed = Annotated[int | None, typer.Option(help="Seed of weights, sequences and their order (default 0).")]
Quick = Annotated[bool | None, typer.Option("--quick", help="Train for a few seconds, to try the commands.")]

SET = {
    "genome": Annotated[Path | None, typer.Option(help="The FASTA file that intervals and variants refer to.")],
    "length": Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Letters around the middle of each interval (default: the interval), or around each variant (default: "
            "as the model declares).",
        ),
    ],
}
REQUEST = {
    "target": Annotated[
        str | None, typer.Option(help="The class to explain, by name or number (default: the predicted one).")
    ],
    "against": Annotated[
        str | None,
        typer.Option(
            help="A class to contrast the target with: the difference of their logits is explained (default: none)."
        ),
    ],
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
SHARDS = {
    "check": Annotated[
        Path | None,
        typer.Option(help="The .json of 'sequences check': stop if the sequences or the model have changed since."),
    ],
    "shard": Annotated[int | None, typer.Option(help="Number of the part of the set to explain, from 1 (default 1).")],
    "shards": Annotated[int | None, typer.Option(min=1, help="Number of parts of the set (default 1).")],
}
WRITTEN = {
    "html": Annotated[Path | None, typer.Option(help="Also write logos and coloured sequences to this .html file.")],
    "bigwig": Annotated[
        Path | None, typer.Option(help="Also write a track of relevance, .bw; the genome has the sizes of chromosomes.")
    ],
    "bedgraph": Annotated[Path | None, typer.Option(help="Also write a track of relevance, .bedgraph.")],
    "modisco": Annotated[
        Path | None,
        typer.Option(help="Also write sequences.npz and contributions.npz to this folder, which TF-MoDISco reads."),
    ],
}
