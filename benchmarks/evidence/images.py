"""Is relevance on what shows the class of a picture? ``python -m benchmarks.evidence.images [--study NAME]``.

Made pictures, of which it is known where the class can be seen, are learnt by a convolutional network and by a vision
transformer. Held-out pictures whose class is predicted right are explained for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType

import numpy as np
import torch
from scipy.special import expit
from torch import Tensor, nn

from lrp_domains import (
    ATTN_LRP,
    CP_LRP,
    EPSILON_ALPHA2_BETA1_FLAT,
    EPSILON_GAMMA_BOX,
    EPSILON_PLUS,
    EPSILON_PLUS_FLAT,
    GAMMA,
    GRADIENT,
    SECANT,
    RuleSet,
    gamma,
    relevance,
    relevance_against,
)
from lrp_domains.domain import score_of
from lrp_domains.evaluation import (
    RemovablePixels,
    blurred,
    channel_means,
    compare,
    deletion,
    in_units,
    localisation,
    patches,
    remove,
    rivals,
)
from lrp_domains.evaluation.measures import Measures, Relevance
from lrp_domains.evaluation.rivals import Problem, Rival

from ..planted_pictures import Planted, shapes, tetrominoes, textures
from . import picture_models
from .studies import rounded, run

COUNT = 128  # pictures that are explained
HELD_OUT = 1000
LEAST = 0.9  # the accuracy that is demanded
REFERENCES = ("zero", "mean", "blur")
AGAINST = "integrated-gradients-blur"
CP_GAMMA = CP_LRP.for_nodes({"dense": gamma(), "convolution": gamma()})


@dataclass(frozen=True)
class Study:
    """Pictures to learn.

    Attributes
    ----------
    title
        What they show.
    make
        From how many and a seed to pictures.
    sigma
        Of the blur that removes what matters, in pixels.
    epochs
        How often a network sees 8000 pictures.
    """

    title: str
    make: Callable[[int, int], Planted]
    sigma: float
    epochs: Mapping[str, int]


STUDIES = {
    "shapes": Study(
        "Shapes in noise, and a ring in all classes, 32 x 32", shapes, 4.0, {"CNN": 3, "ViT": 5}
    ),
    "textures": Study("A disc of stripes in smooth noise, 32 x 32", textures, 4.0, {"CNN": 2, "ViT": 4}),
    "added": Study("T or L added to noise, 8 x 8", tetrominoes(signal=0.25), 2.0, {"CNN": 4, "ViT": 6}),
    "multiplied": Study(
        "T or L dampens noise, 8 x 8", tetrominoes(signal=0.7, product=True), 2.0, {"CNN": 4, "ViT": 6}
    ),
    "smooth": Study(
        "T or L added to smooth noise, 8 x 8", tetrominoes(signal=0.05, smooth=True), 2.0, {"CNN": 4, "ViT": 6}
    ),
}  # fmt: skip
TRAINED = 8000
RATES = {"CNN": 3e-3, "ViT": 1e-3}


@dataclass(frozen=True)
class Explained:
    """How pictures are explained: by rules or a rival, against ``"zero"``, ``"mean"``, ``"blur"`` or nothing."""

    rules: RuleSet | Rival
    reference: str | None = None


def methods(model: str, box: tuple[float, float]) -> dict[str, Explained]:
    """Return the methods that explain a model of a name, of pictures within bounds."""
    rules = {
        "attn-lrp": ATTN_LRP,
        "cp-lrp": CP_LRP,
        "gamma": GAMMA,
        "epsilon-plus": EPSILON_PLUS,
        "epsilon-plus-flat": EPSILON_PLUS_FLAT,
        "epsilon-gamma-box": EPSILON_GAMMA_BOX(*box),
    }
    of_model = {
        "CNN": {"epsilon-alpha2-beta1-flat": EPSILON_ALPHA2_BETA1_FLAT},
        "ViT": {"cp-lrp-gamma": CP_GAMMA},
    }
    found = {name: Explained(rule) for name, rule in (rules | of_model[model]).items()}
    found |= {f"secant-{reference}": Explained(SECANT, reference) for reference in REFERENCES}
    found["gradient"] = Explained(GRADIENT)
    integrated = rivals.integrated_gradients(50)
    found |= {f"integrated-gradients-{name}": Explained(integrated, name) for name in REFERENCES}
    if model == "CNN":
        found["grad-cam"] = Explained(rivals.grad_cam(picture_models.LAST))
    return found | {"random": Explained(rivals.random_relevance())}


@dataclass(frozen=True)
class Asked:
    """Pictures, a model, and the classes that are explained.

    Attributes
    ----------
    model
        The model.
    pictures, labels
        The pictures and the numbers of their classes.
    references
        What pictures are compared with, by name.
    """

    model: nn.Module
    pictures: Tensor
    labels: Tensor
    references: Mapping[str, Tensor]

    @classmethod
    def of(cls, model: nn.Module, on: Planted, rows: np.ndarray, sigma: float) -> Asked:
        pictures = on.pictures[rows]
        references = {
            "zero": torch.zeros_like(pictures),
            "mean": channel_means(pictures),
            "blur": blurred(pictures, sigma),
        }
        return cls(model, pictures, on.labels[rows], MappingProxyType(references))

    def first(self, count: int) -> Asked:
        """Return the first pictures."""
        references = {name: reference[:count] for name, reference in self.references.items()}
        return Asked(self.model, self.pictures[:count], self.labels[:count], references)

    def log_odds(self, pictures: Tensor, samples: np.ndarray | Tensor | None = None, constant: bool = False) -> Tensor:
        """Return the log-odds of the class of each sample; without their numbers, of all samples k times."""
        if samples is None:
            samples = torch.arange(len(pictures)) % len(self.labels)
        return score_of(self.model(pictures), self.labels[samples], constant=constant)

    def explained(self, by: Explained) -> list[np.ndarray]:
        """Return the relevance of each picture's pixels."""
        reference = self.references[by.reference or "zero"]
        if isinstance(by.rules, Rival):
            (found,) = by.rules.relevance(Problem(self.log_odds, (self.pictures,), (reference,), self.model))
        elif by.reference is not None:
            found = relevance_against(self.log_odds, self.pictures, reference, rules=by.rules)
        else:
            x = self.pictures.clone().requires_grad_()
            found = relevance(self.log_odds(x, constant=True), x, rules=by.rules)
        return in_units(found, patches(*found.shape[2:]))

    def removal(self) -> Measures:
        """Return the area under the curve of the probability of the class without the most relevant pixels, which are
        read as those of the blurred picture, or as the mean."""

        def measures(relevance: Relevance) -> dict[str, np.ndarray]:
            found = {}
            for name in ("blur", "mean"):
                pixels = patches(*self.pictures.shape[2:])
                without = RemovablePixels(self.log_odds, self.pictures, self.references[name], pixels)
                found[f"deletion@{name}"] = deletion(remove(without, relevance, curves=["without_most"]).through(expit))
            return found

        return measures


def compared(model: nn.Module, name: str, on: Planted, sigma: float) -> dict:
    """Compare the methods on held-out pictures; return what is kept of it."""
    right = (picture_models.predicted(model, on) == on.labels).numpy()
    if right.mean() < LEAST:
        raise RuntimeError(f"the {name} has an accuracy of {right.mean():.3f}: train it longer")
    rows = np.flatnonzero(right)[:COUNT]
    asked, by = Asked.of(model, on, rows, sigma), methods(name, on.box)
    for method in by.values():  # what is done only once, such as importing, is no part of the costs
        asked.first(2).explained(method)
    truth = [mask.ravel() for mask in on.truth[rows]]
    runs = {method: partial(asked.explained, how) for method, how in by.items()}
    found = compare(runs, [localisation(truth), asked.removal()], unit="gradient")
    table = found.table(AGAINST)
    return {
        "accuracy": float(right.mean()),
        "pictures": len(rows),
        "true": float(np.mean(truth)),
        "rows": rounded(table.drop(columns=["against", "best", "seconds", "memory", "residue"])),
        "best": found.table().query("best").groupby("measure")["method"].agg(list).to_dict(),
    }


def measure(name: str, _) -> dict:
    """Train the networks of a study, and compare how they are explained."""
    study = STUDIES[name]
    on, held_out = study.make(TRAINED, 0), study.make(HELD_OUT, 1)
    models = {}
    for model, make in picture_models.MODELS.items():
        begin = time.process_time()
        trained = picture_models.train(make, on, epochs=study.epochs[model], rate=RATES[model])
        print(f"{name}, {model}: trained in {time.process_time() - begin:.0f} CPU seconds", flush=True)
        models[model] = compared(trained, model, held_out, study.sigma)
    return {"title": study.title, "models": models}


if __name__ == "__main__":
    run("images", STUDIES, measure, "Is relevance on what shows the class of a picture?", reads_folder=False)
