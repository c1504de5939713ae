"""Which pixels decide a model's prediction: any vision model, unmodified."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from .. import RuleSet
from ..domain import DomainError, Progress, TensorExplainer, check_settings, choices, no_progress
from .masks import checked
from .network import load, mode_of, read
from .pictures import Picture, name_of, separate
from .preparation import Preparation
from .relevance import ImageRelevance, ImageRelevances


class ImageExplainer:
    """Explain the predictions of an image model by the relevance of every pixel.

    Parameters
    ----------
    model
        A model of torchvision, timm, transformers or your own, in eval mode; it is not changed.
    transform
        From a PIL image to what the model reads, C x H x W: torchvision's ``weights.transforms()``, timm's
        ``create_transform(...)``, an image processor of transformers. None: pictures are scaled to [0, 1].
    rules
        The rule set; or a function from the lowest and the highest value of each channel of the model's input to one,
        such as `deep_taylor`. None: `ATTN_LRP`, or `SECANT` against a reference.
    reference
        What pictures are explained against, unless a call names another; see `ImageExplainer.__call__`.
    mode
        What the transform is given: ``"RGB"`` or ``"L"`` (grey). None: what the model's first convolution reads.
    settings
        ``classes``, ``score``, ``exclusive``, ``batch_size``, ``precision``, ``device``, as in
        `lrp_domains.domain.TensorExplainer`.

    Examples
    --------
    >>> explainer = ImageExplainer(resnet18(weights=weights).eval(), weights.transforms())
    >>> explainer("cat.jpg", target=281).to_image()
    """

    def __init__(
        self,
        model: nn.Module,
        transform: Callable[[Any], Any] | None = None,
        *,
        rules: RuleSet | Callable[[Tensor, Tensor], RuleSet] | None = None,
        reference: Any = None,
        mode: str | None = None,
        **settings: Any,
    ) -> None:
        check_settings(settings, ImageExplainer.__init__)

        def bounded(x: Tensor) -> RuleSet:
            black, white = (colour[None].to(x) for colour in self.preparation.black_and_white(x))
            return rules(torch.minimum(black, white), torch.maximum(black, white))

        bounded.__name__ = getattr(rules, "__name__", repr(rules))
        if mode not in (None, "RGB", "L"):
            raise DomainError(f"unknown mode '{mode}'; {choices(mode, ('RGB', 'L'))}")
        self.tensors = TensorExplainer(
            model, read, unit="pictures", rules=bounded if callable(rules) else rules, **settings
        )
        self.preparation, self.reference = Preparation(transform, mode or mode_of(model)), reference

    def __repr__(self) -> str:
        return f"ImageExplainer({self.tensors!r})"

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes; none before the first call, where nobody named them."""
        return self.tensors.classes

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path,
        *,
        texts: Sequence[str] | None = None,
        device: str | torch.device | None = None,
        allow_code: bool = False,
        allow_pickle: bool = False,
        revision: str | None = None,
        **settings: Any,
    ) -> ImageExplainer:
        """Load a model, and what transforms its pictures.

        Parameters
        ----------
        name
            A folder that ``save_pretrained`` wrote, with its image processor, or a name on the hub; or a declaration
            of your own network, ``.yaml``, or a folder with ``model.yaml``.
        texts
            For CLIP and its kin: the texts that are the classes.
        device
            None: a GPU if there is one.
        allow_code, allow_pickle
            Whether code that comes with the model may be run, and whether its network may be unpickled.
        revision
            Branch, tag or commit of a model on the hub.
        settings
            Of `ImageExplainer`.
        """
        check_settings(settings, cls.__init__)
        consent = {"allow_code": allow_code, "allow_pickle": allow_pickle}
        return cls(**load(name, texts, device, **consent, revision=revision) | settings)

    def as_seen(self, mask: np.ndarray) -> np.ndarray:
        """Return a mask of a picture, the number of each pixel's segment, resized and cropped as the model sees it.

        What the transform adds around a picture counts to segment 0.
        """
        return self.preparation.mask(checked(np.asarray(mask)))

    def __call__(
        self,
        pictures: Picture | Sequence[Picture],
        target: Any = None,
        *,
        against: str | int | None = None,
        reference: Any = None,
        progress: Progress = no_progress,
    ) -> ImageRelevance | ImageRelevances:
        """Explain one picture or many; return an `ImageRelevance` for one, `ImageRelevances` for several.

        Parameters
        ----------
        pictures
            A file, PIL image, or array (H x W, H x W x 3 or 4; uint8, uint16, bool, or floats in [0, 1]), or a sequence
            of these. A tensor (C x H x W, N x C x H x W) is what the model reads: it isn't transformed.
        target
            The class to explain, by name or number; None is what the model predicts. A list or array has one
            per picture.
        against
            The class that the target is contrasted with: the difference of their logits is explained.
        reference
            What pictures are explained against: the difference of their scores is then explained. ``"black"``,
            ``"white"``, ``"blur"``, ``"mean"`` (of each channel of the picture), a picture, a tensor, or a list of
            these, over which relevance is averaged. None: the explainer's.
        progress
            Wraps the iteration over batches.

        Raises
        ------
        lrp_domains.domain.DomainError
            A picture or a target does not fit the model, or the model is in training mode.
        """
        several, is_single = separate(pictures)
        names = [name_of(picture, number) for number, picture in enumerate(several)]
        made = [self.preparation.tensor(picture, name) for picture, name in zip(several, names, strict=True)]
        tensors, notes = zip(*made, strict=True)
        reference = self.reference if reference is None else reference
        references = None if reference is None else lambda x, _: self.preparation.references(reference, x)
        options = {"against": against, "references": references, "notes": notes, "progress": progress}
        seen = map(self.preparation.displayed, tensors)
        results = tuple(
            ImageRelevance(**vars(outcome), channels=channels, picture=picture, classes=self.classes)
            for (outcome, channels, _), picture in zip(
                self.tensors(tensors, names, target, **options), seen, strict=True
            )
        )
        return results[0] if is_single else ImageRelevances(results)
