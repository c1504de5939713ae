"""MambaLRP: the state spaces of Mamba and Mamba-2, against loops over their equations and in all families with one."""

import math
import re
import sys
from contextlib import contextmanager

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from lrp_domains import (
    ATTN_LRP,
    CP_LRP,
    GAMMA,
    GRADIENT,
    MAMBA_LRP,
    RelevanceError,
    Rule,
    UnknownOperation,
    constant,
    explain_rules,
    ledger,
    relevance,
    state_space,
)
from tests.architectures.small_configs import OVERRIDES
from tests.architectures.zoo import perturb, shrink

transformers = pytest.importorskip("transformers")
TIGHT = {"rtol": 1e-10, "atol": 1e-12}
WORDS = torch.tensor([[3, 5, 7, 1, 9, 12, 4, 4, 18]])
CLASS = 3
RULE = "state space: B, C, Delta constant"
OF_STATE_SPACES = {"*.D": state_space}


# ---- Jafari et al. 2024 in loops: relevance R of each tensor, from the output to the input ---------------------


class Linear:
    """y_j = sum_i w_ji x_i + b_j, per token; LRP-0."""

    def __init__(self, x, weight, bias=None):
        self.x, self.weight = x, weight
        self.y = x @ weight.T + (0 if bias is None else bias)

    def back(self, R):
        return self.x * ((R / self.y) @ self.weight)


class Convolution:
    """One filter per channel, over the preceding tokens; LRP-0."""

    def __init__(self, x, weight, bias):
        self.x, self.weight, self.width = x, weight[:, 0], weight.shape[2]
        self.y = bias.repeat(len(x), 1)
        for t, c, k in self.terms():
            self.y[t, c] += self.weight[c, k] * x[t - self.width + 1 + k, c]

    def terms(self):
        tokens, channels = self.x.shape
        steps = ((t, k) for t in range(tokens) for k in range(self.width) if t - self.width + 1 + k >= 0)
        return [(t, c, k) for t, k in steps for c in range(channels)]

    def back(self, R):
        of_x = torch.zeros_like(self.x)
        for t, c, k in self.terms():
            s = t - self.width + 1 + k
            of_x[s, c] += self.weight[c, k] * self.x[s, c] / self.y[t, c] * R[t, c]
        return of_x


class StateSpace:
    """h = exp(Delta A) h' + Delta B u and y = C h + D u; Delta (T, c), B, C (T, c, n), A (c, n) and D (c,) constant."""

    def __init__(self, u, delta, A, B, C, D):
        self.u, self.delta, self.A, self.B, self.C, self.D = u, delta, A, B, C, D
        (tokens, channels), states = u.shape, A.shape[1]
        self.indices = [(t, c, n) for t in range(tokens) for c in range(channels) for n in range(states)]
        self.h, self.y = torch.zeros(tokens, channels, states, dtype=u.dtype), D * u
        for t, c, n in self.indices:
            self.h[t, c, n] = self.delta[t, c] * B[t, c, n] * u[t, c] + (self.carried(t, c, n) if t else 0)
            self.y[t, c] += C[t, c, n] * self.h[t, c, n]

    def carried(self, t, c, n):
        return math.exp(self.delta[t, c] * self.A[c, n]) * self.h[t - 1, c, n]

    def back(self, R):
        of_u, of_h = self.D * self.u / self.y * R, torch.zeros_like(self.h)
        for t, c, n in reversed(self.indices):
            h = self.h[t, c, n]
            of_h[t, c, n] += self.C[t, c, n] * h / self.y[t, c] * R[t, c]
            of_u[t, c] += self.delta[t, c] * self.B[t, c, n] * self.u[t, c] / h * of_h[t, c, n]
            if t:
                of_h[t - 1, c, n] += self.carried(t, c, n) / h * of_h[t, c, n]
        return of_u


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


# ---- Models ----------------------------------------------------------------------------------------------------


@contextmanager
def all_in_float64():
    """Temporarily replace float32 by float64, as Mamba casts to float32."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.Tensor, "float", torch.Tensor.double)
        patch.setattr(torch, "float32", torch.float64)
        yield


SIZES = {
    "vocab_size": 20, "hidden_size": 6, "state_size": 3, "num_hidden_layers": 2, "expand": 2, "conv_kernel": 3,
    "use_bias": True,
}  # fmt: skip


def model_of(kind, **sizes):
    torch.manual_seed(0)
    if kind == "mamba":
        model = transformers.MambaForCausalLM(transformers.MambaConfig(**SIZES, time_step_rank=2, **sizes))
    else:
        sizes = {"num_heads": 4, "head_dim": 3, "n_groups": 2, "chunk_size": 4} | sizes
        model = transformers.Mamba2ForCausalLM(transformers.Mamba2Config(**SIZES, **sizes))
    perturb(model, torch.Generator().manual_seed(0), 0.3)
    return model.double().eval()


def forward(model, words=WORDS, **options):
    with all_in_float64():
        x = model.get_input_embeddings()(words).detach().requires_grad_()
        return model(inputs_embeds=x, **{"use_cache": False} | options).logits[:, -1, CLASS], x


def explained(model, rules=MAMBA_LRP, of=relevance, **options):
    score, x = forward(model, **options)
    return of(score, x, rules=rules, model=model)


# ---- The paper's equations -------------------------------------------------------------------------------------


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


# ---- Scans written by hand -------------------------------------------------------------------------------------


def steps(u, delta, A, B, C):
    h, outputs = 0, []
    for t in range(u.shape[1]):
        decay = (delta[:, t, :, None] * A).exp()
        h = decay * h + (delta[:, t] * u[:, t])[..., None] * B[:, t, None]
        outputs.append((h * C[:, t, None]).sum(-1))
    return torch.stack(outputs, 1)


def steps_of_discretised(u, delta, A, B, C):
    decay, write = torch.einsum("btc,cn->btcn", delta, A).exp(), torch.einsum("btc,btn,btc->btcn", delta, B, u)
    h, outputs = torch.zeros_like(write[:, 0]), []
    for a, w, c in zip(decay.unbind(1), write.unbind(1), C.unbind(1), strict=True):
        h = torch.addcmul(w, a, h)
        outputs.append(h @ c[..., None])
    return torch.cat(outputs, -1).mT


def written_in_place(u, delta, A, B, C):
    h, y = torch.zeros(*u[:, 0].shape, A.shape[1], dtype=u.dtype), torch.zeros_like(u)
    for t in range(u.shape[1]):
        h = (delta[:, t, :, None] * A).exp() * h + delta[:, t, :, None] * (B[:, t, None] * u[:, t, :, None])
        y[:, t] = torch.einsum("bcn,bn->bc", h, C[:, t])
    return y


def in_parallel(u, delta, A, B, C):
    """Compute the scan as an attention, with scores from C and B."""
    total = (delta[..., None] * A).cumsum(1)
    past = torch.ones(u.shape[1], u.shape[1]).tril()[:, :, None, None].bool()
    decay = torch.where(past, total[:, :, None] - total[:, None], -torch.inf).exp()
    return torch.einsum("btn,bsn,btscn,bsc,bsc->btc", C, B, decay, delta, u)


def by_exp_of_sums(u, delta, A, B, C):
    total = (delta[..., None] * A).cumsum(1)
    write = (delta * u)[..., None] * B[:, :, None]
    return ((write / total.exp()).cumsum(1) * total.exp() * C[:, :, None]).sum(-1)


def by_doubling(u, delta, A, B, C):
    decay, h, shift = (delta[..., None] * A).exp(), (delta * u)[..., None] * B[:, :, None], 1
    while shift < u.shape[1]:
        h = h + decay * F.pad(h, (0, 0, 0, 0, shift, 0))[:, : u.shape[1]]
        decay, shift = decay * F.pad(decay, (0, 0, 0, 0, shift, 0), value=1.0)[:, : u.shape[1]], 2 * shift
    return torch.einsum("btcn,btn->btc", h, C)


def skip_at_each_step(u, delta, A, B, C, D):
    y = steps(u, delta, A, B, C)
    return torch.stack([y[:, t] + D * u[:, t] for t in range(u.shape[1])], 1)


def skip_taken_apart(u, delta, A, B, C, D):
    y, skip = steps(u, delta, A, B, C), D * u
    return torch.stack([y[:, t] + skip[:, t] for t in range(u.shape[1])], 1)


SCANS = [steps, steps_of_discretised, written_in_place, in_parallel, by_exp_of_sums, by_doubling]
WITH_SKIPS = [skip_at_each_step, skip_taken_apart]


class Selective(nn.Module):
    """A selective state space of 4 channels with 3 states; B, C and Delta from a layer, or split off beside u."""

    def __init__(self, scan=steps, split=False, inner=None):
        super().__init__()
        self.scan, self.split = scan, split
        self.inner = inner or nn.Linear(5, 11 if split else 4)
        self.x_proj, self.dt_proj = nn.Linear(4, 7), nn.Linear(1, 4)
        self.A_log, self.D = nn.Parameter(torch.randn(4, 3)), nn.Parameter(torch.randn(4))

    def forward(self, x):
        u = F.silu(self.inner(x))
        if self.split:
            u, step, B, C = u.split([4, 1, 3, 3], -1)
        else:
            step, B, C = self.x_proj(u).split([1, 3, 3], -1)
        delta, A = F.softplus(self.dt_proj(step)), -self.A_log.exp()
        self.parts = u, delta, A, B, C
        if self.scan in WITH_SKIPS:
            return self.scan(*self.parts, self.D)
        return self.scan(*self.parts) + u * self.D


def network(**options):
    torch.manual_seed(1)
    return nn.ModuleDict({"mixer": Selective(**options), "head": nn.Linear(4, 2)}).double()


def run(model, x):
    return model["head"](model["mixer"](x))[:, -1, 1]


def state_space_of(mixer):
    u, delta, A, B, C = (part.detach() if part.ndim == 2 else part[0].detach() for part in mixer.parts)
    return StateSpace(u, delta, A, *(part[:, None].expand(-1, 4, -1) for part in (B, C)), mixer.D)


def of_head(model, y):
    """Return the relevance of the head's input."""
    R = torch.zeros_like(y)
    R[-1] = model["head"].weight[1] * y[-1]
    return R


@pytest.mark.parametrize("split", [False, True], ids=["a layer's", "split off"])
@pytest.mark.parametrize("scan", SCANS + WITH_SKIPS, ids=lambda scan: scan.__name__)
def test_a_scan_by_hand_equals_the_loops(scan, split):
    model = network(scan=scan, split=split)
    x = torch.randn(1, 6, 5, dtype=torch.float64, requires_grad=True)
    score = run(model, x)
    actual = relevance(score, x, rules=MAMBA_LRP, model=model)
    with torch.no_grad():
        inner = Linear(x[0], model["mixer"].inner.weight, model["mixer"].inner.bias)
        space = state_space_of(model["mixer"])
        of_u = space.back(of_head(model, space.y))
        expected = inner.back(F.pad(of_u, (0, inner.y.shape[1] - 4)))
    torch.testing.assert_close(score[0].detach(), of_head(model, space.y).sum() + model["head"].bias[1], **TIGHT)
    torch.testing.assert_close(actual[0], expected, **TIGHT)


def test_two_state_spaces_in_a_row_without_a_layer_between_them_equal_the_loops():
    model = network()
    model["mixer"], second = Selective(inner=model["mixer"]).double(), model["mixer"]
    x = torch.randn(1, 6, 5, dtype=torch.float64, requires_grad=True)
    actual = relevance(run(model, x), x, rules=MAMBA_LRP, model=model)
    with torch.no_grad():
        first, last = state_space_of(second), state_space_of(model["mixer"])
        of_first = last.back(of_head(model, last.y))  # SiLU passes it on unchanged
        expected = Linear(x[0], second.inner.weight, second.inner.bias).back(first.back(of_first))
    torch.testing.assert_close(actual[0], expected, **TIGHT)


def test_relevance_is_conserved_beside_a_state_space_of_parameters():
    model, x = network(), torch.randn(1, 6, 5, dtype=torch.float64, requires_grad=True)
    model["beside"], c = Selective().double(), nn.Parameter(torch.randn(1, 6, 5, dtype=torch.float64))
    score = model["head"](model["mixer"](x) + model["beside"](c))[:, -1, 1]
    assert ledger(score, x, rules=MAMBA_LRP, model=model).balanced(1e-12)


class Scan(torch.autograd.Function):
    """h = decay h' + write, as one operation."""

    @staticmethod
    def forward(context, decay, write):
        h = [write[:, 0]]
        for t in range(1, write.shape[1]):
            h.append(decay[:, t] * h[-1] + write[:, t])
        context.save_for_backward(decay)
        return torch.stack(h, 1)

    @staticmethod
    def backward(context, of_h):
        (decay,) = context.saved_tensors
        of_write = [of_h[:, -1]]
        for t in reversed(range(of_h.shape[1] - 1)):
            of_write.insert(0, of_h[:, t] + decay[:, t + 1] * of_write[0])
        return None, torch.stack(of_write, 1)


def test_a_scan_in_a_custom_function_requires_a_rule():
    def by_function(u, delta, A, B, C):
        h = Scan.apply((delta[..., None] * A).exp(), (delta * u)[..., None] * B[:, :, None])
        return torch.einsum("btcn,btn->btc", h, C)

    x = torch.randn(1, 6, 5, dtype=torch.float64, requires_grad=True)
    model, same = network(scan=by_function), network()
    with pytest.raises(UnknownOperation, match="ScanBackward"):
        relevance(run(model, x), x, rules=MAMBA_LRP, model=model)
    states_alone = Rule("states alone", opens=lambda node, carries, graph: (False, True))
    actual = relevance(run(model, x), x, rules=MAMBA_LRP.for_nodes({"ScanBackward": states_alone}), model=model)
    torch.testing.assert_close(actual, relevance(run(same, x), x, rules=MAMBA_LRP, model=same), **TIGHT)


@pytest.mark.parametrize("base", [CP_LRP, GAMMA], ids=str)
def test_the_state_space_rule_can_be_added_to_any_set(base):
    model, x = network(), torch.randn(1, 6, 5, dtype=torch.float64, requires_grad=True)
    account = ledger(run(model, x), x, rules=base.where(OF_STATE_SPACES), model=model)
    assert base is GAMMA or account.balanced(1e-12)
    if base is CP_LRP:  # which has the rules of AttnLRP for everything else in this model
        expected = relevance(run(model, x), x, rules=MAMBA_LRP, model=model)
        torch.testing.assert_close(account.relevance[0], expected, **TIGHT)
        assert not torch.allclose(relevance(run(model, x), x, rules=CP_LRP), expected, rtol=0.1)


@pytest.mark.parametrize("decays", [True, False])
def test_a_state_that_is_explained_keeps_its_relevance(decays):
    model, h = network(), torch.randn(1, 4, 3, dtype=torch.float64, requires_grad=True)
    x = torch.randn(1, 2, 5, dtype=torch.float64, requires_grad=True)

    def from_state(u, delta, A, B, C):
        start = (delta[:, 0, :, None] * A).exp() * h if decays else h @ torch.eye(3, dtype=h.dtype)
        first = start + (delta[:, 0] * u[:, 0])[..., None] * B[:, 0, None]
        second = (delta[:, 1, :, None] * A).exp() * first + (delta[:, 1] * u[:, 1])[..., None] * B[:, 1, None]
        return torch.stack([(first * C[:, 0, None]).sum(-1), (second * C[:, 1, None]).sum(-1)], 1)

    model["mixer"].scan = from_state
    score = run(model, x)
    actual = relevance(score, [x, h], rules=MAMBA_LRP, model=model, retain_graph=True)
    _, delta, A, _, C = (part.detach() for part in model["mixer"].parts)
    weight = model["head"].weight[1].detach()
    decay = ((delta.sum(1) if decays else delta[:, 1])[..., None] * A).exp()
    expected = torch.einsum("c,bn,bcn,bcn->bcn", weight, C[:, 1], decay, h.detach())
    torch.testing.assert_close(actual[1], expected, **TIGHT)
    torch.testing.assert_close(actual[0], relevance(score, x, rules=MAMBA_LRP, model=model), **TIGHT)


# ---- Every family of transformers ------------------------------------------------------------------------------

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
    account = explained(model, CP_LRP.where(OF_STATE_SPACES), ledger, words=words, attention_mask=mask)
    assert account.balanced(1e-10)

    module = sys.modules[type(model).__module__]
    name = next(name for name in ("mamba2_chunk_scan", "mamba_selective_scan") if hasattr(module, name))
    monkeypatch.setattr(module, name, with_constants(getattr(module, name)))
    torch.testing.assert_close(actual, explained(model, ATTN_LRP, words=words, attention_mask=mask), **TIGHT)
    assert any(re.search(r"\.D$", name) for name, _ in model.named_parameters())


# ---- Tables and errors -----------------------------------------------------------------------------------------


def test_mamba_lrp_is_attn_lrp_with_one_more_row():
    assert dict(MAMBA_LRP.operations) == dict(ATTN_LRP.operations) and MAMBA_LRP.first is None
    assert dict(MAMBA_LRP.overrides) == OF_STATE_SPACES


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
