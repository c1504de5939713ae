"""Models from files: trained here, or declared in a .yaml file."""

import json
from pathlib import Path

from ...domain import declared_network
from ...domain.models.declaration import beside
from ..errors import CohortError
from .declaration import declaration_of
from .model import GeneModel, gene_model
from .rank_tokens import RankTokens
from .reading import read_matrix
from .saved import load_trained


def load_model(path: str | Path, *, allow_pickle: bool = False, allow_code: bool = False) -> GeneModel:
    """Load a model, with its networks in eval mode.

    Parameters
    ----------
    path
        A file that `save_model` wrote (``.pt``), or a declaration (``.yaml``) of your own network: what it is, what it
        expects and what its outputs are; its keys are described in ``genes/models/declaration.schema.yaml`` and
        ``domain/models/network.schema.yaml``.
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

    declared = declaration_of(path)
    genes = _genes(declared["genes"], path)
    network = declared_network(declared, path, allow_pickle=allow_pickle, allow_code=allow_code, unit="cells")
    tokens = declared.get("rank_tokens")
    return gene_model(
        network,
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
