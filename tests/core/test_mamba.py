"""MambaLRP of Mamba and Mamba-2: the equations of the paper in loops, and the table of rules."""

import pytest
import torch
from torch.nn import functional as F

from lrp_domains import ATTN_LRP, CP_LRP, GRADIENT, MAMBA_LRP, constant, explain_rules, ledger, relevance, state_space

from .mamba_models import CLASS, WORDS, all_in_float64, explained, forward, model_of
from .state_space_loops import TIGHT, Convolution, Linear, StateSpace

RULE = "state space: B, C, Delta constant"

# ---- The paper's equations in loops --------------------------------------------------------------------------


def normed(x, norm, groups=1):
    """Compute an RMSNorm; as its scale is constant, relevance passes it unchanged."""
    rows = x.view(len(x), groups, -1)
    return (rows / (rows.square().mean(-1, keepdim=True) + norm.variance_epsilon).sqrt()).view_as(x) * norm.weight


def mixed(x, mixer, of_y=None):
    """Return the output of a mixer of Mamba or Mamba-2; or, given the relevance of the output, the relevance of x."""
    is_first = hasattr(mixer, "x_proj")

    projection = Linear(x, mixer.in_proj.weight, mixer.in_proj.bias)
    if is_first:
        before, z = projection.y.chunk(2, 1)
    else:
        z, before, step = projection.y.split([mixer.intermediate_size, mixer.conv_dim, mixer.num_heads], 1)
    convolution = Convolution(before, mixer.conv1d.weight, mixer.conv1d.bias)
    u, A = F.silu(convolution.y), -mixer.A_log.exp()

    if is_first:
        states, rank = mixer.ssm_state_size, mixer.time_step_rank
        step, B, C = (u @ mixer.x_proj.weight.T).split([rank, states, states], 1)
        B, C = (part[:, None].expand(-1, u.shape[1], -1) for part in (B, C))
        delta = F.softplus(step @ mixer.dt_proj.weight.T + mixer.dt_proj.bias)
        state_space = StateSpace(u, delta, A, B, C, mixer.D)
    else:
        shared = mixer.n_groups * mixer.ssm_state_size
        u, B, C = u.split([mixer.intermediate_size, shared, shared], 1)
        head = [c // mixer.head_dim for c in range(mixer.intermediate_size)]  # per channel
        group = [h // (mixer.num_heads // mixer.n_groups) for h in head]
        B, C = (part.view(len(x), mixer.n_groups, -1)[:, group] for part in (B, C))
        delta = F.softplus(step + mixer.dt_bias)[:, head]
        state_space = StateSpace(u, delta, A[head][:, None].expand(-1, B.shape[2]), B, C, mixer.D[head])

    gated = state_space.y * F.silu(z)
    if not is_first:
        gated = normed(gated, mixer.norm, mixer.n_groups)
    result = Linear(gated, mixer.out_proj.weight, mixer.out_proj.bias)
    if of_y is None:
        return result.y

    halves = result.back(of_y) / 2  # one for y, one for the gate
    of_u = state_space.back(halves)
    of_parts = of_u if is_first else torch.cat([of_u, torch.zeros(len(x), 2 * shared, dtype=x.dtype)], 1)
    of_before = convolution.back(of_parts)
    of_step = [] if is_first else [torch.zeros_like(step)]
    return projection.back(torch.cat([of_before, halves] if is_first else [halves, of_before, *of_step], 1))


def by_loops(model, embeddings):
    """Return the logit at the last token, and the relevance of the embeddings."""
    inputs, x = [], embeddings
    for layer in model.backbone.layers:
        inputs.append((x, normed(x, layer.norm)))
        x = x + mixed(inputs[-1][1], layer.mixer)
    head = Linear(normed(x, model.backbone.norm_f), model.lm_head.weight)
    R = torch.zeros_like(head.y)
    R[-1, CLASS] = head.y[-1, CLASS]
    R, y = head.back(R), x
    for layer, (x, inner) in zip(reversed(model.backbone.layers), reversed(inputs), strict=True):
        of_mixer = R * (y - x) / y
        R, y = R - of_mixer + mixed(inner, layer.mixer, of_mixer), x
    return head.y[-1, CLASS], R


@pytest.mark.parametrize("kind", ["mamba", "mamba2"])
def test_mamba_lrp_equals_the_equations_in_loops(kind):
    model = model_of(kind)
    score, x = forward(model)
    with torch.no_grad():
        expected_score, expected = by_loops(model, x[0])
    torch.testing.assert_close(score[0], expected_score, **TIGHT)
    torch.testing.assert_close(relevance(score, x, rules=MAMBA_LRP, model=model)[0], expected, **TIGHT)


@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP, GRADIENT], ids=str)
@pytest.mark.parametrize("kind", ["mamba", "mamba2"])
def test_mamba_lrp_differs_from_the_other_sets(kind, rules):
    model = model_of(kind)
    of_mamba_lrp, of_other = explained(model), explained(model, rules)
    assert (of_mamba_lrp - of_other).abs().max() > 1e-3 * of_mamba_lrp.abs().max()


# ---- The same model in other forms ---------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3, 16])
def test_the_size_of_chunks_does_not_matter(size):
    actual, expected = (explained(model_of("mamba2", chunk_size=chunk)) for chunk in (size, 4))
    torch.testing.assert_close(actual, expected, **TIGHT)


@pytest.mark.parametrize("kind", ["mamba", "mamba2"])
def test_a_step_from_a_cached_state_equals_the_last_step_of_the_whole_text(kind, monkeypatch):
    model = model_of(kind)
    with all_in_float64(), torch.no_grad():
        cache = model(WORDS[:, :-1], use_cache=True).cache_params
    monkeypatch.setattr(torch.Tensor, "copy_", lambda state, *others: state)  # or the step overwrites the state it read
    score, x = forward(model, WORDS[:, -1:], cache_params=cache, use_cache=True)
    monkeypatch.undo()
    actual = relevance(score, x, rules=MAMBA_LRP, model=model)
    torch.testing.assert_close(actual[0, 0], explained(model)[0, -1], **TIGHT)


@pytest.mark.parametrize("unfrozen", ["", "D"], ids=["all", "all but D"])
@pytest.mark.parametrize("kind", ["mamba", "mamba2"])
def test_frozen_parameters_do_not_change_the_relevance(kind, unfrozen):
    model = model_of(kind)
    expected = explained(model)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.split(".")[-1] == unfrozen)
    torch.testing.assert_close(explained(model), expected, **TIGHT)


@pytest.mark.parametrize("kind", ["mamba", "mamba2"])
def test_relevance_is_conserved_under_mamba_lrp(kind):
    account = explained(model_of(kind), of=ledger)
    assert account.balanced(1e-12) and account.notes == ()
    assert not any(".D" in name or name.startswith("(closed") for name in account.leaves)


def test_for_mamba_a_constant_x_proj_layer_is_equivalent():
    """This layer computes B, C and Delta, and nothing else."""
    model = model_of("mamba")
    by_layer = ATTN_LRP.where({"*.x_proj.weight": constant})
    torch.testing.assert_close(explained(model, by_layer), explained(model), rtol=0, atol=0)


# ---- The table of rules --------------------------------------------------------------------------------------


def test_mamba_lrp_is_attn_lrp_with_one_more_row():
    assert dict(MAMBA_LRP.operations) == dict(ATTN_LRP.operations) and MAMBA_LRP.first is None
    assert dict(MAMBA_LRP.overrides) == {"*.D": state_space}


def test_the_table_shows_the_constants_of_the_state_spaces():
    table = explained(model_of("mamba"), of=explain_rules)
    assert str(table).splitlines()[0] == "rules of MambaLRP"
    scan_rows = [row for row in table.rows if row.rule == RULE]
    assert {(row.node, row.operation, row.factors, row.count) for row in scan_rows} == {
        ("MulBackward0", "product", "", 2),  # D u
        ("MulBackward0", "product", "signal 0, activated 1", 2),  # Delta B times u
        ("MulBackward0", "product", "gate 0, signal 1", 16),  # exp(Delta A) h, after the first step
        ("BmmBackward0", "product", "signal 1, signal 0", 18),  # h C
    }
    closed = {module for row in table.rows if "nothing flows" in row.rule for module in row.modules}
    assert {f"backbone.layers.{layer}.mixer.{name}" for layer in (0, 1) for name in ("x_proj", "dt_proj")} <= closed
    assert f"  *.D            {RULE}" in MAMBA_LRP.table().splitlines()
