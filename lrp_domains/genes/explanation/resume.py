"""What is already explained of a cohort, kept on disk so that an interrupted pass can go on."""

import fcntl
import hashlib
import shutil
import time
from collections.abc import Iterator
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
from scipy import sparse

from ... import __version__
from ...domain.files import whole_file
from ..errors import CohortError
from .explain import Books, ExplainedCells
from .group_statistics import GroupStatistics
from .plan import Plan

# How much work an interruption may cost, and how much memory waiting cells may take.
SECONDS = 30.0
BYTES = 64 * 2**20


class Parts:
    """A hidden folder of explained cells, with the sums over groups up to some of them.

    Cells are written first, then the sums that hold them; what is newer than the sums is explained again. Every file
    appears whole or not at all. One process at a time uses a folder.
    """

    def __init__(self, folder: Path, key: str, seconds: float = SECONDS) -> None:
        self.folder, self.seconds = folder, seconds
        folder.mkdir(parents=True, exist_ok=True)
        self.lock = (folder / "lock").open("w")  # the system frees it, even after a kill
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CohortError(f"another process is using '{folder}': it explains the same; wait for it") from None
        known = folder / "key.txt"
        if not known.is_file() or known.read_text() != key:  # another request: what is there is of no use
            self.clear()
            with whole_file(known) as temporary:
                temporary.write_text(key)
        self.waiting: list[ExplainedCells] = []
        self.summed = time.monotonic()

    def resume(self, statistics: GroupStatistics, books: Books) -> int:
        """Take back the sums of what is already explained, and say how many cells that are."""
        sums = sorted(self.folder.glob("sums-*.npz"))
        done = _stop(sums[-1]) if sums else 0
        late = [path for path in self.folder.glob("cells-*.npz") if _stop(path) > done]
        for path in [*late, *sums[:-1], *self.folder.glob(".*.tmp")]:
            path.unlink()
        ends = [0] + [_stop(path) for path in self._cells()]
        if [_start(path) for path in self._cells()] != ends[:-1] or ends[-1] != done:  # somebody took one away
            self.clear()
            return 0
        if done:
            with np.load(sums[-1], allow_pickle=False) as kept:
                for name in _summed(statistics):
                    getattr(statistics, name)[...] = kept[name]
                for one in fields(books):
                    setattr(books, one.name, float(kept[f"books_{one.name}"]))
        return done

    def add(self, cells: ExplainedCells, statistics: GroupStatistics, books: Books, last: bool) -> None:
        """Keep some explained cells; write them when they take much memory, and the sums when enough time has gone."""
        self.waiting.append(cells)
        due = last or time.monotonic() - self.summed >= self.seconds
        if not due and sum(_bytes(one) for one in self.waiting) < BYTES:
            return
        stored = {f"obs_{name}": np.concatenate([one.obs[name] for one in self.waiting]) for name in cells.obs}
        for name in ("first_genes", "first_values"):
            stored[name] = np.concatenate([getattr(one, name) for one in self.waiting])
        rows = [one.rows for one in self.waiting]
        if sparse.issparse(rows[0]):
            stacked = sparse.vstack(rows, format="csr")
            stored |= {"data": stacked.data, "indices": stacked.indices, "indptr": stacked.indptr}
        elif rows[0] is not None:
            stored["dense"] = np.concatenate(rows)
        self._save(f"cells-{self.waiting[0].start:012d}-{cells.stop:012d}.npz", stored)
        self.waiting = []
        if due:
            sums = {name: getattr(statistics, name) for name in _summed(statistics)}
            books_ = {f"books_{name}": total for name, total in asdict(books).items()}
            self._save(f"sums-{cells.stop:012d}.npz", sums | books_)
            for path in self.folder.glob("sums-*.npz"):
                if _stop(path) < cells.stop:
                    path.unlink()
            self.summed = time.monotonic()

    def read(self, genes: int, rows: bool) -> Iterator[ExplainedCells]:
        """Give back what is kept, part after part, with the relevance of single cells or without."""
        for path in self._cells():
            start, stop = _start(path), _stop(path)
            with np.load(path, allow_pickle=False) as kept:
                matrix = None
                if rows and "data" in kept:
                    entries = kept["data"], kept["indices"], kept["indptr"]
                    matrix = sparse.csr_matrix(entries, shape=(stop - start, genes))
                elif rows:
                    matrix = kept["dense"]
                obs = {name.removeprefix("obs_"): kept[name] for name in kept.files if name.startswith("obs_")}
                yield ExplainedCells(start, stop, matrix, obs, kept["first_genes"], kept["first_values"])

    def clear(self) -> None:
        """Forget what is kept."""
        for path in [*self.folder.glob("*.npz"), *self.folder.glob("key.txt")]:
            path.unlink()

    def remove(self) -> None:
        """Forget everything: the result is written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _cells(self) -> list[Path]:
        return sorted(self.folder.glob("cells-*.npz"))

    def _save(self, name: str, arrays: dict) -> None:
        with whole_file(self.folder / name) as temporary, temporary.open("wb") as file:
            np.savez(file, **{key: np.asarray(value) for key, value in arrays.items()})


def key_of(path: Path, planned: Plan, layer: str | None) -> str:
    """Give a text that is the same for the same request on the same file."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    asked = [
        __version__, str(path.resolve()), [(one.stat().st_size, one.stat().st_mtime_ns) for one in files],
        planned.model.digest(), planned.rules.table(), layer,
        planned.asked, planned.against, planned.score, planned.first, planned.size, planned.donors,
        None if planned.labels is None else planned.labels.name, hashlib.sha256(planned.unit.tobytes()).hexdigest(),
        None if isinstance(planned.target, str) else hashlib.sha256(planned.target.tobytes()).hexdigest(),
        planned.expression.expects,
    ]  # fmt: skip
    return hashlib.sha256(repr(asked).encode()).hexdigest()


def _start(path: Path) -> int:
    return int(path.stem.split("-")[1])


def _stop(path: Path) -> int:
    return int(path.stem.split("-")[-1])


def _bytes(cells: ExplainedCells) -> int:
    rows = cells.rows
    if sparse.issparse(rows):
        return rows.data.nbytes + rows.indices.nbytes + rows.indptr.nbytes
    return 0 if rows is None else rows.nbytes


def _summed(statistics: GroupStatistics) -> list[str]:
    """Name the arrays that are summed up."""
    arrays = {one.name: getattr(statistics, one.name) for one in fields(statistics) if one.name != "unit"}
    return [name for name, array in arrays.items() if isinstance(array, np.ndarray) and array.dtype != object]
