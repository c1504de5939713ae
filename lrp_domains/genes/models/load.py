"""Models from files: trained here, or declared in a .yaml file."""

import json
import warnings
from importlib import import_module, resources
from pathlib import Path

import torch
import yaml
from jsonschema import Draft202012Validator
from torch import nn

from ..errors import CohortError, choices, listed
from .files import load_trained
from .import_path import on_the_path
from .model import GeneModel, gene_model
from .rank_tokens import RankTokens
from .reading import read_matrix

PICKLES = (".pt", ".pth", ".pkl")


def load_model(path: str | Path, *, allow_pickle: bool = False) -> GeneModel:
    """Load a model.

    Parameters
    ----------
    path
        A file that `save_model` wrote (``.pt``), or a declaration (``.yaml``) of a network of your own: what it is,
        what it expects and what it gives; every key is described in ``models/declaration.schema.yaml``.
    allow_pickle
        Whether a declared network may be unpickled, which executes whatever code its file holds.

    Raises
    ------
    CohortError
        What is wrong with the file, or with what it declares.

    Examples
    --------
    A file ``model.yaml``::

        network: classifier.pt2          # torch.export.save(torch.export.export(...), "classifier.pt2")
        genes: genes.txt
        classes: [healthy, tumour]
        layer: counts
        normalisation: log1p_cp10k

    >>> relevance(adata, load_model("model.yaml"))
    """
    path = Path(path)
    if path.suffix not in (".yaml", ".yml"):
        return load_trained(path)
    if not path.is_file():
        raise CohortError(f"there is no file '{path}'")
    declared = _declaration(path)
    genes = _genes(declared["genes"], path)
    network = _network(declared, path, allow_pickle)
    tokens = declared.get("rank_tokens")
    return gene_model(
        network,
        genes,
        [str(one) for one in declared["classes"]],
        reading=read_matrix if tokens is None else _rank_tokens(tokens, genes, path),
        **{
            key: declared[key]
            for key in ("layer", "normalisation", "identifiers", "most_missing", "task", "labels")
            if key in declared
        },
    )


def _declaration(path: Path) -> dict:
    """Read a declaration and say everything that is wrong with it."""
    try:
        declared = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise CohortError(f"'{path}' is not YAML: {str(error).splitlines()[0]}") from error
    schema = yaml.safe_load(resources.files(__package__).joinpath("declaration.schema.yaml").read_text())
    known = schema["properties"]
    for key in declared if isinstance(declared, dict) else ():
        if key not in known:
            raise CohortError(f"'{path}' has a key '{key}' that means nothing here; {choices(str(key), known)}")
    wrong = [
        f"{'.'.join(map(str, error.absolute_path)) or 'it'}: {error.message}"
        for error in Draft202012Validator(schema).iter_errors(declared)
    ]
    if wrong:
        raise CohortError(f"'{path}' declares no model: {'; '.join(wrong)}")
    return declared


def _beside(name: str, path: Path, what: str) -> Path:
    found = path.parent / name
    if not found.is_file():
        raise CohortError(f"'{path}' names {what} '{name}', but there is no file '{found}'")
    return found


def _genes(given: str | list[str], path: Path) -> list[str]:
    if isinstance(given, list):
        return given
    return [line.strip() for line in _beside(given, path, "the genes").read_text().splitlines() if line.strip()]


def _network(declared: dict, path: Path, allow_pickle: bool) -> nn.Module:
    name = declared["network"]
    if ":" in name:
        return _with_weights(_made(declared, path), declared, path)
    for unused in ("weights", "arguments"):
        if unused in declared:
            raise CohortError(
                f"'{path}' names {unused}, which belong to a network given as module:callable, not a file"
            )
    file = _beside(name, path, "the network")
    if file.suffix == ".pt2":
        return _exported(file)
    if file.suffix not in PICKLES:
        raise CohortError(
            f"'{file}' is no network: give a torch.export file (.pt2), module:callable with weights, or a pickle"
        )
    if not allow_pickle:
        raise CohortError(
            f"'{file}' is a pickle, which executes whatever code it holds when it is read; better export the network "
            "(torch.export.save), or save its weights and name module:callable; if you trust the file, allow pickles "
            "(allow_pickle=True, --allow-pickle)"
        )
    warnings.warn(f"'{file}' is unpickled, which executes the code it holds", stacklevel=4)
    try:
        network = torch.load(file, map_location="cpu", weights_only=False)
    except Exception as error:  # whatever the pickle's code raises
        raise CohortError(f"'{file}' could not be unpickled: {(str(error) or repr(error)).splitlines()[0]}") from error
    if not isinstance(network, nn.Module):
        raise CohortError(
            f"'{file}' holds a {type(network).__name__}, not a torch.nn.Module; for weights alone name module:callable"
        )
    return network


def _exported(file: Path) -> nn.Module:
    try:
        program = torch.export.load(file)
        network = program.module(check_guards=False)
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
    # An exported graph is of one mode, in which it was exported, and refuses to be asked for another.
    return ExportedNetwork(network)


def _cells_at_once(program: torch.export.ExportedProgram) -> int | None:
    """Give the number of cells that a graph was exported for, None for any number."""
    given = program.graph_signature.user_inputs
    values = [node.meta["val"] for node in program.graph.nodes if node.op == "placeholder" and node.name in given]
    sizes = [value.shape[0] for value in values if isinstance(value, torch.Tensor) and value.ndim]
    return next((size for size in sizes if isinstance(size, int)), None)


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


def _made(declared: dict, path: Path) -> nn.Module:
    """Call the user's own code."""
    module, _, name = declared["network"].partition(":")
    try:
        with on_the_path(path.parent):
            found = import_module(module)
    except ImportError as error:
        raise CohortError(
            f"the module '{module}' of '{path}' could not be imported: {error}; install it, or put it beside the file"
        ) from error
    made = found
    for part in name.split("."):  # a class's from_pretrained is a callable as well
        made = getattr(made, part, None)
    if not callable(made):
        known = [one for one in vars(found) if not one.startswith("_")]
        raise CohortError(f"the module '{module}' has no callable '{name}'; {choices(name, known)}")
    try:
        network = made(**declared.get("arguments", {}))
    except Exception as error:  # whatever the user's code raises
        raise CohortError(
            f"'{declared['network']}' could not be called with {declared.get('arguments', {})}: "
            f"{(str(error) or repr(error)).splitlines()[0]}"
        ) from error
    if not isinstance(network, nn.Module):
        raise CohortError(f"'{declared['network']}' gives a {type(network).__name__}, not a torch.nn.Module")
    return network


def _with_weights(network: nn.Module, declared: dict, path: Path) -> nn.Module:
    if "weights" not in declared:
        if declared["network"].endswith(".from_pretrained"):  # brings its own
            return network
        warnings.warn(
            f"'{path}' names no weights, so '{declared['network']}' is explained with those that it is made with",
            stacklevel=4,
        )
        return network
    file = _beside(declared["weights"], path, "the weights")
    try:
        if file.suffix == ".safetensors":
            from safetensors.torch import load_file

            weights = load_file(file)
        else:
            weights = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # safetensors, zip and pickle raise many kinds
        raise CohortError(
            f"'{file}' could not be read as weights: {(str(error) or repr(error)).splitlines()[0]}; write them with "
            "torch.save(network.state_dict(), ...) or safetensors"
        ) from error
    if not isinstance(weights, dict):
        raise CohortError(f"'{file}' holds a {type(weights).__name__}, not weights by name")
    own = network.state_dict()
    missing, strange = sorted(set(own) - set(weights)), sorted(set(weights) - set(own))
    shapes = [
        f"{name} is {tuple(weights[name].shape)}, not {tuple(own[name].shape)}"
        for name in own
        if name in weights and weights[name].shape != own[name].shape
    ]
    if missing or strange or shapes:
        parts = [f"missing: {listed(missing, 4)}"] if missing else []
        parts += [f"unknown: {listed(strange, 4)}"] if strange else []
        raise CohortError(f"'{file}' does not fit '{declared['network']}': {'; '.join(parts + shapes[:4])}")
    network.load_state_dict(weights)
    return network


def _rank_tokens(declared: dict, genes: list[str], path: Path) -> RankTokens:
    tables = {}
    for name in ("dictionary", "medians"):
        file = _beside(declared[name], path, f"the {name}")
        try:
            tables[name] = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise CohortError(f"'{file}' is not JSON: {error}") from error
    return RankTokens.of(
        genes, tables["dictionary"], tables["medians"],
        **{key: declared[key] for key in ("most", "first", "last") if key in declared},
    )  # fmt: skip
