"""Networks from torch.export files, which need no code of their makers."""

import warnings
from pathlib import Path

import torch
from torch import nn

from ..errors import CohortError
from .archive_safety import code_in


def exported_network(file: Path, allow_pickle: bool = False) -> nn.Module:
    """Read a torch.export file for any number of cells; one that holds code only with leave."""
    try:
        code = code_in(file)
        if code is not None and not allow_pickle:
            raise CohortError(
                f"'{file}' holds {code}, which is executed when it is read; other exported networks hold nothing of "
                "the kind; if you trust the file, allow pickles (allow_pickle=True, --allow-pickle)"
            )
        if code is not None:
            warnings.warn(f"'{file}' holds {code}, which is executed", stacklevel=4)
        program = torch.export.load(file)
        network = program.module(check_guards=False)
    except CohortError:
        raise
    except Exception as error:  # zip, json and torch raise many kinds
        raise CohortError(
            f"'{file}' could not be read as a torch.export file: {(str(error) or repr(error)).splitlines()[0]}"
        ) from error
    cells = _cells_at_once(program)
    if cells is not None:
        raise CohortError(
            f"'{file}' was exported for batches of exactly {cells} cells; export it for any number: "
            "torch.export.export(network, (example,), dynamic_shapes=({0: torch.export.Dim('cells', min=1)},))"
        )
    if (training := _training(program)) is not None:
        raise CohortError(
            f"'{file}' was exported in training mode ('{training}' is active), in which cells change one another's "
            "scores; export network.eval()"
        )
    # An exported graph is of one mode, in which it was exported, and refuses to be asked for another.
    return ExportedNetwork(network)


def _cells_at_once(program: torch.export.ExportedProgram) -> int | None:
    """Give the number of cells that a graph was exported for, None for any number."""
    given = program.graph_signature.user_inputs
    values = [node.meta["val"] for node in program.graph.nodes if node.op == "placeholder" and node.name in given]
    sizes = [value.shape[0] for value in values if isinstance(value, torch.Tensor) and value.ndim]
    return next((size for size in sizes if isinstance(size, int)), None)


def _training(program: torch.export.ExportedProgram) -> str | None:
    """Name an operation that behaves as in training, such as dropout; None if there is none."""
    for node in program.graph.nodes:
        for place, argument in enumerate(getattr(getattr(node.target, "_schema", None), "arguments", ())):
            given = node.kwargs.get(argument.name, node.args[place] if place < len(node.args) else None)
            if argument.name in ("train", "training") and given is True:
                return node.target._schema.name.rpartition(":")[2]
    return None


class ExportedNetwork(nn.Module):
    """An exported graph as a module whose mode can be set, to no effect."""

    def __init__(self, graph: nn.Module) -> None:
        super().__init__()
        object.__setattr__(self, "graph", graph)  # not a child: train() and eval() would be handed on to it
        for name, parameter in graph.named_parameters():
            self.register_parameter(name.replace(".", "_"), parameter)
        for name, buffer in graph.named_buffers():
            self.register_buffer(name.replace(".", "_"), buffer)

    def _apply(self, fn, recurse: bool = True) -> "ExportedNetwork":
        """Move the graph, and this view of its weights with it."""
        self.graph._apply(fn, recurse)
        for kind, kept in (
            (self.graph.named_parameters(), self._parameters),
            (self.graph.named_buffers(), self._buffers),
        ):
            for name, value in kind:
                kept[name.replace(".", "_")] = value
        return self

    def forward(self, expression: torch.Tensor) -> object:
        """Run the graph."""
        return self.graph(expression)
