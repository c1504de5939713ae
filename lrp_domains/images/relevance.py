"""What an explanation contains: the relevance of every pixel of a picture, and where its score went."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
import pandas as pd
from PIL import Image

from ..domain import DomainError, ExplainedSamples, Outcome, Page
from .drawing import figure_of, for_page
from .masks import checked, sums

PAGE = Page(
    package=__package__,
    template="figures.html.j2",
    draw=lambda item: for_page(item.pixels, item.picture),
    title="Relevance of pixels",
    colours=None,
    in_notebook=50,
)


@dataclass(frozen=True, kw_only=True, repr=False)
class ImageRelevance(Outcome):
    """One explained picture: its outcome, ``score - reference_score = units + rest``, and the relevance of pixels.

    Attributes
    ----------
    channels
        The relevance of each channel of each pixel, C x H x W, in units of the score (logits).
    picture
        The picture as the model saw it, H x W x 3, uint8: resized, cropped, without normalisation.
    classes
        The names of the classes.
    """

    channels: np.ndarray
    picture: np.ndarray
    classes: tuple[str, ...]

    def __repr__(self) -> str:
        return f"ImageRelevance({self.name!r}, explained={self.explained!r}, score={self.score:+.4g})"

    @property
    def pixels(self) -> np.ndarray:
        """The relevance of each pixel, H x W: the sum over its channels."""
        return self.channels.sum(0)

    def to_array(self, channels: bool = False) -> np.ndarray:
        """Return relevance, H x W, or with `channels` C x H x W."""
        return self.channels if channels else self.pixels

    def patches(self, size: int | tuple[int, int]) -> np.ndarray:
        """Return the relevance of patches, their sums; those at the right and lower edge may be smaller.

        `size` is the height and the width of a patch, or one number for both.
        """
        steps = np.broadcast_to(size, 2) if np.shape(size) in ((), (2,)) else np.zeros(2)
        if steps.dtype.kind not in "iu" or steps.min() < 1:
            raise DomainError(f"patches of size {size}: expected one or two whole numbers of at least one pixel")
        rows, columns = (np.arange(0, side, step) for side, step in zip(self.pixels.shape, steps, strict=True))
        return np.add.reduceat(np.add.reduceat(self.pixels, rows, 0), columns, 1)

    def segments(self, mask: np.ndarray) -> pd.Series:
        """Return the relevance of segments, their sums, by number.

        `mask` has the number of each pixel's segment, integer or True and False, in the picture as the model saw it;
        `ImageExplainer.as_seen` returns that of a mask of the whole picture.
        """
        mask, pixels = np.asarray(mask), self.pixels
        if mask.shape != pixels.shape:
            raise DomainError(
                f"the mask has shape {mask.shape}, but the model saw {pixels.shape}: pass explainer.as_seen(mask)"
            )
        return sums(pixels, checked(mask))["relevance"]

    def to_image(
        self, *, over: bool = True, size: int | None = None, patch: int | tuple[int, int] | None = None
    ) -> Image.Image:
        """Draw the relevance with a colour bar: red for the target, blue against it, symmetric about 0.

        It is drawn over the picture in grey, or beside it; `size` is the longer side in pixels (None: 224). With
        `patch`, a size as in `patches`, the sums of patches are drawn, such as those of a vision transformer. The
        strongest of many pixels, one in 200, have full colour; the bar then has ≥ and ≤ at its ends.
        """
        if size is not None and size < 1:
            raise DomainError(f"size={size}: expected at least one pixel")
        pixels, buffer = self.pixels, io.BytesIO()
        if patch is not None:
            patches, (height, width) = self.patches(patch), np.broadcast_to(patch, 2)
            pixels = patches.repeat(height, 0).repeat(width, 1)[: pixels.shape[0], : pixels.shape[1]]
        figure_of(pixels, self.picture, over=over, size=size).savefig(buffer, format="png")
        return Image.open(buffer).convert("RGB")

    def to_html(self) -> str:
        """Return a self-contained page with the picture and its relevance."""
        return PAGE.whole([self])

    def _repr_html_(self) -> str:
        return PAGE.body([self])


class ImageRelevances(ExplainedSamples[ImageRelevance]):
    """Many explained pictures, `items`, in the order of the call."""

    unit, page = "pictures", PAGE

    def to_array(self, channels: bool = False) -> np.ndarray:
        """Return relevance, N x H x W, or with `channels` N x C x H x W; all pictures are of one size."""
        if len({item.channels.shape for item in self}) > 1:
            raise DomainError("the pictures are of several sizes: take the array of each by itself")
        return np.stack([item.to_array(channels) for item in self])
