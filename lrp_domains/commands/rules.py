"""Rule sets by their name on the command line."""

from enum import StrEnum


class Rules(StrEnum):
    """The names."""

    ATTN_LRP = "attn-lrp"
    CP_LRP = "cp-lrp"
    EPSILON = "epsilon"
    GAMMA = "gamma"
    ALPHA_BETA = "alpha-beta"
    GRADIENT = "gradient"
