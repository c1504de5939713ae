"""What MambaLRP refuses: models without a state space, scans that aren't linear, skips that can't be seen."""

import pytest
import torch
import transformers
from torch import nn
from torch.utils.checkpoint import checkpoint

from lrp_domains import MAMBA_LRP, RelevanceError, relevance

from .hand_written_scans import Selective, network, run, steps
from .mamba_models import CLASS, SIZES, WORDS, forward, model_of
from .state_space_loops import TIGHT


def test_mamba_lrp_without_the_model_is_refused():
    score, x = forward(model_of("mamba"))
    with pytest.raises(RelevanceError, match="MambaLRP names parameters: pass model="):
        relevance(score, x, rules=MAMBA_LRP)


def test_a_model_without_a_state_space_is_refused():
    model, x = nn.Linear(5, 2), torch.randn(1, 5, requires_grad=True)
    with pytest.raises(RelevanceError, match=r"no parameter of the model matches '\*.D'"):
        relevance(model(x)[:, 1], x, rules=MAMBA_LRP, model=model)


def test_a_skip_parameter_without_a_trace_is_refused():
    model = transformers.MambaForCausalLM(transformers.MambaConfig(**SIZES, time_step_rank=2)).bfloat16().eval()
    x = model.get_input_embeddings()(WORDS).detach().requires_grad_()

    def score():
        return model(inputs_embeds=x, use_cache=False).logits[:, -1, CLASS]

    assert relevance(score(), x, rules=MAMBA_LRP, model=model).isfinite().all()
    model.requires_grad_(False)
    with pytest.raises(RelevanceError, match=r"layers\.0\.mixer\.D cannot be seen .* model\.requires_grad_\(True\)"):
        relevance(score(), x, rules=MAMBA_LRP, model=model)


def squared(u, delta, A, B, C):
    return steps(u, delta, A, B * u[..., :1], C)


def activated(u, delta, A, B, C):
    return steps(u.tanh(), delta, A, B, C)


def divided(u, delta, A, B, C):
    return steps(delta / (2 + u), delta, A, B, C)


def running(u, delta, A, B, C):
    return steps(u.cumprod(1), delta, A, B, C)


@pytest.mark.parametrize(
    ("scan", "words"),
    [
        (squared, "MulBackward0 between u and y isn't linear in u"),
        (activated, "TanhBackward0 between u and y isn't linear in u"),
        (divided, "DivBackward0 between u and y isn't linear in u"),
        (running, "CumprodBackward0 between u and y isn't linear in u"),
        (lambda u, delta, A, B, C: torch.sigmoid(delta), "it isn't added to what a state space makes of u"),
        (lambda u, delta, A, B, C: 1.0, "it isn't added to what a state space makes of u"),
    ],
    ids=["squared", "activated", "divided", "running", "not of u", "nothing"],
)
def test_a_scan_that_is_not_a_state_space_is_refused(scan, words):
    model, x = network(scan=scan), torch.randn(1, 6, 5, dtype=torch.float64, requires_grad=True)
    with pytest.raises(RelevanceError, match=rf"mixer\.D is not the skip D u of a state space: {words}"):
        relevance(run(model, x), x, rules=MAMBA_LRP, model=model)


def test_a_state_space_that_a_checkpoint_hides_is_refused():
    model, x = network(), torch.randn(1, 6, 5, dtype=torch.float64, requires_grad=True)

    def score():
        return model["head"](checkpoint(model["mixer"], x, use_reentrant=False))[:, -1, 1]

    expected = relevance(run(model, x), x, rules=MAMBA_LRP, model=model)
    torch.testing.assert_close(relevance(score(), x, rules=MAMBA_LRP, model=model), expected, **TIGHT)
    model.requires_grad_(False)
    with pytest.raises(RelevanceError, match=r"mixer\.D cannot be seen in the graph"):
        relevance(score(), x, rules=MAMBA_LRP, model=model)


def test_a_hidden_state_space_beside_another_is_refused():
    model, x = network(), torch.randn(1, 6, 5, dtype=torch.float64, requires_grad=True)
    model["beside"] = Selective().double()
    model["mixer"].D.requires_grad_(False)
    y = checkpoint(model["mixer"], x, use_reentrant=False) + model["beside"](x)
    with pytest.raises(RelevanceError, match=r"mixer\.D cannot be seen in the graph"):
        relevance(model["head"](y)[:, -1, 1], x, rules=MAMBA_LRP, model=model)


def test_the_state_space_rule_does_not_change_values_above_the_state_spaces():
    model, x = network(), torch.randn(1, 6, 5, dtype=torch.float64, requires_grad=True)
    h = model["mixer"](x)
    score = model["head"](h)[:, -1, 1]
    actual = relevance(score, h, rules=MAMBA_LRP, model=model, retain_graph=True)
    torch.testing.assert_close(actual, relevance(score, h), rtol=0, atol=0)
    h = h.detach().requires_grad_()
    with pytest.raises(RelevanceError, match="this rule isn't needed"):
        relevance(model["head"](h)[:, -1, 1], h, rules=MAMBA_LRP, model=model)
