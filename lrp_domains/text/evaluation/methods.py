"""The methods that explained texts are compared by, by name."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType

from ... import ATTN_LRP, CP_LRP, EPSILON, GIM, GRADIENT, SECANT, SECANT_HALF, RuleSet
from ...evaluation import rivals
from ...evaluation.rivals import Rival
from ..running.residue import conserves


@dataclass(frozen=True)
class Method:
    """How texts are explained: by rules or a rival, and whether against a reference."""

    rules: RuleSet | Rival
    against_reference: bool = False

    @property
    def conserves(self) -> bool:
        """Whether the rules leave no remainder; others do so in any model, which says nothing about this one."""
        return isinstance(self.rules, RuleSet) and (self.rules.name == SECANT.name or conserves(self.rules))


METHODS = MappingProxyType(
    {
        "attn-lrp": Method(ATTN_LRP),
        "cp-lrp": Method(CP_LRP),
        "gim": Method(GIM),
        "epsilon": Method(EPSILON),
        "secant": Method(SECANT, against_reference=True),
        "secant-half": Method(SECANT_HALF, against_reference=True),
        "attn-lrp-midpoints": Method(rivals.midpoints(4), against_reference=True),
        "gradient": Method(GRADIENT),
        "integrated-gradients": Method(rivals.integrated_gradients(50), against_reference=True),
        "smooth-gradient": Method(rivals.smooth_gradient(25), against_reference=True),
        "gradient-shap": Method(rivals.gradient_shap(25), against_reference=True),
        "deeplift": Method(rivals.deeplift(), against_reference=True),
        "kernel-shap": Method(rivals.kernel_shap(200), against_reference=True),
        "lime": Method(rivals.lime(200), against_reference=True),
        "occlusion": Method(rivals.occlusion(), against_reference=True),
        "attention": Method(rivals.last_attention(0)),
        "rollout": Method(rivals.rollout(0)),
        "random": Method(rivals.random_relevance()),
    }
)
"""Every method by the name that the command line has for it."""

UNIT = "gradient"
"""The method that costs one gradient."""
DEFAULT = (
    "attn-lrp",
    "cp-lrp",
    "secant",
    "secant-half",
    "attn-lrp-midpoints",
    "gradient",
    "integrated-gradients",
    "occlusion",
    "random",
)
"""Those that are compared unless others are named."""
