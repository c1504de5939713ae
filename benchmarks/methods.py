"""The methods that are timed on a subject: predictions, gradients, and the explanations of this package."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

import lrp_domains
from lrp_domains import ATTN_LRP, CP_LRP, EPSILON, EPSILON_PLUS, RuleSet, ledger, relevance, relevance_against

from .subjects import LAYERED, Subject

Run = Callable[[], Tensor]
OURS = f"lrp_domains {lrp_domains.__version__}"
TORCH = f"torch {torch.__version__.split('+')[0]}"


@dataclass(frozen=True)
class Method:
    """A way to explain a subject.

    Attributes
    ----------
    library
        What computes it, with its version.
    prepare
        From a subject to the function that explains it; what it takes counts as part of the first call.
    gradients
        About what a call costs, in gradients. What would take minutes is run once, or not at all.
    same_as
        The method of this package that should give the same numbers.
    suits
        How the names of the subjects that it has rules for begin.
    alters
        Whether it alters the process or the model for good, so that no other method may run after it.
    """

    library: str
    prepare: Callable[[Subject], Run]
    gradients: float = 1.0
    same_as: str | None = None
    suits: tuple[str, ...] = ("",)
    alters: bool = False


def copied(subject: Subject) -> Subject:
    """Copy the model of a subject for a method that changes something on it."""
    return Subject(copy.deepcopy(subject.model), subject.x)


# ---- Baselines


def _prediction(subject: Subject) -> Run:
    def run() -> Tensor:
        with torch.no_grad():
            return subject.score(subject.x)

    return run


def gradient_times_input(score: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    x = x.detach().requires_grad_()
    (g,) = torch.autograd.grad(score(x).sum(), x)
    return x.detach() * g


def _gradient(subject: Subject) -> Run:
    return partial(gradient_times_input, subject.score, subject.x)


def _gradient_of_compiled_model(subject: Subject) -> Run:
    """Compile the model as users do: PyTorch then compiles its backward pass, too."""
    return partial(gradient_times_input, torch.compile(subject.score, fullgraph=True), subject.x)


def _compiled_gradient(subject: Subject) -> Run:
    """Compile the forward and the backward pass as one graph."""
    torch.compiler._is_compiling_flag = True  # transformers then makes masks without reading values
    try:
        graph = make_fx(partial(gradient_times_input, subject.score))(subject.x)
    finally:
        torch.compiler._is_compiling_flag = False
    compiled = torch.compile(graph)

    def run() -> Tensor:
        with torch.no_grad():
            return compiled(subject.x)

    return run


# ---- This package


def _eager(rules: RuleSet, subject: Subject) -> Run:
    def run() -> Tensor:
        x = subject.x.detach().requires_grad_()
        return relevance(subject.score(x), x, rules=rules)

    return run


def _of_layers(rules: RuleSet, subject: Subject) -> Run:
    """Explain with layer rules, which read the inputs of layers: autograd keeps them for weights that require grad."""
    network = copied(subject)
    network.model.requires_grad_(True)
    return _eager(rules, network)


def _ledger(subject: Subject) -> Run:
    def run() -> Tensor:
        x = subject.x.detach().requires_grad_()
        return ledger(subject.score(x), x).relevance[0]

    return run


def _against_zeros(subject: Subject) -> Run:
    return lambda: relevance_against(subject.score, subject.x, torch.zeros_like(subject.x))


def _compiled(backend: str, subject: Subject) -> Run:
    explain = lrp_domains.compile(subject.score, (subject.x,), rules=ATTN_LRP, backend=backend)

    def run() -> Tensor:
        found = explain(subject.x)[1]
        return found if isinstance(found, Tensor) else found[0]

    return run


_ours = partial(Method, OURS)


PREDICTION, GRADIENT = "prediction", "gradient x input"
COMPILED_GRADIENTS = ("gradient, compiled as one graph", "gradient of the compiled model")
EXPLAINED, COMPILED = "AttnLRP", "AttnLRP, compiled"

METHODS: dict[str, Method] = {
    PREDICTION: Method(TORCH, _prediction),
    GRADIENT: Method(TORCH, _gradient),
    COMPILED_GRADIENTS[0]: Method(TORCH, _compiled_gradient, same_as=GRADIENT),
    COMPILED_GRADIENTS[1]: Method(TORCH, _gradient_of_compiled_model, same_as=GRADIENT),
    EXPLAINED: _ours(partial(_eager, ATTN_LRP)),
    "CP-LRP": _ours(partial(_eager, CP_LRP)),
    "AttnLRP with ledger": _ours(_ledger, 2, same_as=EXPLAINED),
    "secants, reference of zeros": _ours(_against_zeros, 2),
    "epsilon": _ours(partial(_of_layers, EPSILON), 2, suits=LAYERED),
    "epsilon, z+": _ours(partial(_of_layers, EPSILON_PLUS), 3, suits=LAYERED),
}
if hasattr(lrp_domains, "compile"):
    METHODS |= {
        "AttnLRP, recorded": _ours(partial(_compiled, "eager"), same_as=EXPLAINED),
        COMPILED: _ours(partial(_compiled, "inductor"), same_as=EXPLAINED),
    }
