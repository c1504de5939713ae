"""What methods make of functions whose explanation is known: ``python -m benchmarks.evidence.behaviours``.

In the manner of XAI-Units (github.com/XAI-Units/xaiunits_public): each behaviour is a small network with one input, and
the relevance that its features should have.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lrp_domains import (
    ALPHA_BETA,
    ATTN_LRP,
    CP_LRP,
    EPSILON,
    EPSILON_PLUS,
    GAMMA,
    GIM,
    GRADIENT,
    SECANT,
    SECANT_HALF,
    RuleSet,
    relevance,
    relevance_against,
)  # fmt: skip
from lrp_domains.evaluation import rivals
from lrp_domains.evaluation.rivals import Problem, Rival

from ..measure import RESULTS, machine

RIGHT = 0.05  # of the magnitude of the true relevance


@dataclass(frozen=True)
class Behaviour:
    """A function of a row of features, an input, a reference, and the relevance that is right.

    Attributes
    ----------
    function
        From samples x features to a score per sample.
    x, reference, truth
        One number per feature.
    why
        Why the relevance is right.
    """

    function: Callable[[Tensor], Tensor]
    x: tuple[float, ...]
    reference: tuple[float, ...]
    truth: tuple[float, ...]
    why: str


def _linear(weight: list[list[float]], bias: list[float]) -> nn.Linear:
    layer = nn.Linear(len(weight[0]), len(weight)).double()
    layer.weight.data, layer.bias.data = torch.tensor(weight).double(), torch.tensor(bias).double()
    return layer


_SUM = _linear([[2.0, -1.0, 0.5]], [0.0])
_AND = _linear([[1.0, 1.0]], [-1.0])
_OR = _linear([[-1.0, -1.0]], [1.0])
_CONFLICT = _linear([[1.0, -1.0], [-1.0, 1.0]], [0.0, 0.0])
_ABSENT = _linear([[-1.0, 0.0], [0.0, 1.0]], [1.0, 0.0])
_LOGITS = _linear([[1.0, 3.0], [-1.0, 3.0]], [0.0, 0.0])
# A zigzag of slope +-20 around x: its gradient says nothing about where it leads.
_TEETH = torch.arange(0.0, 1.0, 0.05).double()


def _zigzag(x: Tensor) -> Tensor:
    slopes = torch.where(torch.arange(len(_TEETH)) % 2 == 0, 40.0, -40.0).double()
    slopes[0] = 20.0
    return x[:, 0] + (F.relu(x[:, :1] - _TEETH) * slopes).sum(1)


BEHAVIOURS = {
    "weighted sum": Behaviour(
        lambda x: _SUM(x)[:, 0], (1, 2, 3), (0, 0, 0), (2, -2, 1.5), "each feature's term"
    ),
    "and": Behaviour(
        lambda x: F.relu(_AND(x))[:, 0], (1, 1), (0, 0), (0.5, 0.5), "both are needed: Shapley values"
    ),
    "or": Behaviour(
        lambda x: 1 - F.relu(_OR(x))[:, 0], (1, 1), (0, 0), (0.5, 0.5), "saturation: either is enough"
    ),
    "product": Behaviour(lambda x: x[:, 0] * x[:, 1], (2, 3), (0, 0), (3, 3), "an interaction: Shapley values"),
    "product, of a reference": Behaviour(
        lambda x: x[:, 0] * x[:, 1], (2, 3), (1, 1), (2, 3), "(2 - 1) (3 + 1) / 2 and (3 - 1) (2 + 1) / 2"
    ),
    "conflict": Behaviour(
        lambda x: F.relu(_CONFLICT(x))[:, 0] - F.relu(_CONFLICT(x))[:, 1] + 0.0 * x[:, 0], (3, 2), (0, 0), (3, -2),
        "one for, one against",
    ),
    "absence": Behaviour(
        lambda x: F.relu(_ABSENT(x)).sum(1), (0, 2), (1, 0), (1, 2), "a feature that counts by being 0"
    ),
    "unused": Behaviour(
        lambda x: _SUM(torch.cat([x[:, :2], torch.zeros_like(x[:, 2:])], 1))[:, 0], (1, 1, 3), (0, 0, 0), (2, -1, 0),
        "what isn't used has none",
    ),
    "common to all classes": Behaviour(
        lambda x: _LOGITS(x)[:, 0] - _LOGITS(x)[:, 1], (1, 2), (0, 0), (2, 0), "it raises all logits alike"
    ),
    "zigzag": Behaviour(_zigzag, (0.83,), (0,), (float(_zigzag(torch.tensor([[0.83]]).double())),), "the whole rise"),
    "softmax pooling": Behaviour(
        lambda x: (torch.softmax(torch.zeros_like(x), 1) * x).sum(1), (4, 2), (0, 0), (2, 1), "a mean"
    ),
}  # fmt: skip
RULES = (ATTN_LRP, CP_LRP, GIM, EPSILON, EPSILON_PLUS, GAMMA, ALPHA_BETA, GRADIENT)
RIVALS = (
    rivals.integrated_gradients(200), rivals.smooth_gradient(200), rivals.gradient_shap(200), rivals.occlusion(),
    rivals.kernel_shap(500),
)  # fmt: skip


def explained(behaviour: Behaviour, method: RuleSet | Rival) -> Tensor:
    """Return the relevance that a method gives the features."""
    x, reference = (torch.tensor([values]).double() for values in (behaviour.x, behaviour.reference))
    if isinstance(method, Rival):
        return method.relevance(Problem(behaviour.function, (x,), (reference,), nn.Identity()))[0][0]
    if method.reads_reference:
        return relevance_against(behaviour.function, x, reference, rules=method)[0]
    x.requires_grad_()
    return relevance(behaviour.function(x), x, rules=method)[0]


def error(behaviour: Behaviour, method: RuleSet | Rival) -> float | None:
    """Return the error relative to the magnitude of the true relevance; None if the method refuses."""
    truth = torch.tensor(behaviour.truth).double()
    try:
        return float((explained(behaviour, method) - truth).abs().sum() / truth.abs().sum())
    except Exception as refusal:
        print(f"{method.name}: {refusal}")
        return None


def main() -> None:
    torch.manual_seed(0)
    methods = [*RULES, SECANT, SECANT_HALF, *RIVALS]
    rows = [
        {"method": method.name} | {name: error(behaviour, method) for name, behaviour in BEHAVIOURS.items()}
        for method in methods
    ]
    why = {name: behaviour.why for name, behaviour in BEHAVIOURS.items()}
    path = RESULTS / "evidence" / "behaviours.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"machine": machine(), "why": why, "right": RIGHT, "rows": rows}, indent=1) + "\n")
    for row in rows:
        cells = [f"{v:6.2f}" if isinstance(v, float) else f"{v!s:>6}" for k, v in row.items() if k != "method"]
        print(f"{row['method']:35}", *cells)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
