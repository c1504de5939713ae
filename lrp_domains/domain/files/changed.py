"""Fingerprints of input files, so that one that changes between the steps of a run is noticed."""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..messages import DomainError

KEYS = ("bytes", "mtime_ns", "sha256")
Input = str | Path | Sequence[Path]


def fingerprint(path: Input) -> dict[str, int | str]:
    """Return the size, time of the last change, and SHA-256 of a file, or of all files in a folder or a list.

    The hash of several files covers their relative paths, sizes and contents. Their time is a number that differs if
    the path, size or time of any of them does.
    """
    size, mtime = _size_and_time(path)
    return {"bytes": size, "mtime_ns": mtime, "sha256": _sha256(path)}


def unchanged(
    inputs: Mapping[str, Input],
    check: str | Path | None = None,
    *,
    required: str | None = None,
    remedy: str = "run again",
) -> Callable[[], None]:
    """Compare inputs with those that were checked, and return a function that raises if one has changed since.

    Call it before results are written. An input that isn't a file or folder, such as a name on a hub, is ignored.

    Parameters
    ----------
    inputs
        Paths by what they are, such as ``{"cohort": "cohort.h5ad"}``; or a list, of a file and those that it names.
    check
        A summary with ``inputs``, as `fingerprints` returns them, by the same names; None if nothing was checked.
        Equal size and time count as unchanged, otherwise contents are compared.
    required
        The name of an input that the summary must have, because the check was of it.
    remedy
        What to do about a change.

    Raises
    ------
    DomainError
        An input isn't the one that was checked, or a file that is `required` wasn't.
    """
    inputs = {name: path for name, path in inputs.items() if _exists(path)}
    before = {name: _size_and_time(path) for name, path in inputs.items()}
    checked = {} if check is None else checked_inputs(check)
    if check is not None and required in inputs.keys() - checked.keys():
        raise DomainError(f"'{check}' is the summary of a check of something else than a {required}; {remedy}")
    for name, path in inputs.items():
        known = checked.get(name)
        if known is None or (known["bytes"], known["mtime_ns"]) == before[name]:
            continue
        if known["bytes"] != before[name][0] or known["sha256"] != _sha256(path):
            raise DomainError(f"{_shown(name, path)} checked ('{check}'); {remedy}")

    def verify() -> None:
        for name, path in inputs.items():
            if not _exists(path) or _size_and_time(path) != before[name]:
                raise DomainError(f"{_shown(name, path)} read; {remedy}")

    return verify


def fingerprints(inputs: Mapping[str, Input]) -> dict[str, dict]:
    """Return the fingerprints of inputs, for a summary that `unchanged` compares; those that aren't files have none."""
    return {name: fingerprint(path) for name, path in inputs.items() if _exists(path)}


def checked_inputs(check: str | Path) -> dict[str, dict]:
    """Return the fingerprints in a summary of a check."""
    try:
        inputs = json.loads(Path(check).read_text(encoding="utf-8"))["inputs"]
        return {str(name): {key: known[key] for key in KEYS} for name, known in inputs.items()}
    except FileNotFoundError:
        raise DomainError(f"there is no file '{check}'; write it with the command 'check'") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DomainError(f"'{check}' is not a summary of a check; write it with the command 'check'") from error


def _exists(path: Input) -> bool:
    return Path(path).exists() if isinstance(path, str | Path) else all(file.exists() for file in path)


def _shown(name: str, path: Input) -> str:
    """Return how a message begins that an input has changed."""
    if isinstance(path, str | Path):
        return f"the {name} '{path}' has changed since it was"
    return f"the {name} of '{path[0]}', or what it names, have changed since they were"


def _size_and_time(path: Input) -> tuple[int, int]:
    """Return the size and the time of the last change of a file; see `fingerprint` for those of several."""
    if isinstance(path, str | Path) and Path(path).is_file():
        state = Path(path).stat()
        return state.st_size, state.st_mtime_ns
    states = [(name, file.stat()) for name, file in _files(path).items()]
    # The latest time doesn't tell: a file that is copied from elsewhere may be older than the others.
    facts = [(name, state.st_size, state.st_mtime_ns) for name, state in states]
    digest = hashlib.sha256(repr(facts).encode(errors="surrogatepass")).digest()
    return sum(state.st_size for _, state in states), int.from_bytes(digest[:8])


def _sha256(path: Input) -> str:
    if isinstance(path, str | Path) and Path(path).is_file():
        return _sha256_of_file(Path(path))
    result = hashlib.sha256()
    for name, file in _files(path).items():
        facts = (name, file.stat().st_size, _sha256_of_file(file))
        result.update(repr(facts).encode(errors="surrogatepass"))
    return result.hexdigest()


def _sha256_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(path: Input) -> dict[str, Path]:
    """Return the files in a folder by their relative paths, in their order, without what running it makes; or a list's,
    by their paths relative to the first."""
    if not isinstance(path, str | Path):
        return {Path(os.path.relpath(file, path[0].parent)).as_posix(): file for file in path}
    files = [file for file in Path(path).rglob("*") if file.is_file() and not _is_made(file.relative_to(path))]
    names = {file: file.relative_to(path) for file in files}
    return {names[file].as_posix(): file for file in sorted(files, key=lambda file: names[file].parts)}


def _is_made(path: Path) -> bool:
    """Return whether importing code wrote a file, or `whole_file` or `resumable` for a result in the same folder."""
    unfinished = any(part.startswith(".") and part.endswith((".tmp", ".parts")) for part in path.parts)
    return unfinished or "__pycache__" in path.parts
