"""The finished parts of an explanation, kept on disk so that an interrupted run resumes."""

import hashlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy import sparse

from .... import __version__
from ....domain import Account, whole_file
from ..requests.plan import Plan
from ..requests.target import PREDICTED
from ..results.explained_cells import ExplainedCells
from ..results.group_statistics import GroupStatistics

# How much work an interruption may cost, and how much memory waiting cells may take.
SECONDS = 30.0
BYTES = 64 * 2**20


def read_parts(folder: Path, genes: int, *, rows: bool) -> Iterator[ExplainedCells]:
    """Yield the cells that are kept in a folder, part after part, with or without the relevance of single cells."""
    for path in _files(folder):
        start, stop = _start(path), _stop(path)
        with np.load(path, allow_pickle=False) as kept:
            matrix = None
            if rows and "data" in kept:
                entries = kept["data"], kept["indices"], kept["indptr"]
                matrix = sparse.csr_matrix(entries, shape=(stop - start, genes))
            elif rows:
                matrix = kept["dense"]
            obs = {name.removeprefix("obs_"): kept[name] for name in kept.files if name.startswith("obs_")}
            yield ExplainedCells(
                start, stop, rows=matrix, obs=obs, top_genes=kept["top_genes"], top_values=kept["top_values"]
            )


def are_whole(folder: Path, start: int, stop: int) -> bool:
    """Return whether the cells that are kept in a folder are those from row `start` to before row `stop`."""
    files = _files(folder)
    ends = [start] + [_stop(path) for path in files]
    return [_start(path) for path in files] == ends[:-1] and ends[-1] == stop


class Parts:
    """Explained cells in the folder of `lrp_domains.domain.resumable`, with the sums over groups up to some of them.

    Cells are written first, then the sums that include them; cells that are newer than the sums are explained again.
    Every file appears whole or not at all.

    Attributes
    ----------
    statistics, account
        The sums over all cells that were explained so far.
    first
        The row of the first cell.
    """

    def __init__(self, folder: Path, *, statistics: GroupStatistics, account: Account, first: int = 0) -> None:
        self.folder, self.statistics, self.account, self.first = folder, statistics, account, first
        self.waiting: list[ExplainedCells] = []
        self.saved_at = time.monotonic()

    def resume(self) -> int:
        """Load the sums of the finished cells, and return the row after them."""
        sums = sorted(self.folder.glob("sums-*.npz"))
        done = _stop(sums[-1]) if sums else self.first
        late = [path for path in self.folder.glob("cells-*.npz") if _stop(path) > done]
        for path in [*late, *sums[:-1], *self.folder.glob(".*.tmp")]:
            path.unlink()

        # If a file is missing, the parts don't add up to the sums, so nothing can be used.
        if not are_whole(self.folder, self.first, done):
            for path in self.folder.glob("*.npz"):
                path.unlink()
            return self.first

        if sums:
            with np.load(sums[-1], allow_pickle=False) as kept:
                for name in self.statistics.summed():
                    getattr(self.statistics, name)[...] = kept[name]
                slot = {name.removeprefix("account_"): kept[name] for name in kept.files if "account_" in name}
                vars(self.account).update(vars(Account.from_slot(slot)))
        return done

    def add(self, cells: ExplainedCells, *, last: bool) -> None:
        """Keep some explained cells; write them when they take much memory, the sums when enough time has passed."""
        self.waiting.append(cells)
        due = last or time.monotonic() - self.saved_at >= SECONDS
        if not due and sum(_bytes(part) for part in self.waiting) < BYTES:
            return
        self._save_cells()
        if due:
            self._save_sums(cells.stop)

    def _save_cells(self) -> None:
        """Write the waiting cells to one file."""
        first, last = self.waiting[0], self.waiting[-1]
        arrays = {f"obs_{name}": np.concatenate([part.obs[name] for part in self.waiting]) for name in first.obs}
        for name in ("top_genes", "top_values"):
            arrays[name] = np.concatenate([getattr(part, name) for part in self.waiting])
        rows = [part.rows for part in self.waiting]
        if sparse.issparse(rows[0]):
            stacked = sparse.vstack(rows, format="csr")
            arrays |= {"data": stacked.data, "indices": stacked.indices, "indptr": stacked.indptr}
        elif rows[0] is not None:
            arrays["dense"] = np.concatenate(rows)
        self._save(f"cells-{first.start:012d}-{last.stop:012d}.npz", arrays)
        self.waiting = []

    def _save_sums(self, stop: int) -> None:
        """Write the sums up to a row, then remove older ones."""
        arrays = {name: getattr(self.statistics, name) for name in self.statistics.summed()}
        arrays |= {f"account_{name}": value for name, value in self.account.to_slot().items()}
        arrays["account_leaf_names"] = arrays["account_leaf_names"].astype(str)  # of objects needs pickle
        self._save(f"sums-{stop:012d}.npz", arrays)
        for path in self.folder.glob("sums-*.npz"):
            if _stop(path) < stop:
                path.unlink()
        self.saved_at = time.monotonic()

    def _save(self, name: str, arrays: dict) -> None:
        with whole_file(self.folder / name) as temporary, temporary.open("wb") as file:
            np.savez(file, **{key: np.asarray(value) for key, value in arrays.items()})


def key_of(path: Path, plan: Plan, layer: str | None) -> str:
    """Return a text that is the same for the same request on the same file."""
    states = [(file.stat().st_size, file.stat().st_mtime_ns) for file in _files_of_cohort(path)]
    return _hashed([str(path.resolve()), states, *_facts(plan, layer)])


def key_of_shards(path: Path, plan: Plan, layer: str | None, *, sha256: str) -> str:
    """Return a text that is the same for all shards of a request on a cohort, also on copies of its file.

    Without the hash of a check, another cohort of the same names, labels and size is taken for the same.
    """
    labels = None if plan.labels is None else (tuple(plan.labels.cat.categories), _hashed_array(plan.labels.cat.codes))
    size = sum(file.stat().st_size for file in _files_of_cohort(path))
    names = names_of(plan.expression.cells, plan.expression.genes)
    return _hashed([size, sha256, names, labels, *_facts(plan, layer)])


def names_of(cells: Sequence[str], genes: Sequence[str]) -> str:
    """Return a text that is the same for all cohorts with these names."""
    return _hashed((list(map(str, cells)), list(map(str, genes))))


def _facts(plan: Plan, layer: str | None) -> list[object]:
    """Return all that the results depend on, but for the content of the cohort."""
    request, model, reference = plan.request, plan.model, plan.reference
    return [
        __version__,
        model.digest(),
        [repr(network) for _, network in model.unseen(-1)],  # the same weights may be of other layers
        getattr(model.reading, "__qualname__", model.reading),
        None if model.training_cells is None else model.training_cells.digest(),
        request.rule_set.table(),
        layer,
        (request.target or PREDICTED, request.against, request.score, request.top, request.donor, request.gene_column),
        request.precision,
        plan.gene_column,
        plan.size,
        None if plan.labels is None else plan.labels.name,
        _hashed_array(plan.block),
        None if plan.target is None else _hashed_array(plan.target),
        plan.expression.expects,
        None if reference is None else (reference.name, _hashed_array(reference.profiles)),
    ]


def _files_of_cohort(path: Path) -> list[Path]:
    """Return the files of a cohort, none for the demo."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [file for file in files if file.is_file()]


def _hashed(facts: object) -> str:
    return hashlib.sha256(repr(facts).encode(errors="surrogatepass")).hexdigest()


def _hashed_array(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("cells-*.npz"))


def _start(path: Path) -> int:
    return int(path.stem.split("-")[1])


def _stop(path: Path) -> int:
    return int(path.stem.split("-")[-1])


def _bytes(cells: ExplainedCells) -> int:
    rows = cells.rows
    if sparse.issparse(rows):
        return rows.data.nbytes + rows.indices.nbytes + rows.indptr.nbytes
    return 0 if rows is None else rows.nbytes
