"""Fingerprints of input files, so that one that changes between the steps of a run is noticed."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from ..messages import DomainError

KEYS = ("bytes", "mtime_ns", "sha256")


def fingerprint(path: str | Path) -> dict[str, int | str]:
    """Return the size, time of the last change, and SHA-256 of a file, or of all files in a folder.

    The hash of a folder covers the relative paths, sizes and contents of its files. Its time is a number that differs
    if the path, size or time of any of its files does.
    """
    size, mtime = _size_and_time(path)
    return {"bytes": size, "mtime_ns": mtime, "sha256": _sha256(Path(path))}


def unchanged(
    inputs: Mapping[str, str | Path],
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
        Paths by what they are, such as ``{"cohort": "cohort.h5ad"}``.
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
    inputs = {name: Path(path) for name, path in inputs.items() if Path(path).exists()}
    before = {name: _size_and_time(path) for name, path in inputs.items()}
    checked = {} if check is None else checked_inputs(check)
    if check is not None and required in inputs.keys() - checked.keys():
        raise DomainError(f"'{check}' is the summary of a check of something else than a {required}; {remedy}")
    for name, path in inputs.items():
        known = checked.get(name)
        if known is None or (known["bytes"], known["mtime_ns"]) == before[name]:
            continue
        if known["bytes"] != before[name][0] or known["sha256"] != _sha256(path):
            raise DomainError(f"the {name} '{path}' has changed since it was checked ('{check}'); {remedy}")

    def verify() -> None:
        for name, path in inputs.items():
            if not path.exists() or _size_and_time(path) != before[name]:
                raise DomainError(f"the {name} '{path}' has changed since it was read; {remedy}")

    return verify


def fingerprints(inputs: Mapping[str, str | Path]) -> dict[str, dict]:
    """Return the fingerprints of inputs, for a summary that `unchanged` compares; those that aren't files have none."""
    return {name: fingerprint(path) for name, path in inputs.items() if Path(path).exists()}


def checked_inputs(check: str | Path) -> dict[str, dict]:
    """Return the fingerprints in a summary of a check."""
    try:
        inputs = json.loads(Path(check).read_text(encoding="utf-8"))["inputs"]
        return {str(name): {key: known[key] for key in KEYS} for name, known in inputs.items()}
    except FileNotFoundError:
        raise DomainError(f"there is no file '{check}'; write it with the command 'check'") from None
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DomainError(f"'{check}' is not a summary of a check; write it with the command 'check'") from error


def _size_and_time(path: str | Path) -> tuple[int, int]:
    """Return the size and the time of the last change of a file; see `fingerprint` for those of a folder."""
    path = Path(path)
    if path.is_file():
        state = path.stat()
        return state.st_size, state.st_mtime_ns
    states = [(file.relative_to(path).as_posix(), file.stat()) for file in _files(path)]
    # The latest time doesn't tell: a file that is copied from elsewhere may be older than the others.
    facts = [(name, state.st_size, state.st_mtime_ns) for name, state in states]
    digest = hashlib.sha256(repr(facts).encode(errors="surrogatepass")).digest()
    return sum(state.st_size for _, state in states), int.from_bytes(digest[:8])


def _sha256(path: Path) -> str:
    if path.is_file():
        return _sha256_of_file(path)
    result = hashlib.sha256()
    for file in _files(path):
        facts = (file.relative_to(path).as_posix(), file.stat().st_size, _sha256_of_file(file))
        result.update(repr(facts).encode(errors="surrogatepass"))
    return result.hexdigest()


def _sha256_of_file(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(path: Path) -> list[Path]:
    """Return a file, or the files in a folder in the order of their relative paths, without what running it makes."""
    if path.is_file():
        return [path]
    files = [file for file in path.rglob("*") if file.is_file() and not _is_made(file.relative_to(path))]
    return sorted(files, key=lambda file: file.relative_to(path).parts)


def _is_made(path: Path) -> bool:
    """Return whether importing code wrote a file, or `whole_file` or `resumable` for a result in the same folder."""
    unfinished = any(part.startswith(".") and part.endswith((".tmp", ".parts")) for part in path.parts)
    return unfinished or "__pycache__" in path.parts
