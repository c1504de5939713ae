"""The kinds of functions whose forms are compared."""

from __future__ import annotations

import functools

from lrp_domains import ALPHA_BETA, ATTN_LRP, CP_LRP, EPSILON, GAMMA, deep_taylor, epsilon

from . import (
    attention,
    attention_layers,
    attention_masks,
    attention_weights,
    convolutions,
    distances,
    experts,
    gated_units,
    gates,
    linear_attention,
    linear_layers,
    mixtures,
    one_tensor,
    picture_networks,
    products,
    recurrent,
    scans,
    sequence_networks,
)
from .comparison import Check, Kind, compare
from .heads import SEQUENCE
from .several_tensors import contexts

RULES = {"AttnLRP": ATTN_LRP, "CP-LRP": CP_LRP}
LAYER_RULES = {
    "AttnLRP": ATTN_LRP,
    "epsilon": EPSILON.for_nodes({"dense": epsilon(0.3), "convolution": epsilon(0.3)}),
    "gamma": GAMMA,
    "alpha-beta": ALPHA_BETA,
    "Deep Taylor": deep_taylor(-1.0, 1.0),
}
ATTENTION = attention.FAMILIES | attention_weights.FAMILIES | attention_masks.FAMILIES | attention_layers.FAMILIES

KINDS = {
    "functions of one tensor": Kind(one_tensor.FAMILIES, one_tensor.CONTEXTS, RULES),
    "gates": Kind(gates.FAMILIES, contexts(2), RULES),
    "gated units": Kind(gated_units.FAMILIES, contexts(2), RULES),
    "products of two tensors": Kind(products.FAMILIES_OF_TWO, contexts(2), RULES),
    "products of three tensors": Kind(products.FAMILIES_OF_THREE, contexts(3), RULES),
    "quotients and extremes": Kind(mixtures.PAIRS, contexts(2), RULES),
    "distances": Kind(distances.FAMILIES, contexts(2), RULES),
    "mixtures of three tensors": Kind(mixtures.TRIPLES, contexts(3), RULES),
    "mixtures of four tensors": Kind(mixtures.QUADRUPLES, contexts(4), RULES),
    "recurrent layers": Kind(recurrent.FAMILIES, recurrent.CONTEXTS, RULES),
    "attention": Kind(ATTENTION, contexts(3, SEQUENCE), RULES),
    "linear attention": Kind(linear_attention.FAMILIES, contexts(3, SEQUENCE), RULES),
    "gated scans": Kind(scans.FAMILIES, contexts(4, SEQUENCE), RULES),
    "mixtures of experts": Kind(experts.FAMILIES, contexts(2), RULES),
    "linear layers": Kind(linear_layers.FAMILIES, linear_layers.CONTEXTS, LAYER_RULES),
    "attention under layer rules": Kind(attention_layers.UNDER_LAYER_RULES, attention_layers.CONTEXTS, LAYER_RULES),
    "recurrent layers under layer rules": Kind(recurrent.UNDER_LAYER_RULES, recurrent.IN_A_BOX, LAYER_RULES),
    "convolutions": Kind(convolutions.FAMILIES, convolutions.CONTEXTS, LAYER_RULES),
    "networks for pictures": Kind(picture_networks.FAMILIES, picture_networks.CONTEXTS, RULES | LAYER_RULES),
    "networks for sequences": Kind(sequence_networks.FAMILIES, sequence_networks.CONTEXTS, RULES | LAYER_RULES),
}


@functools.cache
def checks(kind: str) -> tuple[Check, ...]:
    """Return all checks of a kind, computed once."""
    return tuple(compare(KINDS[kind]))
