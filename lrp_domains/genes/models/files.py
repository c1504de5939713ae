"""The files that a model consists of."""

from pathlib import Path

from .declaration import read_declaration


def model_files(path: str | Path) -> dict[str, Path]:
    """Return the files of a model by what they are: its file, and all that a declaration names.

    They are the network or the module of its code, weights, genes, the tables of rank tokens, and arguments that are
    paths. Of an installed module only the name is declared.
    """
    path = Path(path)
    files = {"model": path}
    if path.suffix not in (".yaml", ".yml") or not path.is_file():
        return files

    declared = read_declaration(path)
    network, is_code, _ = declared["network"].partition(":")
    top = network.partition(".")[0]
    named = {
        "network": None if is_code else network,
        "code": f"{top}.py" if is_code else None,
        "package": top if is_code else None,
        "weights": declared.get("weights"),
        "genes": declared["genes"] if isinstance(declared["genes"], str) else None,
        **{name: declared.get("rank_tokens", {}).get(name) for name in ("dictionary", "medians")},
    }
    beside = {f"model's {name}": path.parent / file for name, file in named.items() if file is not None}
    arguments = {
        f"model's argument {name}": Path(value)
        for name, value in declared.get("arguments", {}).items()
        if isinstance(value, str)
    }
    return files | {name: file for name, file in {**beside, **arguments}.items() if file.exists()}
