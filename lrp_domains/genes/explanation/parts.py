"""What is already explained of a cohort, kept on disk so that an interrupted pass can go on."""

import hashlib
import shutil
import time
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
from scipy import sparse

from ...files import whole_file
from .cells import Books, ExplainedCells
from .group_statistics import GroupStatistics
from .plan import Plan

# How much work an interruption may cost.
SECONDS = 30.0


class Parts:
    """A hidden folder of explained cells, with the sums over groups up to the last of them.

    A part is written first, then the sums that hold it; what is newer than the sums is explained again. Every file
    appears whole or not at all.
    """

    def __init__(self, folder: Path, key: str, seconds: float = SECONDS) -> None:
        self.folder, self.seconds = folder, seconds
        known = folder / "key.txt"
        if not known.is_file() or known.read_text() != key:  # another request: what is there is of no use
            shutil.rmtree(folder, ignore_errors=True)
            with whole_file(known) as temporary:
                temporary.write_text(key)
        self.waiting: list[ExplainedCells] = []
        self.written = time.monotonic()

    def resume(self, statistics: GroupStatistics, books: Books) -> int:
        """Take back the sums of what is already explained, and say how many cells that are."""
        done = max((_stop(path) for path in self.folder.glob("sums-*.npz")), default=0)
        for path in [*self.folder.glob("cells-*.npz"), *self.folder.glob("sums-*.npz")]:
            if _stop(path) > done or (path.name.startswith("sums") and _stop(path) < done):
                path.unlink()
        if done:
            with np.load(self.folder / f"sums-{done:012d}.npz", allow_pickle=False) as kept:
                for name in _sums(statistics):
                    getattr(statistics, name)[...] = kept[name]
                for one in fields(books):
                    setattr(books, one.name, float(kept[f"books_{one.name}"]))
        return done

    def add(self, cells: ExplainedCells, statistics: GroupStatistics, books: Books, last: bool) -> None:
        """Keep some explained cells; write them when enough time has gone by."""
        self.waiting.append(cells)
        if not last and time.monotonic() - self.written < self.seconds:
            return
        start, stop = self.waiting[0].start, cells.stop
        rows = [part.rows for part in self.waiting]
        if rows[0] is None:
            stored = {}
        elif sparse.issparse(rows[0]):
            stacked = sparse.vstack(rows, format="csr")
            stored = {"data": stacked.data, "indices": stacked.indices, "indptr": stacked.indptr}
        else:
            stored = {"dense": np.concatenate(rows)}
        obs = {name: np.concatenate([part.obs[name] for part in self.waiting]) for name in cells.obs}
        names = ("first_genes", "first_values")
        firsts = {name: np.concatenate([getattr(part, name) for part in self.waiting]) for name in names}
        self._save(f"cells-{start:012d}-{stop:012d}.npz", stored | firsts | {f"obs_{name}": obs[name] for name in obs})
        sums = {name: getattr(statistics, name) for name in _sums(statistics)}
        self._save(f"sums-{stop:012d}.npz", sums | {f"books_{name}": total for name, total in asdict(books).items()})
        for path in self.folder.glob("sums-*.npz"):
            if _stop(path) < stop:
                path.unlink()
        self.waiting, self.written = [], time.monotonic()

    def read(self, planned: Plan):
        """Give back what is kept, part after part."""
        genes = len(planned.expression.genes)
        for path in sorted(self.folder.glob("cells-*.npz")):
            start, stop = (int(one) for one in path.stem.split("-")[1:])
            with np.load(path, allow_pickle=False) as kept:
                rows = kept.get("dense")
                if "data" in kept:
                    rows = sparse.csr_matrix(
                        (kept["data"], kept["indices"], kept["indptr"]), shape=(stop - start, genes)
                    )
                obs = {name.removeprefix("obs_"): kept[name] for name in kept.files if name.startswith("obs_")}
                yield ExplainedCells(start, stop, rows, obs, kept["first_genes"], kept["first_values"])

    def remove(self) -> None:
        """Forget everything: the result is written."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _save(self, name: str, arrays: dict) -> None:
        with whole_file(self.folder / name) as temporary, temporary.open("wb") as file:
            np.savez(file, **{key: np.asarray(value) for key, value in arrays.items()})


def key_of(path: Path, planned: Plan, layer: str | None) -> str:
    """Give a text that is the same for the same request on the same file."""
    stat = path.stat()
    asked = [
        str(path.resolve()), stat.st_size, stat.st_mtime_ns, planned.model.digest(), planned.rules.table(), layer,
        planned.asked, planned.against, planned.score, planned.first, planned.size, planned.donors,
        None if planned.labels is None else planned.labels.name, hashlib.sha256(planned.unit.tobytes()).hexdigest(),
        None if isinstance(planned.target, str) else hashlib.sha256(planned.target.tobytes()).hexdigest(),
        planned.expression.expects,
    ]  # fmt: skip
    return hashlib.sha256(repr(asked).encode()).hexdigest()


def _stop(path: Path) -> int:
    return int(path.stem.split("-")[-1])


def _sums(statistics: GroupStatistics) -> list[str]:
    """Name the arrays that are summed up."""
    return [
        one.name
        for one in fields(statistics)
        if isinstance(getattr(statistics, one.name), np.ndarray) and getattr(statistics, one.name).dtype != object
        and one.name != "unit"
    ]  # fmt: skip
