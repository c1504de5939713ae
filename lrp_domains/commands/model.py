"""The options for which model is explained, of domains whose models are declared, or are those of transformers."""

from typing import Annotated

import typer

from .device import Device

Revision = Annotated[
    str | None, typer.Option(help="Branch, tag or commit of a model on the hub (default: the newest).")
]

MODEL = {
    "model": Annotated[
        str | None,
        typer.Option(
            help="A folder that save_pretrained() wrote, a name on the hub, or a .yaml file that declares a network of "
            "your own (see docs/own_model.md)."
        ),
    ],
    "revision": Revision,
    "allow_code": Annotated[
        bool | None,
        typer.Option(
            "--allow-code",
            help="Run the code that a model comes with, or that a declaration names, which can do whatever you can.",
        ),
    ],
    "allow_pickle": Annotated[
        bool | None,
        typer.Option(
            "--allow-pickle", help="Allow a declared model to be unpickled, which executes any code in its file."
        ),
    ],
    "device": Device,
}
