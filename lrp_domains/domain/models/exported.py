"""Networks from torch.export files, which require none of their authors' code."""

import warnings
from pathlib import Path

import torch
from torch import nn

from ...core.compiled.archive_safety import code_in
from ..messages import DomainError, reason


def exported_network(file: Path, allow_pickle: bool = False, unit: str = "samples") -> nn.Module:
    """Load a torch.export file for any number of samples; one that contains code only if pickles are allowed.

    Parameters
    ----------
    file
        The .pt2 file.
    allow_pickle
        Whether it may hold code.
    unit
        What the samples are called in messages.
    """
    try:
        code = code_in(file)
        if code is not None and not allow_pickle:
            raise DomainError(
                f"'{file}' holds {code}, which is executed when it is read; exported networks usually hold no "
                "code; if you trust the file, allow pickles (allow_pickle=True, --allow-pickle; in the workflow "
                "allow_pickle: true)"
            )
        if code is not None:
            warnings.warn(f"'{file}' holds {code}, which is executed", stacklevel=4)
        program = torch.export.load(file)
        network = program.module(check_guards=False)
    except DomainError:
        raise
    except Exception as error:  # zip, json and torch raise many kinds
        raise DomainError(f"'{file}' could not be read as a torch.export file: {reason(error)}") from error

    inputs = _inputs(program)
    if (size := _batch_size(inputs)) is not None:
        several = f", with one entry of dynamic_shapes for each of its {len(inputs)} inputs" if len(inputs) > 1 else ""
        raise DomainError(
            f"'{file}' was exported for batches of exactly {size} {unit}; export it for any number: "
            f"torch.export.export(network, (example,), dynamic_shapes=({{0: torch.export.Dim('{unit}', min=1)}},))"
            + several
        )
    if (operation := _training_operation(program)) is not None:
        raise DomainError(
            f"'{file}' was exported in training mode ('{operation}' is active), in which {unit} change one another's "
            "scores; export network.eval()"
        )
    # An exported graph has the mode in which it was exported, and raises if it is asked for another.
    return ExportedNetwork(network).eval()


def _inputs(program: torch.export.ExportedProgram) -> list[torch.Tensor]:
    """Return the tensors that a graph reads, without values; those of a single number are left out."""
    names = program.graph_signature.user_inputs
    values = [node.meta["val"] for node in program.graph.nodes if node.op == "placeholder" and node.name in names]
    return [value for value in values if isinstance(value, torch.Tensor) and value.ndim]


def _batch_size(inputs: list[torch.Tensor]) -> int | None:
    """Return the number of samples that a graph was exported for; None for any number."""
    return next((size for size in (value.shape[0] for value in inputs) if isinstance(size, int)), None)


def _training_operation(program: torch.export.ExportedProgram) -> str | None:
    """Return the name of an operation that behaves as in training, such as dropout; None without one."""
    for node in program.graph.nodes:
        for index, argument in enumerate(getattr(getattr(node.target, "_schema", None), "arguments", ())):
            value = node.kwargs.get(argument.name, node.args[index] if index < len(node.args) else None)
            if argument.name in ("train", "training") and value is True:
                return node.target._schema.name.rpartition(":")[2]
    return None


class ExportedNetwork(nn.Module):
    """An exported graph as a module whose mode can be set, without effect."""

    def __init__(self, graph: nn.Module) -> None:
        super().__init__()
        object.__setattr__(self, "graph", graph)  # not a child, to which train() and eval() would be passed on
        for name, parameter in graph.named_parameters():
            self.register_parameter(name.replace(".", "_"), parameter)
        for name, buffer in graph.named_buffers():
            self.register_buffer(name.replace(".", "_"), buffer)

    @property
    def operations(self) -> set[str]:
        """The names of the operations of the graph, such as ``aten::linear``."""
        schemas = [getattr(node.target, "_schema", None) for node in self.graph.graph.nodes]
        return {schema.name for schema in schemas if schema is not None}

    def _apply(self, fn, recurse: bool = True) -> "ExportedNetwork":
        """Move the graph, and this view of its weights with it."""
        self.graph._apply(fn, recurse)
        for named, registered in (
            (self.graph.named_parameters(), self._parameters),
            (self.graph.named_buffers(), self._buffers),
        ):
            for name, value in named:
                registered[name.replace(".", "_")] = value
        return self

    def forward(self, *inputs: object, **named: object) -> object:
        """Run the graph."""
        return self.graph(*inputs, **named)
