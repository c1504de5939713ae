"""Models from files: trained here, or declared in a .yaml file."""

import json
import warnings
from pathlib import Path

import torch
from torch import nn

from ..errors import CohortError
from .declaration import beside, read_declaration
from .exported import exported_network
from .model import GeneModel, gene_model
from .rank_tokens import RankTokens
from .reading import read_matrix
from .saved import load_trained
from .user_code import made_network, with_weights

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
    declared = read_declaration(path)
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


def _genes(given: str | list[str], path: Path) -> list[str]:
    if isinstance(given, list):
        return given
    return [line.strip() for line in beside(given, path, "the genes").read_text().splitlines() if line.strip()]


def _network(declared: dict, path: Path, allow_pickle: bool) -> nn.Module:
    name = declared["network"]
    if ":" in name:
        return with_weights(made_network(declared, path), declared, path)
    for unused in ("weights", "arguments"):
        if unused in declared:
            raise CohortError(
                f"'{path}' names {unused}, which belong to a network given as module:callable, not a file"
            )
    file = beside(name, path, "the network")
    if file.suffix == ".pt2":
        return exported_network(file, allow_pickle)
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
    warnings.warn(f"'{file}' is unpickled, which executes the code it holds", stacklevel=3)
    try:
        network = torch.load(file, map_location="cpu", weights_only=False)
    except Exception as error:  # whatever the pickle's code raises
        raise CohortError(f"'{file}' could not be unpickled: {(str(error) or repr(error)).splitlines()[0]}") from error
    if not isinstance(network, nn.Module):
        raise CohortError(
            f"'{file}' holds a {type(network).__name__}, not a torch.nn.Module; for weights alone name module:callable"
        )
    return network


def _rank_tokens(declared: dict, genes: list[str], path: Path) -> RankTokens:
    tables = {}
    for name in ("dictionary", "medians"):
        file = beside(declared[name], path, f"the {name}")
        try:
            tables[name] = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise CohortError(f"'{file}' is not JSON: {error}") from error
    return RankTokens.of(
        genes, tables["dictionary"], tables["medians"],
        **{key: declared[key] for key in ("most", "first", "last") if key in declared},
    )  # fmt: skip
