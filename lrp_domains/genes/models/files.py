"""The files that a model consists of."""

from pathlib import Path

from ...domain.models.files import declared_files
from .declaration import declaration_of


def model_files(path: str | Path) -> dict[str, Path]:
    """Return the files of a model by what they are: its file, and all that a declaration names.

    They are the network or the module of its code, weights, genes, the tables of rank tokens, and arguments that are
    paths. Of an installed module only the name is declared.
    """
    path = Path(path)
    if path.suffix not in (".yaml", ".yml") or not path.is_file():
        return {"model": path}

    declared = declaration_of(path)
    tokens = {name: declared.get("rank_tokens", {}).get(name) for name in ("dictionary", "medians")}
    return declared_files(
        declared, path, genes=declared["genes"] if isinstance(declared["genes"], str) else None, **tokens
    )
