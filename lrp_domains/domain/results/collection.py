"""Explained samples in order: their table, and the page that shows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeVar

from ..page import drawing, templates
from .outcomes import Outcome, outcome_table

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Sample = TypeVar("Sample", bound=Outcome)


@dataclass(frozen=True)
class Page:
    """How a domain shows explained samples.

    Attributes
    ----------
    package
        The domain's package, whose folder ``templates`` has the template.
    template
        The template that shows ``shown``, pairs of a sample and its drawing.
    draw
        Returns the figure of a sample.
    title
        The title of a page.
    colours
        Of drawings, at most; None: all.
    in_notebook
        How many samples a notebook shows.
    """

    package: str
    template: str
    draw: Callable[[Outcome], Figure]
    title: str
    colours: int | None = 64
    in_notebook: int = 20

    def whole(self, samples: Sequence[Outcome], title: str | None = None) -> str:
        """Return a self-contained page of samples."""
        return self._rendered(samples, title=title or self.title, whole=True)

    def body(self, samples: Sequence[Outcome]) -> str:
        """Return what a notebook shows of samples."""
        return self._rendered(samples[: self.in_notebook], title=self.title, whole=False)

    def _rendered(self, samples: Sequence[Outcome], **values: object) -> str:
        shown = [(sample, drawing(self.draw(sample), colours=self.colours)) for sample in samples]
        template = templates(self.package).get_template("explained.html.j2")
        return template.render(shown=shown, template=self.template, **values)


@dataclass(frozen=True, repr=False)
class ExplainedSamples(Sequence[Sample]):
    """Explained samples, `items`, in order. A domain's own class names them (`unit`) and says how they are shown."""

    items: tuple[Sample, ...]

    unit: ClassVar[str] = "samples"
    page: ClassVar[Page]

    def __getitem__(self, index):
        return type(self)(self.items[index]) if isinstance(index, slice) else self.items[index]

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self)} {self.unit})"

    def table(self) -> pd.DataFrame:
        """Return one row per sample: what was predicted and explained, and where the score went."""
        return outcome_table(self.items)

    def to_html(self, title: str | None = None) -> str:
        """Return a self-contained page of the samples and their relevance."""
        return self.page.whole(self.items, title)

    def _repr_html_(self) -> str:
        return self.page.body(self.items)
