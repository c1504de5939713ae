"""MambaLRP in every family of transformers that has a state space."""

import re
import sys

import pytest
import torch
import transformers

from lrp_domains import ATTN_LRP, CP_LRP, ledger, state_space
from tests.architectures.small_configs import OVERRIDES
from tests.architectures.zoo import perturb, shrink

from .mamba_models import explained
from .state_space_loops import TIGHT

_MAMBA2 = {"mamba_n_groups": 2, "mamba_chunk_size": 4, "mamba_d_state": 4}
FAMILIES = {
    "mamba": {},
    "falcon_mamba": {},
    "jamba": OVERRIDES["jamba"],
    "zamba": OVERRIDES["zamba"],
    "mamba2": OVERRIDES["mamba2"],
    "bamba": _MAMBA2 | {"mamba_n_heads": 8, "attn_layer_indices": [1]},
    "falcon_h1": _MAMBA2 | {"mamba_d_ssm": 32, "mamba_n_heads": 4, "mamba_d_head": 8},
    "granitemoehybrid": _MAMBA2 | {"mamba_n_heads": 8, "layers_block_type": ["mamba", "attention"]},
    "nemotron_h": {"mamba_num_heads": 8, "mamba_head_dim": 8, "n_groups": 2, "ssm_state_size": 4, "chunk_size": 4},
    "zamba2": OVERRIDES["zamba2"],
}


def with_constants(scan):
    def run(u, delta, A, B, C, *others, dt_bias=None, delta_bias=None, **options):
        biases = {"dt_bias": dt_bias, "delta_bias": delta_bias}
        options |= {name: bias.detach() for name, bias in biases.items() if bias is not None}
        return scan(u, delta.detach(), A.detach(), B.detach(), C.detach(), *others, **options)

    return run


@pytest.mark.slow
@pytest.mark.parametrize("padded", [False, True], ids=["", "padded"])
@pytest.mark.parametrize("family", FAMILIES)
def test_in_every_family_the_parameters_of_the_scan_are_constant(family, padded, monkeypatch):
    """MambaLRP equals AttnLRP with B, C, Delta and A detached before the scan, as in the code of the paper."""
    config = shrink(transformers.AutoConfig.for_model(family), FAMILIES[family])
    options = {} if family in ("mamba", "mamba2", "falcon_mamba") else {"experts_implementation": "eager"}
    torch.manual_seed(0)
    model = transformers.AutoModelForCausalLM.from_config(config, **options)
    perturb(model, torch.Generator().manual_seed(0))
    model.double().eval()
    words = torch.arange(10, 24).view(2, 7)
    mask = (torch.arange(7) >= torch.tensor([[2 * padded], [0]])).long()
    actual = explained(model, words=words, attention_mask=mask)
    account = explained(model, CP_LRP.where({"*.D": state_space}), ledger, words=words, attention_mask=mask)
    assert account.balanced(1e-10)

    module = sys.modules[type(model).__module__]
    name = next(name for name in ("mamba2_chunk_scan", "mamba_selective_scan") if hasattr(module, name))
    monkeypatch.setattr(module, name, with_constants(getattr(module, name)))
    torch.testing.assert_close(actual, explained(model, ATTN_LRP, words=words, attention_mask=mask), **TIGHT)
    assert any(re.search(r"\.D$", name) for name, _ in model.named_parameters())
