"""What `relevance` leaves unchanged: the model, its gradients, the graph, global state, other threads."""

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
    explain_rules,
    ledger,
    relevance,
)

from .plain_models import (
    MODELS,
    TIGHT,
    model_and_inputs,
    plain_gradient,
)

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
    """The number of times that each operation is carried out."""

    def __init__(self):
        super().__init__()
        self.calls = {}

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function.overloadpacket.__name__
        self.calls[name] = self.calls.get(name, 0) + 1
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP], ids=str)
def test_gradients_of_weights_are_never_computed(rules):
    """Three layers take three matrix products; with the gradients of the weights there would be six."""
    model = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 2)).double()
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    score = model(x)[:, 0]
    with Count() as without_weights:
        relevance(score, x, rules=rules, retain_graph=True)
    with Count() as with_weights:
        torch.autograd.grad(score.sum(), [x, *model.parameters()])
    assert (without_weights.calls["mm"], with_weights.calls["mm"]) == (3, 6)


def test_the_ledger_computes_no_gradients_of_weights():
    model = nn.Sequential(nn.Linear(4, 8), nn.GELU(), nn.Linear(8, 2)).double()
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    score = model(x)[:, 0]
    with Count() as count:
        account = ledger(score, x, rules=CP_LRP, model=model)
    assert count.calls["mm"] == 2 and set(account.leaves) == {"0.bias", "2.bias"}


def test_the_pass_does_not_reach_the_parameters():
    """A backward pass that reached a parameter would call the hook on its accumulator."""
    model, x = model_and_inputs()
    visited = []
    nodes = [get_gradient_edge(parameter).node for parameter in model.parameters()]
    handles = [node.register_prehook(lambda grads: visited.append(grads)) for node in nodes]
    score = model(x).sum()
    relevance(score, x, retain_graph=True)
    assert visited == []
    score.backward()
    assert len(visited) == len(handles)


def test_the_grad_of_parameters_and_inputs_is_left_unchanged():
    model, x = model_and_inputs()
    for tensor in [*list(model.parameters())[:2], x]:
        tensor.grad = torch.full_like(tensor, 7.0)
    before = [tensor.grad for tensor in [*model.parameters(), x]]
    relevance(model(x)[:, 0], x, model=model)
    ledger(model(x)[:, 0], x, model=model)
    for tensor, grad in zip([*model.parameters(), x], before, strict=True):
        assert tensor.grad is grad
        assert grad is None or (grad == 7).all()
    assert sum(grad is not None for grad in before) == 3


def everything_on(model):
    """Return all that could be left on a model: attributes by identity, tensors by value, hooks."""
    attributes = {}
    for name, module in model.named_modules():
        for key, value in vars(module).items():
            entries = {k: id(v) for k, v in value.items()} if isinstance(value, dict) else None
            attributes[name, key] = (id(value), entries)
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


def test_hooks_and_attributes_that_are_left_on_a_model_are_detected():
    """This shows that the test above can fail."""
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


def test_relevance_works_inside_no_grad():
    model, x = model_and_inputs()
    score = model(x)[:, 0]
    expected = relevance(score, x, retain_graph=True)
    with torch.no_grad():
        assert torch.equal(relevance(score, x), expected)


# ---- The graph is left alone ---------------------------------------------------------------------------------


def test_the_graph_is_kept_only_with_retain_graph():
    model, x = model_and_inputs()
    score = model(x)[:, 0]
    first = relevance(score, x, retain_graph=True)
    assert torch.equal(relevance(score, x), first)
    with pytest.raises(RelevanceError, match=r"earlier pass.*retain_graph=True"):
        relevance(score, x)


@pytest.mark.parametrize("explain", [relevance, ledger, explain_rules])
def test_a_graph_that_was_freed_is_refused(explain):
    x = torch.randn(3, requires_grad=True)
    score = (x * torch.randn(3)).sum()
    relevance(score, x)
    with pytest.raises(RelevanceError, match=r"earlier pass.*retain_graph=True"):
        explain(score, x)


@pytest.mark.parametrize("explain", [relevance, ledger])
def test_the_plain_gradient_is_the_same_afterwards(explain):
    model, x = model_and_inputs()
    score = model(x)[:, 0].sum()
    before = plain_gradient(score, x)
    explain(score, x, retain_graph=True)
    assert torch.equal(plain_gradient(score, x), before)


def test_several_rule_sets_on_one_graph_do_not_disturb_each_other():
    model, x = model_and_inputs()
    sets = [ATTN_LRP, CP_LRP, EPSILON, GAMMA, GRADIENT]
    alone = [relevance(model(x)[:, 0], x, rules=rules) for rules in sets]
    score = model(x)[:, 0]
    side_by_side = [relevance(score, x, rules=rules, retain_graph=True) for rules in sets + sets[::-1]]
    for expected, actual in zip(alone + alone[::-1], side_by_side, strict=True):
        assert torch.equal(actual, expected)
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
        (deep_taylor(0.0, 0.001), RelevanceError),  # wrong bounds, which are detected during the pass
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


def test_an_exception_in_a_rule_is_passed_on_unchanged():
    x = torch.randn(3, requires_grad=True)
    rules = ATTN_LRP.for_nodes({"TanhBackward0": Rule("raising", backward=raising)})
    with pytest.raises(KeyError, match="a rule of one's own"):
        relevance(x.tanh().sum(), x, rules=rules)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP, EPSILON], ids=str)
def test_two_passes_give_the_same_bits(name, rules):
    first, second = (relevance(model(x)[:, 0], x, rules=rules) for model, x in (model_and_inputs(name) for _ in "ab"))
    assert torch.equal(first, second)


def test_graphs_may_be_deeper_than_the_stack():
    x = torch.randn(3, dtype=torch.float64, requires_grad=True)
    y = x
    for _ in range(3000):
        y = y * 1.0001
    torch.testing.assert_close(relevance(y.sum(), x), y.detach(), **TIGHT)


def test_no_tensor_is_kept_alive_afterwards():
    """There is no reference cycle: everything is freed at once, without the garbage collector."""
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
    for alone, of_thread in zip(expected, in_threads([job(rules) for rules in sets]), strict=True):
        assert all(torch.equal(r, alone) for r in of_thread)


def test_threads_with_one_graph_do_not_disturb_each_other():
    """The hooks are on the nodes of the graph: a thread's pass must not run those of another thread."""
    layers = [layer for _ in range(30) for layer in (nn.Linear(16, 16), nn.GELU())]
    model = nn.Sequential(*layers, nn.Linear(16, 1)).double()
    x = torch.randn(100, 16, dtype=torch.float64, requires_grad=True)
    score, sets = model(x), [ATTN_LRP, GRADIENT]

    def job(rules):
        return lambda: [relevance(score, x, rules=rules, retain_graph=True) for _ in range(20)]

    expected = [relevance(score, x, rules=rules, retain_graph=True) for rules in sets]
    for alone, of_thread in zip(expected, in_threads([job(rules) for rules in sets]), strict=True):
        assert all(torch.equal(r, alone) for r in of_thread)
