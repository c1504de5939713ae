"""Rule sets, as data: which rule applies to which operation.

===========================  ==================================================================================
`ATTN_LRP`                   Achtibat et al. 2024: for transformers and everything else. The default.
`CP_LRP`                     Ali et al. 2022: attention weights and gates constant. Conserves relevance to rounding.
`MAMBA_LRP`                  Jafari et al. 2024: B, C and Delta of Mamba's state spaces constant. Requires ``model=``.
`GIM`                        Edin et al. 2025: AttnLRP with softmaxes at temperature 2, the derivative of activations.
`GRADIENT`                   Plain gradient x input without any rules, as a control.
`EPSILON`                    Bach et al. 2015: the epsilon rule at every dense layer and convolution.
`GAMMA`                      Montavon et al. 2019: the gamma rule at every layer, for ReLU networks.
`ALPHA_BETA`                 Bach et al. 2015: alpha 2, beta 1 at every layer.
`EPSILON_PLUS`               Montavon et al. 2019: z+ for convolutions, epsilon for dense layers.
`deep_taylor(low, high)`     Montavon et al. 2017: zB at the first layer, z+ above, for bounded inputs: pictures.
`EPSILON_PLUS_FLAT`          Lapuschkin et al. 2019: flat at the first layer, z+ for convolutions, epsilon for dense.
`EPSILON_ALPHA2_BETA1_FLAT`  Lapuschkin et al. 2019: the same with alpha 2 and beta 1 for convolutions.
`EPSILON_GAMMA_BOX(...)`     Montavon et al. 2019: zB at the first layer, gamma for convolutions, epsilon for dense.
===========================  ==================================================================================

The last eight use `ATTN_LRP`'s rules for all operations other than layers. The last three are the composites of
zennit (Anders et al. 2021): each layer is a neuron of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import torch

from ..errors import RelevanceError
from ..rule import Rule, constant, gradient, others_constant, winner
from .activations import derivative, identity
from .attention import uniform_attention, value_attention
from .embeddings import lookup
from .first_layers import flat, z_box
from .gates import glu, interpolation
from .in_place import slice_write
from .layers import alpha_beta, epsilon, gamma
from .norms import batch_norm, norm, statistic
from .products import signal, uniform, uniform_with_derivatives
from .state_spaces import state_space
from .temperature import tempered

# The operations that a rule set has rules for, and AttnLRP's rules for them.
_ATTN_LRP = {
    "dense": gradient,  # a linear map with weights; LRP-0 is the derivative
    "convolution": gradient,
    "product": uniform,
    "scaling": others_constant,
    "interpolation": interpolation,
    "attention": uniform_attention,
    "softmax": gradient,  # its Taylor expansion at x
    "activation": identity,
    "glu": glu,
    "statistic": statistic,
    "norm": norm,
    "batch_norm": batch_norm,
    "embedding": lookup,
    "in_place": slice_write,
    "linear": gradient,
    "piecewise": winner,
    "step": constant,  # its derivative is 0
}


@dataclass(frozen=True)
class RuleSet:
    """A rule for each operation, with exceptions.

    Attributes
    ----------
    name
        The set's name in tables, files and reports.
    operations
        From an operation (``"dense"``, ``"softmax"``, ...; see `RuleSet.table`) or the name of an autograd node
        (``"MyFunctionBackward"``) to its rule. The name of a node takes precedence over its operation.
    first
        The rule for layers that read an input directly, if it differs.
    overrides
        Pairs of a glob over parameter names and the rule for the nodes that use such a parameter; a layer rule applies
        only to the layers among them. The last match takes precedence.
    reads_reference
        Whether the rules read a reference too, for `relevance_against`.
    joint
        Whether layers whose results are added make one neuron, which a layer rule shares as a whole. If not, each layer
        is a neuron of its own, and a sum of several shares in proportion to what they add.
    names_nodes
        Whether some of the operations are names of nodes.
    """

    name: str
    operations: Mapping[str, Rule]
    first: Rule | None = None
    overrides: tuple[tuple[str, Rule], ...] = ()
    reads_reference: bool = False
    joint: bool = True
    names_nodes: bool = field(init=False, repr=False, compare=False, default=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "operations", MappingProxyType(dict(self.operations)))
        for rule in (self.first, *self.operations.values(), *(rule for _, rule in self.overrides)):
            if not isinstance(rule, Rule | None):
                raise RelevanceError(
                    f"rule set {self.name}: {rule!r} is not a rule; use constant, gradient, epsilon(), gamma(), ..."
                )
        object.__setattr__(self, "names_nodes", any("Backward" in key for key in self.operations))

    def where(self, overrides: Mapping[str, Rule]) -> RuleSet:
        """Return this set with other rules where a parameter's name matches a glob. The call then requires ``model=``.

        >>> ATTN_LRP.where({"head.*": epsilon(1e-6), "*.q_proj.weight": constant})
        """
        name = ", ".join(f"{glob}: {rule}" for glob, rule in overrides.items())
        return replace(self, name=f"{self.name} where {name}", overrides=(*self.overrides, *overrides.items()))

    def for_nodes(self, rules: Mapping[str, Rule]) -> RuleSet:
        """Return this set with other rules for some operations or autograd nodes, such as a third party's Function.

        >>> ATTN_LRP.for_nodes({"softmax": constant, "MyFunctionBackward": Rule("mine", backward=my_backward)})
        """
        unknown = [key for key in rules if key not in GRADIENT.operations and "Backward" not in key]
        if unknown:
            raise RelevanceError(
                f"{unknown[0]!r} is neither an operation ({', '.join(GRADIENT.operations)}) nor the name of an "
                "autograd node"
            )
        name = ", ".join(f"{key}: {rule}" for key, rule in rules.items())
        return replace(self, name=f"{self.name} with {name}", operations={**self.operations, **rules})

    def table(self) -> str:
        """Return the set as text, one line per operation."""
        rows = [
            *self.operations.items(),
            *([("first layer", self.first)] if self.first else []),
            *([] if self.joint else [("sum of layers", gradient)]),
            *self.overrides,
        ]
        width = max(len(key) for key, _ in rows)
        return "\n".join([self.name, *(f"  {key:<{width}}  {rule}" for key, rule in rows)])

    def __repr__(self) -> str:
        return f"RuleSet({self.name})"


def _with_layers(
    name: str, dense: Rule, convolution: Rule, first: Rule | None = None, *, joint: bool = True
) -> RuleSet:
    return RuleSet(name, {**_ATTN_LRP, "dense": dense, "convolution": convolution}, first, joint=joint)


ATTN_LRP = RuleSet("AttnLRP", _ATTN_LRP)
"""The default: for transformers and all other architectures (Achtibat et al. 2024)."""

CP_LRP = RuleSet("CP-LRP", {**_ATTN_LRP, "product": signal, "attention": value_attention, "softmax": constant})
"""Attention weights and gates constant; conserves relevance to rounding (Ali et al. 2022)."""

MAMBA_LRP = RuleSet("MambaLRP", _ATTN_LRP, overrides=(("*.D", state_space),))
"""B, C and Delta of Mamba's state spaces constant (Jafari et al. 2024). Requires ``model=``."""

GIM = RuleSet(
    "GIM",
    {
        **_ATTN_LRP,
        "product": uniform_with_derivatives,
        "attention": tempered(2),
        "softmax": tempered(2),
        "activation": derivative,
        "statistic": gradient,
    },
)
"""AttnLRP with softmaxes at temperature 2 and the plain derivative of activations (Edin et al. 2025)."""

GRADIENT = RuleSet("gradient x input", dict.fromkeys([*_ATTN_LRP, "unknown", "refused"], gradient))
"""Plain gradient x input without any rules, as a control."""

EPSILON = _with_layers("LRP-epsilon", epsilon(), epsilon())
"""The epsilon rule for every dense layer and convolution (Bach et al. 2015)."""

GAMMA = _with_layers("LRP-gamma", gamma(), gamma())
"""The gamma rule for every layer, for ReLU networks (Montavon et al. 2019)."""

ALPHA_BETA = _with_layers("LRP-alpha2beta1", alpha_beta(2, 1), alpha_beta(2, 1))
"""The alpha-beta rule with alpha 2 and beta 1 for every layer (Bach et al. 2015)."""

EPSILON_PLUS = _with_layers("LRP-epsilon-plus", epsilon(), alpha_beta(1, 0))
"""z+ for convolutions, epsilon for dense layers (Montavon et al. 2019)."""


def deep_taylor(low: float | torch.Tensor, high: float | torch.Tensor) -> RuleSet:
    """Deep Taylor decomposition for inputs in ``[low, high]``, such as the pixels of an image.

    zB for the layers that read an input, z+ for all others (Montavon et al. 2017). The bounds are numbers or tensors
    that broadcast to the input, such as ``(1, 3, 1, 1)`` for channels that were normalised separately.
    """
    return _with_layers("Deep Taylor", alpha_beta(1, 0), alpha_beta(1, 0), first=z_box(low, high))


# ---- Composites of the literature, as zennit defines them: each layer is a neuron

EPSILON_PLUS_FLAT = _with_layers("LRP-epsilon-plus-flat", epsilon(), alpha_beta(1, 0), first=flat(), joint=False)
"""For pictures: flat for the layers that read an input, z+ for other convolutions, epsilon for other dense layers
(Lapuschkin et al. 2019; Kohlbrenner et al. 2020). It equals zennit's ``EpsilonPlusFlat``."""

EPSILON_ALPHA2_BETA1_FLAT = _with_layers(
    "LRP-epsilon-alpha2beta1-flat", epsilon(), alpha_beta(2, 1), first=flat(), joint=False
)
"""For pictures: flat for the layers that read an input, alpha 2 and beta 1 for other convolutions, epsilon for other
dense layers (Lapuschkin et al. 2019; Kohlbrenner et al. 2020). It equals zennit's ``EpsilonAlpha2Beta1Flat``."""


def EPSILON_GAMMA_BOX(low: float | torch.Tensor, high: float | torch.Tensor) -> RuleSet:
    """Return the composite for pictures whose pixels are in ``[low, high]``.

    zB for the layers that read an input, gamma 0.25 for other convolutions, epsilon for other dense layers (Montavon et
    al. 2019). It equals zennit's ``EpsilonGammaBox``. The bounds are those of `deep_taylor`: of the model's input, also
    where the model normalises it.
    """
    return _with_layers("LRP-epsilon-gamma-box", epsilon(), gamma(), first=z_box(low, high), joint=False)
