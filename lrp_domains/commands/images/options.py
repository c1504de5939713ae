"""The options of the images commands, each described once. Their defaults are the library's."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ..choices import PrecisionOption, ScoreOption
from ..model import MODEL as MODEL_AND_DEVICE
from ..samples import REQUEST as TARGETS
from ..samples import SHARDS as SHARDS

Rules = Literal[
    "attn-lrp",
    "cp-lrp",
    "mamba-lrp",
    "gim",
    "epsilon",
    "epsilon-plus",
    "epsilon-plus-flat",
    "epsilon-gamma-box",
    "epsilon-alpha2-beta1-flat",
    "gamma",
    "alpha-beta",
    "deep-taylor",
    "gradient",
    "secant",
    "secant-half",
]
_SET = "A folder of pictures, or a table (.csv, .tsv) with a column path, relative to it, and perhaps label"
Pictures = Annotated[Path, typer.Argument(help=f"{_SET}.")]
PicturesOrSet = Annotated[list[Path], typer.Argument(help=f"Pictures. With --out: {_SET[0].lower()}{_SET[1:]}.")]

MODEL = MODEL_AND_DEVICE | {
    "text": Annotated[
        list[str] | None,
        typer.Option(help="For CLIP and its kin, a text that is one of the classes; give it once for each."),
    ],
}
SET = {
    "label_column": Annotated[
        str | None, typer.Option(help="The column of the table with the labels (default label, if there is one).")
    ],
    "mask_column": Annotated[
        str | None,
        typer.Option(
            help="The column of the table with a file per picture that has the number of each pixel's segment, .png or "
            ".npy; 'segments' sums their relevance (default: no masks)."
        ),
    ],
}
REQUEST = TARGETS | {
    "reference": Annotated[
        str | None,
        typer.Option(
            help="Explain the difference from a reference: black, white, blur, mean (of channels), or the file of a "
            "picture (default: none, the score itself)."
        ),
    ],
}
SETTINGS = {
    "score": ScoreOption,
    "rules": Annotated[
        Rules | None, typer.Option(help="The rule set (default: attn-lrp, or secant with a reference).")
    ],
    "precision": PrecisionOption,
    "batch_size": Annotated[int | None, typer.Option(min=1, help="Pictures explained at once (default 16).")],
}
SHOWN = {
    "html": Annotated[Path | None, typer.Option(help="Write the pictures and their relevance to this .html file.")],
    "drawings": Annotated[Path | None, typer.Option(help="Write a drawing of each picture, .png, to this folder.")],
}
