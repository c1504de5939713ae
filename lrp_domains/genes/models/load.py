"""Models from files: trained here, or declared in a .yaml file."""

import json
import warnings
from pathlib import Path

import torch
from torch import nn

from ...domain import reason
from ..errors import CohortError
from .declaration import beside, read_declaration
from .exported import exported_network
from .model import GeneModel, gene_model
from .rank_tokens import RankTokens
from .reading import read_matrix
from .saved import load_trained
from .user_code import made_network, with_weights

PICKLES = (".pt", ".pth", ".pkl")


def load_model(path: str | Path, *, allow_pickle: bool = False, allow_code: bool = False) -> GeneModel:
    """Load a model, with its networks in eval mode.

    Parameters
    ----------
    path
        A file that `save_model` wrote (``.pt``), or a declaration (``.yaml``) of your own network: what it is, what it
        expects and what its outputs are; every key is described in ``models/declaration.schema.yaml``.
    allow_pickle
        Whether a declared network may be unpickled, which executes any code in its file.
    allow_code
        Whether a declaration may name ``module:callable``, which imports that module from the declaration's folder or
        from an installed package, and calls it.

    Raises
    ------
    CohortError
        The file is missing or unreadable, or its declaration is wrong.

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

    declared = read_declaration(path)
    genes = _genes(declared["genes"], path)
    network = _network(declared, path, allow_pickle=allow_pickle, allow_code=allow_code)
    tokens = declared.get("rank_tokens")
    return gene_model(
        network.eval(),
        genes,
        [str(name) for name in declared["classes"]],
        reading=read_matrix if tokens is None else _rank_tokens(tokens, genes, path),
        **{
            key: declared[key]
            for key in ("layer", "normalisation", "identifiers", "most_missing", "log_base", "task", "labels")
            if key in declared
        },
    )


def _genes(declared: str | list[str], path: Path) -> list[str]:
    """Return the declared genes, from a list or a file with one per line."""
    if isinstance(declared, list):
        return declared
    return [line.strip() for line in beside(declared, path, "the genes").read_text().splitlines() if line.strip()]


def _network(declared: dict, path: Path, *, allow_pickle: bool, allow_code: bool) -> nn.Module:
    """Load the declared network from user code, a torch.export file or a pickle."""
    name = declared["network"]
    if ":" in name:
        if not allow_code:
            raise CohortError(
                f"'{path}' names '{name}', code that is executed when the model is loaded; better export the network "
                "(torch.export.save); if you trust the declaration and the files next to it, allow code "
                "(allow_code=True, --allow-code; in the workflow allow_code: true)"
            )
        return with_weights(made_network(declared, path), declared, path)
    for key in ("weights", "arguments"):
        if key in declared:
            raise CohortError(f"'{path}' has '{key}', which is for a network as module:callable, not for a file")
    file = beside(name, path, "the network")
    if file.suffix == ".pt2":
        return exported_network(file, allow_pickle)
    if file.suffix not in PICKLES:
        raise CohortError(
            f"'{file}' is not a network: expected a torch.export file (.pt2), module:callable with weights, or a pickle"
        )
    if not allow_pickle:
        raise CohortError(
            f"'{file}' is a pickle, which executes any code in it when it is read; better export the network "
            "(torch.export.save), or save its weights and name module:callable; if you trust the file, allow pickles "
            "(allow_pickle=True, --allow-pickle; in the workflow allow_pickle: true)"
        )
    return _unpickled(file)


def _unpickled(file: Path) -> nn.Module:
    warnings.warn(f"'{file}' is unpickled, which executes the code it holds", stacklevel=4)
    try:
        network = torch.load(file, map_location="cpu", weights_only=False)
    except Exception as error:  # whatever the pickle's code raises
        raise CohortError(f"'{file}' could not be unpickled: {reason(error)}") from error
    if not isinstance(network, nn.Module):
        raise CohortError(
            f"'{file}' holds a {type(network).__name__}, not a torch.nn.Module; for weights alone name module:callable"
        )
    return network


def _rank_tokens(declared: dict, genes: list[str], path: Path) -> RankTokens:
    """Read the dictionary and the medians of a model over ranked genes."""
    tables = {}
    for name in ("dictionary", "medians"):
        file = beside(declared[name], path, f"the {name}")
        try:
            tables[name] = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise CohortError(f"'{file}' is not JSON: {error}") from error
    settings = {key: declared[key] for key in ("most", "first", "last") if key in declared}
    return RankTokens.of(genes, **tables, **settings)
