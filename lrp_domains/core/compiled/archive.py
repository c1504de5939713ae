"""A recorded explanation as a file: operations and weights, no code."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.fx import GraphModule

from ..errors import RelevanceError
from ..explained import Explained, tensors_of
from ..ledger import Ledger, Rows
from ..ledger_notes import Remarks
from .archive_safety import code_in
from .backends import backend_of
from .modules import RecordedModules
from .recording import Recording

Tensor = torch.Tensor
_ABOUT = "lrp_domains.json"
_VERSION = 1


@dataclass(frozen=True)
class SavedExplanation:
    """An explanation from a file, for inputs of the shapes that it was recorded for; see `load_compiled`."""

    recording: Recording
    shapes: tuple[tuple[tuple[int, ...], torch.dtype], ...]
    against: bool

    def __call__(
        self, *inputs: Tensor, references: Tensor | Sequence[Tensor] | None = None
    ) -> tuple[Tensor, Explained] | tuple[Tensor, Explained, Ledger]:
        """Return the scores and the relevance, and the ledger if it was compiled with one."""
        others = (references,) if isinstance(references, Tensor) else tuple(references or ())
        tensors = tuple(x.detach().contiguous() for x in (*inputs, *others))
        if (got := tuple((tuple(x.shape), x.dtype) for x in tensors)) != self.shapes:
            expected, others = (", ".join(f"{shape} {dtype}" for shape, dtype in of) for of in (self.shapes, got))
            raise RelevanceError(
                f"the file was saved for tensors of {expected}{' (inputs, then references)' * self.against}, not "
                f"{others}: pad or cut them, or save another file for these shapes"
            )
        results, reason = self.recording.replay(tensors)
        if results is None:
            raise RelevanceError(
                f"what was recorded doesn't hold for these inputs ({reason}): explain them by the model itself, or "
                "save a file with inputs like these"
            )
        score, relevance, rows = results["score"], results["relevance"], self.recording.rest
        if rows is None:
            return score, relevance
        return score, relevance, rows.ledger(results["numbers"], tensors_of(relevance))


def save(recording: Recording, inputs: Sequence[Tensor], file: str | Path, *, against: bool) -> None:
    """Write a recording to a file, whole or not at all."""
    file = Path(file)
    graph = _with_names(recording.graph, recording.modules)
    try:
        with torch.no_grad():
            program = torch.export.export(graph, tuple(inputs))
    except Exception as error:  # torch.export raises many kinds
        raise RelevanceError(
            f"torch.export can't represent this explanation ({type(error).__name__}: {str(error).splitlines()[0]})"
        ) from error
    about = {
        "version": _VERSION,
        "shapes": [[list(x.shape), str(x.dtype).removeprefix("torch.")] for x in inputs],
        "against": against,
        "places": list(recording.places),
        "rows": None if recording.rest is None else _to_json(recording.rest),
    }
    partial = file.with_name(f".{file.name}.{os.getpid()}.pt2")
    try:
        torch.export.save(program, partial, extra_files={_ABOUT: json.dumps(about)})
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def load_compiled(file: str | Path, *, backend: str = "eager") -> SavedExplanation:
    """Load an explanation that `Compiled.save` wrote: a callable like that of `compile`, for one shape of the inputs.

    Parameters
    ----------
    file
        The file. It is data: one that contains code is refused.
    backend
        As in `compile`.

    Raises
    ------
    RelevanceError
        The file isn't one of `Compiled.save`, or contains code. When called: the inputs have other shapes, or the
        explanation takes another branch for them than for those that it was recorded with.

    Examples
    --------
    >>> explain.save("sentiment.pt2", ids, mask)
    >>> score, r = load_compiled("sentiment.pt2")(ids, mask)
    """
    file, extra = Path(file), {_ABOUT: ""}
    if not file.is_file():
        raise RelevanceError(f"'{file}' is not a file")
    try:
        if (code := code_in(file)) is not None:
            raise RelevanceError(f"'{file}' contains {code}, which would be executed: a saved explanation has no code")
        graph = torch.export.load(file, extra_files=extra).module(check_guards=False)
        about = json.loads(extra[_ABOUT])
        version = about["version"]
    except RelevanceError:
        raise
    except Exception as error:  # zip, json and torch raise many kinds
        raise RelevanceError(f"'{file}' is not an explanation that was saved by Compiled.save") from error
    if version != _VERSION:
        raise RelevanceError(f"'{file}' has version {version}, this lrp_domains reads {_VERSION}: save it again")

    rows = None if about["rows"] is None else _from_json(about["rows"])
    run = backend_of(backend).compile(graph)
    shapes = tuple((tuple(shape), getattr(torch, dtype)) for shape, dtype in about["shapes"])
    return SavedExplanation(
        Recording(graph, run, tuple(about["places"]), RecordedModules(), rows), shapes, about["against"]
    )


def _with_names(graph: GraphModule, modules: RecordedModules) -> GraphModule:
    """Return a graph whose weights have the names that the model has for them."""
    names = modules.names()
    root, nodes = nn.Module(), copy.deepcopy(graph.graph)
    for node in nodes.find_nodes(op="get_attr"):
        tensor = getattr(graph, node.target)
        node.target = names.get(id(tensor), node.target)
        *path, name = node.target.split(".")
        parent = root
        for part in path:
            if not hasattr(parent, part):
                parent.add_module(part, nn.Module())
            parent = getattr(parent, part)
        if not hasattr(parent, name):
            if isinstance(tensor, nn.Parameter):
                parent.register_parameter(name, tensor)
            else:
                parent.register_buffer(name, tensor)
    return GraphModule(root, nodes)


def _to_json(rows: Rows) -> dict[str, Any]:
    return asdict(rows) | {"weights": sorted(rows.weights)}


def _from_json(rows: dict[str, Any]) -> Rows:
    remarks = {name: tuple(value) if isinstance(value, list) else value for name, value in rows["remarks"].items()}
    return Rows(rows["inputs"], tuple(rows["leaves"]), frozenset(rows["weights"]), Remarks(**remarks))
