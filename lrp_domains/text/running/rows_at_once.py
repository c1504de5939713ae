"""How many rows go through a model at once: as many as there is memory for."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

from ...domain import BatchSize, fitting
from .batches import Batch, units_of
from .document import Document
from .runner import Runner

ON_CPU, ON_CUDA = 16, 64  # unless settings say otherwise; on a CUDA device at most
Result = TypeVar("Result")


class RowsAtOnce:
    """The number of rows per batch of one model.

    Attributes
    ----------
    number
        The number of rows.
    """

    def __init__(self, runner: Runner) -> None:
        self._runner = runner
        self._batch = BatchSize(runner.settings.batch_size or ON_CPU, "texts")
        self._is_known = runner.settings.batch_size is not None or runner.model.network.device.type != "cuda"

    @property
    def number(self) -> int:
        return self._batch.size

    def find(self, documents: Sequence[Document], side: str | None) -> None:
        """Find the number of rows by the free memory of a CUDA device, unless it is known."""
        rows = [(document, row) for document in documents for row in document.rows]
        if self._is_known or side is None or len(rows) <= ON_CPU or rows[0][1].group > 1:
            return
        document, row = max(rows, key=lambda pair: len(pair[1]))  # which takes the most memory
        text = (document.name, document.encoding.texts[0])

        def explain(count: int) -> None:
            self._runner.explained([row] * count, side, [text] * count)

        self._batch.size = fitting(explain, self._runner.model.network.device, most=ON_CUDA)
        self._is_known = True

    def run(self, batches: Iterable[Batch], compute: Callable[[Batch], Result]) -> Iterator[tuple[Batch, Result]]:
        """Yield each batch with what a function computes of it; where memory runs out, the halves of a batch."""

        def of_units(units: Sequence[Batch]) -> tuple[Batch, Result]:
            rows = [pair for unit in units for pair in unit]
            return rows, compute(rows)

        for batch in batches:
            yield from self._batch.run(of_units, units_of(batch))
