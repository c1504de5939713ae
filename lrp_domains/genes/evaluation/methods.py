"""The methods that explained cells are compared by, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import pandas as pd

from ... import ALPHA_BETA, ATTN_LRP, CP_LRP, EPSILON, EPSILON_PLUS, GAMMA, GRADIENT, SECANT, RuleSet
from ...evaluation import rivals
from ...evaluation.rivals import Rival
from ..errors import CohortError
from ..explanation.requests.reference import check_reference
from ..explanation.requests.rival import check_rival
from .cells import DrawnCells
from .differential import check_groups, differential_expression


@dataclass(frozen=True)
class Explained:
    """How cells are explained: by rules or a rival, against ``"zero"``, ``"mean"`` (of the cohort) or nothing."""

    rules: RuleSet | Rival
    reference: str | None = None

    def __call__(self, cells: DrawnCells) -> np.ndarray:
        """Return the relevance of each gene, cells x genes."""
        return cells.relevance(self.rules, self.reference)

    @property
    def conserves(self) -> bool:
        """Whether genes and biases should account for the scores: not those of plain derivatives, nor of rivals."""
        return isinstance(self.rules, RuleSet) and self.rules.name != GRADIENT.name

    def check(self, cells: DrawnCells) -> None:
        """Raise if the model can't be explained so."""
        if self.reference not in (None, "zero", "mean"):
            raise CohortError(f"reference is {self.reference!r}; methods are compared against 'zero', 'mean' or None")
        request = replace(cells.cohort.request, rules=self.rules, reference=self.reference)
        if request.rival is not None:
            check_rival(request.rival, cells.model, cells.cohort.expression.chunk(0, 2).values)
        if self.reference is not None:
            check_reference(self.reference, cells.model, pd.DataFrame(), groups=(), groupby=None, donor=None)


def random_relevance(cells: DrawnCells) -> np.ndarray:
    """Return random relevance of the genes that a cell expresses, which a test must find worse than any explanation."""
    values = cells.values[:, cells.cohort.present]
    return np.where(values != 0, np.random.default_rng(0).normal(size=values.shape), 0)


Method = Callable[[DrawnCells], np.ndarray]
"""From cells to the relevance of their genes, cells x genes."""

METHODS = MappingProxyType(
    {
        "attn-lrp": Explained(ATTN_LRP),
        "cp-lrp": Explained(CP_LRP),
        "epsilon": Explained(EPSILON),
        "epsilon-plus": Explained(EPSILON_PLUS),
        "gamma": Explained(GAMMA),
        "alpha-beta": Explained(ALPHA_BETA),
        "secant": Explained(SECANT, "zero"),
        "secant-mean": Explained(SECANT, "mean"),
        "gradient": Explained(GRADIENT),
        "integrated-gradients": Explained(rivals.integrated_gradients(50), "zero"),
        "integrated-gradients-mean": Explained(rivals.integrated_gradients(50), "mean"),
        "smooth-gradient": Explained(rivals.smooth_gradient(25), "zero"),
        "gradient-shap": Explained(rivals.gradient_shap(25), "zero"),
        "deeplift": Explained(rivals.deeplift(), "zero"),
        "kernel-shap": Explained(rivals.kernel_shap(200), "zero"),
        "occlusion": Explained(rivals.occlusion(), "zero"),
        "differential-expression": differential_expression,
        "random": random_relevance,
    }
)
"""Every method by the name that the command line has for it."""

UNIT = "gradient"
"""The method that costs one gradient."""
DEFAULT = (
    "attn-lrp",
    "secant",
    "secant-mean",
    "gradient",
    "integrated-gradients",
    "integrated-gradients-mean",
    "differential-expression",
    "random",
)
"""Those that are compared unless others are named, as far as they fit the model."""


def check_method(method: Method, cells: DrawnCells) -> None:
    """Raise if a method doesn't fit the model or the cohort."""
    if isinstance(method, Explained):
        method.check(cells)
    elif method is differential_expression:
        check_groups(cells)
