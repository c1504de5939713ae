"""Rule sets by their name on the command line."""

from enum import StrEnum

import lrp_domains


class Rules(StrEnum):
    """The names; ``.rule_set`` is the rule set itself."""

    ATTN_LRP = "attn-lrp"
    CP_LRP = "cp-lrp"
    MAMBA_LRP = "mamba-lrp"
    EPSILON = "epsilon"
    EPSILON_PLUS = "epsilon-plus"
    GAMMA = "gamma"
    ALPHA_BETA = "alpha-beta"
    GRADIENT = "gradient"

    @property
    def rule_set(self) -> lrp_domains.RuleSet:
        """The rule set of this name."""
        return getattr(lrp_domains, self.name)
