"""The rule sets that read a reference, for `relevance_against`.

===============  ======================================================================================================
`SECANT`         Every operation passes the difference between input and reference on exactly: complete.
`SECANT_HALF`    The same with half a share for queries and keys: ranks words better, isn't complete.
===============  ======================================================================================================
"""

from __future__ import annotations

from functools import partial

from ..rules.embeddings import lookup
from ..rules.rulesets import RuleSet
from . import attention, elementwise, gates, masks, norms, products, selections, softmaxes
from .pairs import secant_rule


def _operations(share_of_scores: float) -> dict:
    product = products.product(share_of_scores)
    fused = partial(attention.backward, share_of_scores)
    return {
        "dense": product,
        "convolution": product,
        "product": product,
        "scaling": gates.scaling,
        "interpolation": gates.interpolation,
        "attention": secant_rule("secant, block by block", fused),
        "softmax": softmaxes.softmax,
        "activation": elementwise.elementwise,
        "glu": gates.glu,
        "statistic": norms.statistic,
        "norm": norms.norm,
        "batch_norm": norms.batch_norm_secant,
        "embedding": lookup,
        "in_place": gates.slice_write_secant,
        "linear": masks.linear,
        "piecewise": selections.piecewise,
        "step": selections.step,
        # Of a threshold, autograd doesn't keep the value below it.
        "ThresholdBackward0": selections.step,
        "ThresholdBackward1": selections.step,
        "LogSoftmaxBackward0": softmaxes.log_softmax,
        "LogsumexpBackward0": softmaxes.logsumexp,
    }


SECANT = RuleSet("secant", _operations(1.0), reads_reference=True)
"""Every operation passes the difference between an input and its reference on exactly: complete, also for transformers.
"""

SECANT_HALF = RuleSet("secant, queries and keys half", _operations(0.5), reads_reference=True)
"""`SECANT` with half a share for queries and keys, as in AttnLRP: not complete."""
