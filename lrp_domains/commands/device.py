"""The option for where a command computes, and the GPU that it holds while others run beside it."""

from typing import Annotated

import typer

from .console import say


def _computing_device(device: str | None) -> str | None:
    """Return the device to compute on; for auto, hold a free GPU until the command ends."""
    if device != "auto":
        return device
    from ..domain.hardware.lease import lease_gpu

    gpu = lease_gpu(waiting=lambda gpus: say("waiting", f"for a free GPU, other processes hold {', '.join(gpus)}"))
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    say("device", f"{device}, {'no GPU is visible' if gpu is None else f'GPU {gpu}'}")
    return device


Device = Annotated[
    str | None,
    typer.Option(
        callback=_computing_device,
        help="Where to compute: cpu, cuda, cuda:N, or auto for a GPU that no other command with auto uses, if there is "
        "one (default: a GPU if there is one).",
    ),
]
