"""Samples explained to a table and a file of arrays, part by part; an interrupted run resumes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa

from ..files.arrays import gather_arrays, writing_arrays
from ..files.tables import Origin, gather, groups, write, write_all
from ..messages import DomainError
from ..results.outcomes import COLUMNS, Outcome, outcome_table
from .progress import Progress, no_progress
from .resume import resumable

Sample = TypeVar("Sample")
Arrays = np.ndarray | Mapping[str, np.ndarray]
PART = 128  # samples that are explained and kept together; an interruption may cost them


@dataclass(frozen=True)
class Shard:
    """One of several parts of data of about the same size, numbered from 1."""

    number: int = 1
    of: int = 1

    def bounds(self, total: int) -> tuple[int, int]:
        """Return where it begins and ends among a number of samples."""
        if not 1 <= self.number <= self.of:
            raise DomainError(f"there is no shard {self.number} of {self.of}; they are numbered from 1 to {self.of}")
        start, stop = total * (self.number - 1) // self.of, total * self.number // self.of
        if start == stop:
            raise DomainError(f"shard {self.number} of {self.of} is empty: there are only {total} samples")
        return start, stop


def explain_parts(
    explain: Callable[[Sequence[Sample]], tuple[Sequence[Outcome], Sequence[Arrays]]],
    samples: Sequence[Sample],
    out: str | Path,
    *,
    request: str,
    shard: Shard | None = None,
    part: int = PART,
    verify: Callable[[], None] = lambda: None,
    progress: Progress = no_progress,
) -> int:
    """Explain samples to a table of outcomes, and to a file of one array per sample, named by the sample's number.

    Parameters
    ----------
    explain
        From some samples to their outcomes, and to an array of each, or several by name, which are called ``0.NAME``.
    samples
        All samples, also those of other shards.
    out
        The table to write, ``.parquet``; the arrays go next to it, see `arrays_of`.
    request
        Identifies the samples, the model and what is asked: finished parts of an interrupted run are kept only if it
        is the same, and only shards of the same request are gathered.
    shard
        Which of the samples to explain; None for all.
    part
        Number of samples that are explained and kept together.
    verify
        Called before anything is written; raises if the data or the model has changed, see
        `lrp_domains.domain.unchanged`.
    progress
        Wraps the iteration over parts.

    Returns
    -------
    The number of samples that an interrupted run had explained before.
    """
    out = Path(out)
    if out.suffix != ".parquet":
        raise DomainError(f"'{out}': the table of explained samples is written as .parquet")
    if not len(samples):
        raise DomainError("there is nothing to explain")
    first, last = (shard or Shard()).bounds(len(samples))
    bounds = [(start, min(start + part, last)) for start in range(first, last, part)]
    key = hashlib.sha256(request.encode(errors="surrogatepass")).hexdigest()
    before = 0
    with resumable(out, f"{key} {first} {last} {part}") as folder:
        tables = [folder / f"{start}.parquet" for start, _ in bounds]
        for (start, stop), table in progress(list(zip(bounds, tables, strict=True)), "Explaining"):
            if table.is_file():
                before += stop - start
                continue
            outcomes, arrays = explain(samples[start:stop])
            with writing_arrays(arrays_of(table)) as add:
                for number, several in enumerate(arrays, start):
                    for name, array in (several if isinstance(several, Mapping) else {"": several}).items():
                        add(f"{number}.{name}" if name else str(number), array)
            # Last: a part whose table exists has its arrays too.
            write(pa.Table.from_pandas(outcome_table(outcomes, start), COLUMNS, preserve_index=False), table)
        verify()
        gather_arrays([arrays_of(table) for table in tables], arrays_of(out))
        columns = Origin(key, first, last, len(samples)).on(COLUMNS)
        write_all((rows for table in tables for rows in groups(table)), columns, out)
    return before


def gather_parts(tables: Sequence[str | Path], out: str | Path) -> int:
    """Write the tables of all shards, and the arrays next to them, as one; return the number of samples."""
    arrays = [arrays_of(table) for table in tables]
    if absent := [path for path in arrays if not path.is_file()]:
        raise DomainError(f"there is no file '{absent[0]}', which belongs to a table to gather")
    count = gather(tables, out)
    gather_arrays(arrays, arrays_of(out))
    return count


def arrays_of(table: str | Path) -> Path:
    """Return the file of arrays next to a table of outcomes: the same name with ``.npz``."""
    return Path(table).with_suffix(".npz")
