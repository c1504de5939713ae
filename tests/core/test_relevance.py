"""`relevance` as a function: what it takes, what it returns, and that it leaves everything else as it was."""

import gc
import threading
import warnings
import weakref

import pytest
import torch
from torch import nn
from torch.autograd.graph import get_gradient_edge
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from lrp_domains import (
    ATTN_LRP,
    CP_LRP,
    EPSILON,
    GAMMA,
    GRADIENT,
    RelevanceError,
    Rule,
    UnknownOperation,
    deep_taylor,
    ledger,
    relevance,
)

TIGHT = {"rtol": 1e-12, "atol": 1e-13}
ROWS, TOKENS, WIDTH, CLASSES = 2, 5, 8, 3


class Encoder(nn.Module):
    """One pre-norm transformer block, written as users write one, with dropout that eval mode switches off."""

    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.gate, self.down = nn.Linear(WIDTH, 12), nn.Linear(WIDTH, 12), nn.Linear(12, WIDTH)
        self.dropout = nn.Dropout(0.3)
        self.classifier = nn.Linear(WIDTH, CLASSES)

    def forward(self, x):
        q, k, v = self.qkv(self.norm1(x)).chunk(3, dim=-1)
        heads = [part.unflatten(-1, (2, WIDTH // 2)).transpose(1, 2) for part in (q, k, v)]
        x = x + self.out(F.scaled_dot_product_attention(*heads).transpose(1, 2).flatten(2))
        h = self.norm2(x)
        x = x + self.down(self.dropout(F.silu(self.gate(h)) * self.up(h)))
        return self.classifier(torch.tanh(x).mean(1))


class Convolutional(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(TOKENS, 6, 3, padding=1), nn.BatchNorm1d(6), nn.ReLU(inplace=True), nn.MaxPool1d(2),
            nn.Conv1d(6, 4, 3), nn.GELU(), nn.Flatten(), nn.Linear(8, CLASSES),
        )  # fmt: skip

    def forward(self, x):
        return self.layers(x)


MODELS = {"encoder": Encoder, "convolutional": Convolutional}


def model_and_inputs(name="encoder", frozen=False):
    torch.manual_seed(0)
    model = MODELS[name]().double().eval().requires_grad_(not frozen)
    return model, torch.randn(ROWS, TOKENS, WIDTH, dtype=torch.float64, requires_grad=True)


def plain_gradient(score, x):
    return torch.autograd.grad(score, x, retain_graph=True)[0]


# ---- What it takes and returns -------------------------------------------------------------------------------


@pytest.mark.parametrize("container", [list, tuple, iter])
def test_a_tensor_for_a_tensor_and_a_tuple_for_a_sequence(container):
    model, x = model_and_inputs()
    alone = relevance(model(x)[:, 0], x)
    assert isinstance(alone, torch.Tensor)
    assert alone.shape == x.shape and alone.dtype == x.dtype and not alone.requires_grad
    among = relevance(model(x)[:, 0], container([x]))
    assert isinstance(among, tuple) and torch.equal(among[0], alone)


@pytest.mark.parametrize("shape", [(), (1,), (ROWS,), (ROWS, 1)])
def test_an_output_of_any_shape_is_summed(shape):
    model, x = model_and_inputs()
    scores = model(x)[:, 1]
    one = scores[0] if not shape else scores[: max(shape)].view(shape)
    found = relevance(one, x, retain_graph=True)
    torch.testing.assert_close(found, relevance(one.sum(), x), **TIGHT)
    assert found[0].abs().max() > 0


PARTS = {
    "select": lambda logits: logits[:, 1],
    "unbind": lambda logits: logits.unbind(1)[1],
    "chunk": lambda logits: logits.chunk(CLASSES, dim=1)[1],
    "split": lambda logits: logits.split([1, 1, 1], dim=1)[1],
    "top-k": lambda logits: logits[:, [1]].topk(1)[0],
    "hooked": lambda logits: with_hook(logits[:, 1]),
}


def with_hook(tensor):
    """A hook of the user's own, which hands on a new tensor with the same values."""
    tensor.register_hook(lambda g: g * 1.0)
    return tensor


@pytest.mark.parametrize("name", PARTS)
@pytest.mark.parametrize("explain", [relevance, lambda *args: ledger(*args).relevance[0]], ids=["relevance", "ledger"])
def test_however_the_score_was_taken_from_the_output(name, explain):
    """A score can be the second result of its node: unbind, chunk and split make one node for all of them."""
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
def test_the_rule_set_gradient_is_gradient_times_input_whatever_there_is(name):
    x = torch.randn(ROWS, TOKENS, WIDTH, dtype=torch.float64, requires_grad=True)
    y = NONLINEAR[name](x)
    score = (y * torch.randn_like(y)).sum()
    expected = x.detach() * plain_gradient(score, x)
    torch.testing.assert_close(relevance(score, x, rules=GRADIENT), expected, **TIGHT)


def test_several_inputs_at_once_get_what_each_gets_beside_the_others():
    x, y = (torch.randn(3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    score = (x * y + x.sin() + 2 * y).sum()
    of_x, of_y = relevance(score, [x, y])
    torch.testing.assert_close(of_x, (x * y / 2 + x.sin()).detach(), **TIGHT)
    torch.testing.assert_close(of_y, (x * y / 2 + 2 * y).detach(), **TIGHT)


def test_what_is_not_asked_for_takes_no_share():
    x, y = (torch.randn(3, 4, dtype=torch.float64, requires_grad=True) for _ in range(2))
    torch.testing.assert_close(relevance((x * y).sum(), x), (x * y).detach(), **TIGHT)


def test_the_same_input_twice_gets_the_same_twice():
    model, x = model_and_inputs()
    one, other = relevance(model(x)[:, 0], (x, x))
    assert torch.equal(one, other) and torch.equal(one, relevance(model(x)[:, 0], x))


# ---- Intermediate tensors ------------------------------------------------------------------------------------


def test_hidden_states_conserve_layer_by_layer():
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
def test_a_sibling_takes_no_share_of_a_product(name, rules):
    """The two halves come out of one node, and only one of them is asked for."""
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


def test_attention_to_the_values_of_one_chunk_leaves_queries_and_keys_constant():
    """Asked for v alone, q and k out of the same node are constants: v takes all, as gradient times input says."""
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


def test_heads_as_inputs_add_up_to_the_score():
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
    """A start twice the output doubles relevance, a start of zero drops a row, ones share 1 for each entry."""
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


def test_start_may_leave_out_an_output_of_zero():
    x = torch.tensor([[0.0, 2.0]], dtype=torch.float64, requires_grad=True)
    found = relevance(3 * x, x, start=torch.tensor([[0.0, 1.0]]))
    assert torch.equal(found, torch.tensor([[0.0, 1.0]], dtype=torch.float64))


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


# ---- The model is left alone ---------------------------------------------------------------------------------


@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP, GRADIENT], ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_frozen_and_unfrozen_parameters_give_the_same_bits(name, rules):
    frozen, unfrozen = (
        relevance(model(x)[:, 0], x, rules=rules) for model, x in (model_and_inputs(name, f) for f in (True, False))
    )
    assert torch.equal(frozen, unfrozen)


def test_parameters_frozen_in_part_give_the_same_bits():
    model, x = model_and_inputs()
    expected = relevance(model(x)[:, 0], x)
    for parameter in [*model.parameters()][::2]:
        parameter.requires_grad_(False)
    assert torch.equal(relevance(model(x)[:, 0], x), expected)


class Count(TorchDispatchMode):
    """How often each operation is carried out."""

    def __init__(self):
        super().__init__()
        self.calls = {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        self.calls[name] = self.calls.get(name, 0) + 1
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP], ids=str)
def test_gradients_of_weights_are_never_computed(rules):
    """Three layers: three matrix products to the input; with the weights' gradients there would be six."""
    model = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2)).double()
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    score = model(x)[:, 0]
    with Count() as ours:
        relevance(score, x, rules=rules, retain_graph=True)
    with Count() as with_weights:
        torch.autograd.grad(score.sum(), [x, *model.parameters()])
    assert (ours.calls["mm"], with_weights.calls["mm"]) == (3, 6)


def test_the_ledger_computes_no_gradient_of_weights_either():
    model = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 2)).double()
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    score = model(x)[:, 0]
    with Count() as count:
        account = ledger(score, x, rules=CP_LRP, model=model)
    assert count.calls["mm"] == 2 and set(account.leaves) == {"0.bias", "2.bias"}


def test_no_parameter_is_visited():
    """A hook on each parameter's accumulator would be called by a backward pass that reaches it."""
    model, x = model_and_inputs()
    visited = []
    nodes = [get_gradient_edge(parameter).node for parameter in model.parameters()]
    handles = [node.register_prehook(lambda grads: visited.append(grads)) for node in nodes]
    score = model(x).sum()
    relevance(score, x, retain_graph=True)
    assert visited == []
    score.backward()
    assert len(visited) == len(handles)


def test_grad_of_everything_stays_as_it_was():
    model, x = model_and_inputs()
    held = [*list(model.parameters())[:2], x]
    for tensor in held:
        tensor.grad = torch.full_like(tensor, 7.0)
    before = [tensor.grad for tensor in [*model.parameters(), x]]
    relevance(model(x)[:, 0], x, model=model)
    ledger(model(x)[:, 0], x, model=model)
    for tensor, grad in zip([*model.parameters(), x], before, strict=True):
        assert tensor.grad is grad
        assert grad is None or (grad == 7).all()
    assert sum(grad is not None for grad in before) == 3


def everything_on(model):
    """All that could be left on a model: attributes by identity, tensors by value, hooks."""
    attributes = {}
    for name, module in model.named_modules():
        for key, value in vars(module).items():
            inside = {k: id(v) for k, v in value.items()} if isinstance(value, dict) else None
            attributes[name, key] = (id(value), inside)
    return attributes, {name: tensor.clone() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("explain", [relevance, ledger])
def test_the_model_is_left_alone(name, explain):
    model, x = model_and_inputs(name)
    logits = model(x)
    attributes, state = everything_on(model)
    version, values = x._version, x.detach().clone()
    explain(logits[:, 0], x, model=model, rules=EPSILON)
    after, state_after = everything_on(model)
    assert after == attributes
    assert state.keys() == state_after.keys() and all(torch.equal(state[k], state_after[k]) for k in state)
    assert torch.equal(model(x), logits)
    assert x._version == version and torch.equal(x, values)


def test_what_would_be_left_on_a_model_would_be_seen():
    """The test above can fail: a forward hook, an attribute, a changed value."""
    model, _ = model_and_inputs()
    clean, _ = everything_on(model)
    handle = model.up.register_forward_hook(lambda *args: None)
    assert everything_on(model)[0] != clean
    handle.remove()
    assert everything_on(model)[0] == clean
    model.up.activations = torch.ones(1)
    assert everything_on(model)[0] != clean


def global_state():
    return {
        "random": torch.get_rng_state().tolist(),
        "grad": torch.is_grad_enabled(),
        "inference": torch.is_inference_mode_enabled(),
        "dtype": torch.get_default_dtype(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "threads": torch.get_num_threads(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "anomaly": torch.is_anomaly_enabled(),
        "backends": (torch.backends.mkldnn.enabled, torch.backends.cudnn.enabled, torch.backends.cudnn.benchmark),
        "precision": torch.get_float32_matmul_precision(),
        "attention": (torch.backends.cuda.flash_sdp_enabled(), torch.backends.cuda.math_sdp_enabled()),
        "multithreaded": torch.autograd.is_multithreading_enabled(),
        "warnings": list(warnings.filters),
    }


@pytest.mark.parametrize("fails", [False, True])
def test_global_state_is_left_alone(fails):
    model, x = model_and_inputs()
    score = model(x).log_softmax(-1).sum() if fails else model(x).sum()
    before = global_state()
    if fails:
        with pytest.raises(UnknownOperation):
            relevance(score, x, model=model)
    else:
        relevance(score, x, model=model)
    assert global_state() == before


def test_it_works_inside_no_grad_too():
    model, x = model_and_inputs()
    score = model(x)[:, 0]
    expected = relevance(score, x, retain_graph=True)
    with torch.no_grad():
        assert torch.equal(relevance(score, x), expected)


# ---- The graph is left alone ---------------------------------------------------------------------------------


def test_the_graph_is_freed_or_kept_as_asked():
    model, x = model_and_inputs()
    score = model(x)[:, 0]
    first = relevance(score, x, retain_graph=True)
    assert torch.equal(relevance(score, x), first)
    with pytest.raises(RuntimeError, match="second time"):
        relevance(score, x)


@pytest.mark.parametrize("explain", [relevance, ledger])
def test_the_plain_gradient_is_the_same_afterwards(explain):
    model, x = model_and_inputs()
    score = model(x)[:, 0].sum()
    before = plain_gradient(score, x)
    explain(score, x, retain_graph=True)
    assert torch.equal(plain_gradient(score, x), before)


def test_two_rule_sets_on_one_graph_give_what_each_gives_alone():
    model, x = model_and_inputs()
    sets = [ATTN_LRP, CP_LRP, EPSILON, GAMMA, GRADIENT]
    alone = [relevance(model(x)[:, 0], x, rules=rules) for rules in sets]
    score = model(x)[:, 0]
    side_by_side = [relevance(score, x, rules=rules, retain_graph=True) for rules in sets + sets[::-1]]
    for expected, found in zip(alone + alone[::-1], side_by_side, strict=True):
        assert torch.equal(found, expected)
    assert len({r.sum().item() for r in alone}) == len(sets)


def raising(node, carries, gi, go):
    raise KeyError("a rule of one's own")


def misshapen(node, carries, gi, go):
    return (go[0][:1, :1, :2],)


@pytest.mark.parametrize(
    ("rules", "error"),
    [
        (ATTN_LRP.for_nodes({"SiluBackward0": Rule("raising", backward=raising)}), KeyError),
        (ATTN_LRP.for_nodes({"SiluBackward0": Rule("wrong shape", backward=misshapen)}), RuntimeError),
        (deep_taylor(0.0, 0.001), RelevanceError),  # bounds that do not hold, found during the pass
    ],
    ids=["raising", "wrong shape", "wrong bounds"],
)
def test_hooks_are_gone_after_an_exception(rules, error):
    model, x = model_and_inputs()
    h = 1 * x
    score = model.classifier(F.silu(model.gate(h)) @ model.down.weight.T).sum()
    before = plain_gradient(score, h)
    with pytest.raises(error):
        relevance(score, h, rules=rules, retain_graph=True)
    assert torch.equal(plain_gradient(score, h), before)
    assert torch.equal(relevance(score, h, retain_graph=True), relevance(score, h))


def test_an_exception_of_a_rule_comes_through_as_it_is():
    x = torch.randn(3, requires_grad=True)
    rules = ATTN_LRP.for_nodes({"TanhBackward0": Rule("raising", backward=raising)})
    with pytest.raises(KeyError, match="a rule of one's own"):
        relevance(x.tanh().sum(), x, rules=rules)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP, EPSILON], ids=str)
def test_the_same_bits_twice(name, rules):
    one, other = (relevance(model(x)[:, 0], x, rules=rules) for model, x in (model_and_inputs(name) for _ in "ab"))
    assert torch.equal(one, other)


def test_graphs_deeper_than_the_stack():
    x = torch.randn(3, dtype=torch.float64, requires_grad=True)
    y = x
    for _ in range(3000):
        y = y * 1.0001
    torch.testing.assert_close(relevance(y.sum(), x), y.detach(), **TIGHT)


def test_nothing_is_kept_alive():
    """Nor is there a reference cycle: all is freed at once, without the garbage collector."""
    model, x = model_and_inputs()
    relevance(model(x)[:, 0], x, model=model)
    gc.collect()
    gc.disable()
    try:
        h = x * 1.0
        logits = model(h)
        of_logit = relevance(logits[:, 0], h, model=model, retain_graph=True)
        account = ledger(logits[:, 0], h, model=model, retain_graph=True)
        with pytest.raises(UnknownOperation):
            relevance(logits.logsumexp(1), h, model=model)
        watched = [weakref.ref(tensor) for tensor in (h, logits, of_logit, account.relevance[0])]
        del h, of_logit, account
        assert watched[0]() is not None  # the graph behind the logits still holds h
        del logits
        assert [ref() for ref in watched] == [None] * 4
    finally:
        gc.enable()


# ---- Threads -------------------------------------------------------------------------------------------------


def in_threads(jobs):
    """Run all jobs at once; return their results in order."""
    results, barrier = [None] * len(jobs), threading.Barrier(len(jobs))

    def work(number):
        torch.set_num_threads(1)
        barrier.wait()
        results[number] = jobs[number]()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_threads_with_one_model_do_not_disturb_each_other():
    model, x = model_and_inputs()
    sets = [ATTN_LRP, CP_LRP, GAMMA, GRADIENT]

    def job(rules):
        return lambda: [relevance(model(x)[:, 0], x, rules=rules) for _ in range(10)]

    expected = [relevance(model(x)[:, 0], x, rules=rules) for rules in sets]
    for one, found in zip(expected, in_threads([job(rules) for rules in sets]), strict=True):
        assert all(torch.equal(r, one) for r in found)


def test_threads_with_one_graph_do_not_disturb_each_other():
    """Hooks sit on the nodes of the graph: the passes of two threads must not meet each other's."""
    layers = [layer for _ in range(30) for layer in (nn.Linear(16, 16), nn.GELU())]
    model = nn.Sequential(*layers, nn.Linear(16, 1)).double()
    x = torch.randn(100, 16, dtype=torch.float64, requires_grad=True)
    score, sets = model(x), [ATTN_LRP, GRADIENT]

    def job(rules):
        return lambda: [relevance(score, x, rules=rules, retain_graph=True) for _ in range(20)]

    expected = [relevance(score, x, rules=rules, retain_graph=True) for rules in sets]
    for one, found in zip(expected, in_threads([job(rules) for rules in sets]), strict=True):
        assert all(torch.equal(r, one) for r in found)
