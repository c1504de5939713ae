"""The function `relevance`: its arguments and its results."""

import warnings

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lrp_domains import (
    ATTN_LRP,
    CP_LRP,
    EPSILON,
    GRADIENT,
    RelevanceError,
    ledger,
    relevance,
)

from .plain_models import CLASSES, ROWS, TIGHT, TOKENS, WIDTH, model_and_inputs, plain_gradient

# ---- Inputs, outputs and results -----------------------------------------------------------------------------


@pytest.mark.parametrize("container", [list, tuple, iter])
def test_relevance_returns_a_tensor_for_a_tensor_and_a_tuple_for_a_sequence(container):
    model, x = model_and_inputs()
    alone = relevance(model(x)[:, 0], x)
    assert isinstance(alone, torch.Tensor)
    assert alone.shape == x.shape and alone.dtype == x.dtype and not alone.requires_grad
    in_tuple = relevance(model(x)[:, 0], container([x]))
    assert isinstance(in_tuple, tuple) and torch.equal(in_tuple[0], alone)


@pytest.mark.parametrize("shape", [(), (1,), (ROWS,), (ROWS, 1)])
def test_an_output_of_any_shape_is_summed(shape):
    model, x = model_and_inputs()
    scores = model(x)[:, 1]
    output = scores[0] if not shape else scores[: max(shape)].view(shape)
    actual = relevance(output, x, retain_graph=True)
    torch.testing.assert_close(actual, relevance(output.sum(), x), **TIGHT)
    assert actual[0].abs().max() > 0


PARTS = {
    "select": lambda logits: logits[:, 1],
    "unbind": lambda logits: logits.unbind(1)[1],
    "chunk": lambda logits: logits.chunk(CLASSES, dim=1)[1],
    "split": lambda logits: logits.split([1, 1, 1], dim=1)[1],
    "top-k": lambda logits: logits[:, [1]].topk(1)[0],
    "hooked": lambda logits: with_hook(logits[:, 1]),
}


def with_hook(tensor):
    """Register a hook of a user, which returns a new tensor with the same values."""
    tensor.register_hook(lambda g: g * 1.0)
    return tensor


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("explain", [relevance, lambda *args: ledger(*args).relevance[0]], ids=["relevance", "ledger"])
def test_the_way_in_which_the_score_was_taken_from_the_output_does_not_matter(name, explain):
    """A score may be the second result of its node: unbind, chunk and split have one node for all results."""
    model, x = model_and_inputs()
    expected = relevance(model(x)[:, 1], x)
    torch.testing.assert_close(explain(PARTS[name](model(x)), x), expected, **TIGHT)
    assert (expected - x.detach() * plain_gradient(model(x)[:, 1].sum(), x)).abs().max() > 1e-3


@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP, EPSILON, GRADIENT], ids=str)
def test_rows_of_a_batch_do_not_mix(rules):
    model, x = model_and_inputs()
    together = relevance(model(x)[:, 2], x, rules=rules)
    for row in range(ROWS):
        alone = x.detach()[row : row + 1].requires_grad_()
        torch.testing.assert_close(relevance(model(alone)[:, 2], alone, rules=rules)[0], together[row], **TIGHT)


@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP, GRADIENT], ids=str)
def test_the_relevance_of_a_contrast_is_the_difference(rules):
    """Rules that do not depend on the score are linear in it: R(a - b) = R(a) - R(b)."""
    model, x = model_and_inputs()
    a, b, contrast = (
        relevance(score(model(x)), x, rules=rules)
        for score in (lambda z: z[:, 0], lambda z: z[:, 1], lambda z: z[:, 0] - z[:, 1])
    )
    torch.testing.assert_close(contrast, a - b, **TIGHT)
    assert (a - b).abs().max() > 1e-3


NONLINEAR = {
    "layer norm": lambda x: F.layer_norm(x, (WIDTH,)),
    "var_mean": lambda x: (lambda spread, mean: (x - mean) * torch.rsqrt(spread + 1e-3))(
        *torch.var_mean(x, -1, keepdim=True)
    ),
    "std_mean": lambda x: x / torch.std_mean(x, -1, keepdim=True)[0],
    "softmax": lambda x: x.softmax(-1),
    "log softmax": lambda x: x.log_softmax(-1),
    "unknown": torch.lgamma,
    "gated": F.glu,
    "quotient": lambda x: x / x.exp(),
    "attention": lambda x: F.scaled_dot_product_attention(x, x, x),
    "instance norm": F.instance_norm,
    "power": lambda x: x.abs() ** x,
    "slice": lambda x: (lambda h: (h[:, 0].tanh_(), h)[1])(1 * x),
}


@pytest.mark.parametrize("name", NONLINEAR)
def test_the_rule_set_gradient_is_gradient_times_input_for_every_operation(name):
    x = torch.randn(ROWS, TOKENS, WIDTH, dtype=torch.float64, requires_grad=True)
    y = NONLINEAR[name](x)
    score = (y * torch.randn_like(y)).sum()
    expected = x.detach() * plain_gradient(score, x)
    torch.testing.assert_close(relevance(score, x, rules=GRADIENT), expected, **TIGHT)


def test_several_inputs_share_the_relevance_of_their_product():
    x, y = (torch.randn(3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    score = (x * y + x.sin() + 2 * y).sum()
    of_x, of_y = relevance(score, [x, y])
    torch.testing.assert_close(of_x, (x * y / 2 + x.sin()).detach(), **TIGHT)
    torch.testing.assert_close(of_y, (x * y / 2 + 2 * y).detach(), **TIGHT)


def test_a_tensor_that_is_not_explained_gets_no_share():
    x, y = (torch.randn(3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    torch.testing.assert_close(relevance((x * y).sum(), x), (x * y).detach(), **TIGHT)


def test_an_input_that_is_passed_twice_has_the_same_relevance_twice():
    model, x = model_and_inputs()
    first, second = relevance(model(x)[:, 0], (x, x))
    assert torch.equal(first, second) and torch.equal(first, relevance(model(x)[:, 0], x))


# ---- Intermediate tensors ------------------------------------------------------------------------------------


def test_relevance_is_conserved_in_hidden_states_layer_by_layer():
    w1, w2 = (torch.randn(WIDTH, WIDTH, dtype=torch.float64) for _ in range(2))
    x = torch.randn(ROWS, WIDTH, dtype=torch.float64, requires_grad=True)
    h1 = x @ w1
    h2 = F.gelu(h1)
    score = (h2 @ w2)[:, 0]
    for tensor in (x, h1, h2):
        assert relevance(score, tensor, retain_graph=True).sum().item() == pytest.approx(score.sum().item(), rel=1e-12)
    torch.testing.assert_close(*(relevance(score, h, retain_graph=True) for h in (h1, h2)), **TIGHT)


SPLITS = {
    "chunk": lambda h: h.chunk(2, dim=-1),
    "split": lambda h: h.split(4, dim=-1),
    "split in sizes": lambda h: h.split([4, 4], dim=-1),
    "tensor_split": lambda h: h.tensor_split(2, dim=-1),
    "unbind": lambda h: h.view(ROWS, TOKENS, 2, 4).unbind(2),
    "slices": lambda h: (h[..., :4], h[..., 4:]),
    "unsafe_chunk": lambda h: h.unsafe_chunk(2, dim=-1),
}


@pytest.mark.parametrize("name", SPLITS)
@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP], ids=str)
def test_a_sibling_gets_no_share_of_a_product(name, rules):
    """The two halves are results of one node, and only one of them is explained."""
    x = torch.randn(ROWS, TOKENS, 8, dtype=torch.float64, requires_grad=True)
    a, b = SPLITS[name](3 * x)
    product = a * b
    whole = product.detach()
    torch.testing.assert_close(relevance(product.sum(), a, rules=rules, retain_graph=True), whole, **TIGHT)
    torch.testing.assert_close(relevance(product.sum(), b, rules=rules, retain_graph=True), whole, **TIGHT)
    for half in relevance(product.sum(), (a, b), rules=rules, retain_graph=True):
        torch.testing.assert_close(half, whole / 2, **TIGHT)
    for half in SPLITS[name](relevance(product.sum(), x, rules=rules)):
        torch.testing.assert_close(half, whole / 2, **TIGHT)


def test_if_only_the_values_of_a_chunk_are_explained_queries_and_keys_are_constant():
    """All three are results of one node; v alone gets gradient times input."""
    x = torch.randn(ROWS, TOKENS, 3 * WIDTH, dtype=torch.float64, requires_grad=True)
    q, k, v = (2 * x).unsqueeze(1).chunk(3, dim=-1)
    score = F.scaled_dot_product_attention(q, k, v)[..., 0, 0]
    of_v = relevance(score, v, retain_graph=True)
    torch.testing.assert_close(of_v, v.detach() * plain_gradient(score.sum(), v), **TIGHT)
    assert of_v.sum().item() == pytest.approx(score.sum().item(), rel=1e-12)
    of_q, of_k, half_of_v = relevance(score, (q, k, v), retain_graph=True)
    torch.testing.assert_close(half_of_v, of_v / 2, **TIGHT)
    torch.testing.assert_close(of_q, q.detach() * plain_gradient(score.sum(), q) / 4, **TIGHT)
    torch.testing.assert_close(of_k, k.detach() * plain_gradient(score.sum(), k) / 4, **TIGHT)


def test_every_attention_head_has_relevance_as_an_input():
    model, x = model_and_inputs()
    kept = []
    handle = model.out.register_forward_pre_hook(lambda module, args: kept.append(args[0]))
    score = model(x)[:, 0]
    handle.remove()
    heads = relevance(score, kept[0], rules=CP_LRP).unflatten(-1, (2, WIDTH // 2)).sum((0, 1, 3))
    assert heads.shape == (2,)
    assert heads.isfinite().all() and heads.abs().min() > 0


# ---- start ---------------------------------------------------------------------------------------------------


def test_start_scales_each_entry_of_the_output():
    """A start of twice the output doubles relevance, a start of 0 drops a row, and ones give each row a total of 1."""
    model = nn.Sequential(nn.Linear(4, 6, bias=False), nn.GELU(), nn.Linear(6, 1, bias=False)).double()
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    score = model(x)[:, 0]
    plain = relevance(score, x, retain_graph=True)
    for start, expected in [
        (2 * score.detach(), 2 * plain),
        (torch.tensor([0.0, 1.0, 0.0]).double() * score.detach(), plain * torch.tensor([[0.0], [1.0], [0.0]])),
        (torch.ones(3).double(), plain / score.detach()[:, None]),
    ]:
        torch.testing.assert_close(relevance(score, x, start=start, retain_graph=True), expected, **TIGHT)
        assert ledger(score, x, start=start, retain_graph=True).score == pytest.approx(start.sum().item())
    ones = relevance(score, x, start=torch.ones_like(score))
    torch.testing.assert_close(ones.sum(1), torch.ones(3).double(), **TIGHT)


def test_start_may_be_zero_for_an_output_of_zero():
    x = torch.tensor([[0.0, 2.0]], dtype=torch.float64, requires_grad=True)
    actual = relevance(3 * x, x, start=torch.tensor([[0.0, 1.0]]))
    assert torch.equal(actual, torch.tensor([[0.0, 1.0]], dtype=torch.float64))


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (torch.ones(2), r"start has shape \(2,\), the output \(1, 2\): they must agree"),
        (torch.tensor([[1.0, 1.0]]), "start gives relevance to an output entry that is 0"),
    ],
)
def test_a_start_that_does_not_fit_is_refused(start, message):
    x = torch.tensor([[0.0, 2.0]], requires_grad=True)
    with pytest.raises(RelevanceError, match=message):
        relevance(3 * x, x, start=start)


def test_complex_inputs_have_real_relevance():
    """Re(x conj(g)) is the sum of the relevances of the two parts of a complex number."""
    weights = torch.randn(4, dtype=torch.complex128)
    x = torch.randn(3, 4, dtype=torch.complex128, requires_grad=True)
    score = (torch.fft.fft(x) * weights).real.sum(-1)
    actual = relevance(score, x, retain_graph=True)
    parts = torch.view_as_real(x.detach()).requires_grad_()
    of_parts = relevance((torch.fft.fft(torch.view_as_complex(parts)) * weights).real.sum(-1), parts)
    assert not actual.is_complex()
    torch.testing.assert_close(actual, of_parts.sum(-1), rtol=1e-12, atol=1e-13)
    torch.testing.assert_close(actual.sum(-1), score.detach(), rtol=1e-12, atol=1e-13)


def test_gradient_hooks_on_inputs_are_warned_of():
    x = torch.randn(3, requires_grad=True)
    handle = x.register_hook(lambda g: 2 * g)
    with pytest.warns(UserWarning, match=r"inputs\[0\] has gradient hooks"):
        relevance((3 * x).sum(), x)
    handle.remove()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        relevance((3 * x).sum(), x)


@pytest.mark.parametrize("intermediate", [False, True])
def test_an_output_among_the_inputs_has_its_value_as_relevance(intermediate):
    """Its gradient in autograd is 1."""
    x = torch.randn(3, requires_grad=True)
    y = x.tanh() if intermediate else x
    assert torch.equal(relevance(y, y, retain_graph=True), y.detach())
    actual, below = relevance(y, (y, x))
    assert torch.equal(actual, y.detach())
    torch.testing.assert_close(below, y.detach())
    part = x.chunk(3)[1]
    assert torch.equal(relevance(part, part), part.detach())
