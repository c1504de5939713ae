"""Batches: the rows of documents that go through the model together."""

from collections.abc import Iterable, Iterator, Sequence

from ..tokens.rows import Row
from .document import Document

Batch = list[tuple[Document, Row]]  # each row with its text


def batches_of(documents: Sequence[Document], size: int) -> Iterator[Batch]:
    """Yield the rows of documents in batches, sorted by length.

    Parameters
    ----------
    documents
        Texts.
    size
        The largest number of rows per batch, unless more must go through the model together (see `Row.group`).
    """
    units = [unit for document in documents for unit in units_of((document, row) for row in document.rows)]
    units.sort(key=lambda unit: max(len(row) for _, row in unit))

    batch: Batch = []
    for unit in units:
        if batch and len(batch) + len(unit) > size:
            yield batch
            batch = []
        batch = batch + unit
    if batch:
        yield batch


def units_of(pairs: Iterable[tuple[Document, Row]]) -> list[Batch]:
    """Return rows, each with its text, in the smallest groups that must go through the model together."""
    pairs, units = list(pairs), []
    while pairs:
        step = pairs[0][1].group
        units.append(pairs[:step])
        pairs = pairs[step:]
    return units
