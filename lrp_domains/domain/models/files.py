"""The files that a declared model consists of."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


def declared_files(declared: Mapping[str, Any], path: Path, **others: str | None) -> dict[str, Path]:
    """Return the files of a declared model by what they are: the declaration, and all that it names and that exist.

    They are the network or the module of its code, weights, those of the domain, and arguments that are paths. Of an
    installed module only the name is declared.

    Parameters
    ----------
    declared
        What `read_declaration` returned.
    path
        The declaration.
    others
        The files that the domain's own keys name, relative to the declaration.
    """
    network, is_code, _ = declared["network"].partition(":")
    top = network.partition(".")[0]
    named = {
        "network": None if is_code else network,
        "code": f"{top}.py" if is_code else None,
        "package": top if is_code else None,
        "weights": declared.get("weights"),
        **others,
    }
    beside = {f"model's {name}": path.parent / file for name, file in named.items() if file is not None}
    arguments = {
        f"model's argument {name}": Path(value)
        for name, value in declared.get("arguments", {}).items()
        if isinstance(value, str)
    }
    return {"model": path} | {name: file for name, file in {**beside, **arguments}.items() if file.exists()}
