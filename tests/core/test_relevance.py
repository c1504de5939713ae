"""What `relevance` promises beside the rules: shapes, and nothing left behind."""

import gc
import threading
import weakref

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

from lrp_domains import (
    ATTN_LRP,
    CP_LRP,
    EPSILON,
    GAMMA,
    GRADIENT,
    RelevanceError,
    Rule,
    constant,
    ledger,
    relevance,
)

from ..architectures import zoo

TIGHT = {"rtol": 1e-12, "atol": 1e-14}


def network() -> torch.nn.Module:
    return torch.nn.Sequential(
        torch.nn.Linear(6, 8), torch.nn.GELU(), torch.nn.LayerNorm(8), torch.nn.Linear(8, 4)
    ).double()


def rows(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def test_a_tensor_for_a_tensor_and_a_tuple_for_a_sequence():
    model, x = network(), rows(3, 6)
    assert relevance(model(x)[:, 1], x).shape == (3, 6)
    for several in ([x], (x,)):
        (one,) = relevance(model(x)[:, 1], several)
        assert one.shape == (3, 6)


def test_a_vector_is_summed_and_rows_do_not_mix():
    model, x = network(), rows(3, 6)
    batch = relevance(model(x)[:, 1], x)
    torch.testing.assert_close(relevance(model(x)[:, 1].sum(), x), batch, **TIGHT)
    for i in range(3):
        row = x[i : i + 1].detach().requires_grad_()
        torch.testing.assert_close(relevance(model(row)[0, 1], row)[0], batch[i], **TIGHT)


def test_a_contrast_is_the_difference_of_two_explanations():
    model, x = network(), rows(3, 6)
    contrast = relevance(model(x)[:, 1] - model(x)[:, 2], x)
    torch.testing.assert_close(contrast, relevance(model(x)[:, 1], x) - relevance(model(x)[:, 2], x), **TIGHT)


def test_intermediate_tensors_can_be_explained():
    model, x = network(), rows(3, 6)
    hidden = model[:3](x)
    score = model[3](hidden)[:, 1]
    at_hidden, at_input = relevance(score, (hidden, x))
    torch.testing.assert_close(at_hidden, hidden.detach() * model[3].weight[1].detach(), **TIGHT)
    torch.testing.assert_close(at_input, relevance(model(x)[:, 1], x), **TIGHT)


@pytest.mark.parametrize(
    "take", [lambda x: x.chunk(2, -1), lambda x: x.view(3, 2, 4).unbind(1)], ids=["chunk", "unbind"]
)
def test_the_sibling_of_an_explained_part_takes_no_share(take):
    first, second = take(rows(3, 8) * 1)
    torch.testing.assert_close(relevance((first * second).sum(), first), (first * second).detach(), **TIGHT)
    halves = relevance((first * second).sum(), (first, second))
    torch.testing.assert_close(halves[0], (first * second).detach() / 2, **TIGHT)


def test_relevance_can_start_from_something_else():
    model, x = network(), rows(3, 6)
    for parameter_name, parameter in model.named_parameters():
        if parameter_name.endswith("bias"):
            parameter.data.zero_()
    score = model(x)[:, 1]
    r = relevance(score, x, start=torch.ones_like(score))
    torch.testing.assert_close(r.sum(-1), torch.ones(3, dtype=torch.float64), rtol=1e-9, atol=0)
    torch.testing.assert_close(r, relevance(model(x)[:, 1], x) / score.detach()[:, None], rtol=1e-9, atol=1e-12)
    with pytest.raises(RelevanceError, match=r"start has shape \(2,\), the output \(3,\)"):
        relevance(model(x)[:, 1], x, start=torch.ones(2))
    with pytest.raises(RelevanceError, match="entry that is 0"):
        relevance(model(x)[:, 1] * 0, x, start=torch.ones(3))


@pytest.mark.parametrize(
    "name", ["bert", "llama", "causal/gpt2", "torch/resnet18", "torch/transformer-gelu", "causal/mamba"]
)
@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP, GRADIENT], ids=str)
def test_frozen_and_unfrozen_parameters_give_the_same_numbers(name, rules):
    found = []
    for trainable in (True, False):
        case = zoo.build(name)
        score, inputs = zoo.forward(case)
        if not trainable:
            # Embeddings stay trainable so that there is a graph at all; everything above is frozen.
            tokens = not any(value.requires_grad for value in case.batch.values())
            embeddings = {id(p) for m in zoo.embedding_modules(case) for p in m.parameters()} if tokens else set()
            for parameter in case.model.parameters():
                parameter.requires_grad_(id(parameter) in embeddings)
            score, inputs = zoo.forward(case)
        found.append(relevance(score, inputs, rules=rules))
    for one, other in zip(*found, strict=True):
        # To the last digits: for frozen weights PyTorch takes another kernel here and there.
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-13)


class CountProducts(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func.__name__.split(".")[0] in ("mm", "addmm", "bmm")
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP], ids=str)
def test_gradients_of_weights_are_not_computed(rules):
    model, x = network(), rows(3, 6)
    score = model(x)[:, 1]
    with CountProducts() as products:
        relevance(score, x, rules=rules)
    assert products.count == 2  # one for each of the two layers, to its input


def test_grad_of_nothing_is_touched():
    model, x = network(), rows(3, 6)
    model[0].weight.grad = torch.full_like(model[0].weight, 7.0)
    relevance(model(x)[:, 1], x)
    assert (model[0].weight.grad == 7).all()
    assert x.grad is None
    assert all(p.grad is None for name, p in model.named_parameters() if name != "0.weight")


def test_the_graph_is_kept_on_request_and_rule_sets_do_not_disturb_one_another():
    model, x = network(), rows(3, 6)
    score = model(x)[:, 1]
    (plain,) = torch.autograd.grad(score.sum(), x, retain_graph=True)
    together = [relevance(score, x, rules=rules, retain_graph=True) for rules in (ATTN_LRP, GAMMA, GRADIENT, ATTN_LRP)]
    alone = [relevance(model(x)[:, 1], x, rules=rules) for rules in (ATTN_LRP, GAMMA, GRADIENT)]
    for one, other in zip(together, [*alone, alone[0]], strict=True):
        assert torch.equal(one, other)
    assert torch.equal(torch.autograd.grad(score.sum(), x)[0], plain)  # no hook is left
    with pytest.raises(RuntimeError, match="second time"):
        relevance(score, x)


def test_hooks_are_gone_after_an_exception():
    def fail(node, carries, gi, go):
        raise KeyError("a rule of mine")

    model, x = network(), rows(3, 6)
    score = model(x)[:, 1]
    (plain,) = torch.autograd.grad(score.sum(), x, retain_graph=True)
    with pytest.raises(KeyError, match="a rule of mine"):
        relevance(score, x, rules=ATTN_LRP.for_nodes({"activation": Rule("mine", backward=fail)}), retain_graph=True)
    assert torch.equal(torch.autograd.grad(score.sum(), x)[0], plain)


def snapshot(module: torch.nn.Module):
    state = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    attributes = {name: {k: id(v) for k, v in m.__dict__.items()} for name, m in module.named_modules()}
    hooks = {name: [len(v) for k, v in vars(m).items() if k.endswith("_hooks")] for name, m in module.named_modules()}
    flags = (
        torch.is_grad_enabled(),
        torch.get_default_dtype(),
        torch.get_num_threads(),
        torch.backends.mkldnn.enabled,
        torch.are_deterministic_algorithms_enabled(),
        torch.get_rng_state().sum().item(),
        [p.requires_grad for p in module.parameters()],
        [m.training for m in module.modules()],
    )
    return state, attributes, hooks, flags


@pytest.mark.parametrize("name", ["bert", "mixtral", "t5", "torch/resnet18", "image/vit"])
def test_the_model_is_left_as_it_was(name):
    case = zoo.build(name)
    before, (first, _) = snapshot(case.model), zoo.forward(case)
    score, inputs = zoo.forward(case)
    relevance(score, inputs, model=case.model)
    after, (second, _) = snapshot(case.model), zoo.forward(case)
    assert torch.equal(first, second)
    assert all(torch.equal(tensor, after[0][key]) for key, tensor in before[0].items())
    assert before[1:] == after[1:]


@pytest.mark.parametrize("name", ["bert", "llama"])
def test_it_is_deterministic(name):
    case = zoo.build(name)
    runs = [relevance(*zoo.forward(case)) for _ in range(2)]
    assert all(torch.equal(a, b) for a, b in zip(*runs, strict=True))


def test_threads_do_not_disturb_one_another():
    model = network()
    inputs = [rows(20, 6) for _ in range(4)]
    sets = [ATTN_LRP, CP_LRP, GAMMA, EPSILON]
    alone = [relevance(model(x)[:, 1], x, rules=rules) for x, rules in zip(inputs, sets, strict=True)]
    found: dict[int, list[torch.Tensor]] = {i: [] for i in range(4)}

    def run(i: int) -> None:
        for _ in range(20):
            found[i].append(relevance(model(inputs[i])[:, 1], inputs[i], rules=sets[i]))

    threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(4):
        assert len(found[i]) == 20
        assert all(torch.equal(r, alone[i]) for r in found[i])


@pytest.mark.parametrize("rules", [ATTN_LRP, GAMMA], ids=str)
def test_nothing_is_kept_alive(rules):
    model, x = network(), rows(3, 6)
    hidden = model[:3](x)
    watched = weakref.ref(hidden)
    score = model[3](hidden)[:, 1]
    relevance(score, x, rules=rules)
    del hidden, score
    gc.collect()
    assert watched() is None


def test_overrides_by_parameter_name():
    model, x = network(), rows(3, 6)
    for trainable in (True, False):
        model.requires_grad_(trainable)
        closed = ATTN_LRP.where({"3.weight": constant})
        with pytest.raises(RelevanceError, match="no relevance flows"):
            relevance(model(x)[:, 1], x, rules=closed, model=model)
        other = relevance(model(x)[:, 1], x, rules=ATTN_LRP.where({"nothing.*": constant}), model=model)
        torch.testing.assert_close(other, relevance(model(x)[:, 1], x), **TIGHT)
    model.requires_grad_(True)
    mixed = relevance(model(x)[:, 1], x, rules=ATTN_LRP.where({"0.*": GAMMA.operations["dense"]}), model=model)
    hidden = model[0](x)
    at_hidden = relevance(model[1:](hidden)[:, 1], hidden)
    expected = relevance(model[0](x), x, rules=GAMMA, start=at_hidden)
    torch.testing.assert_close(mixed, expected, rtol=1e-10, atol=1e-12)


def test_overrides_reach_the_projections_of_multihead_attention():
    module, x = torch.nn.MultiheadAttention(4, 2, batch_first=True).double().eval(), rows(1, 3, 4)
    rules = ATTN_LRP.where({"in_proj_weight": constant})
    with pytest.raises(RelevanceError, match="no relevance flows"):
        relevance(module(x, x, x, need_weights=False)[0].sum(), x, rules=rules, model=module)


@pytest.mark.parametrize("rules", [ATTN_LRP, CP_LRP, GAMMA, GRADIENT], ids=str)
def test_a_non_reentrant_checkpoint_changes_nothing(rules):
    def block(x):
        return x + torch.tanh(network_part(x)) * torch.sigmoid(gate(x)).clamp(max=0.9)

    network_part = torch.nn.Sequential(torch.nn.Linear(6, 6), torch.nn.GELU(), torch.nn.LayerNorm(6)).double()
    gate = torch.nn.Linear(6, 6).double()
    model = torch.nn.ModuleList([network_part, gate])
    x = rows(3, 6)

    def score(run):
        return run(block, run(block, x))[:, 1]

    def kept(block, x):
        return block(x)

    def checkpointed(block, x):
        return checkpoint(block, x, use_reentrant=False)

    for explain in (relevance, lambda *a, **k: ledger(*a, **k).relevance[0]):
        expected = explain(score(kept), x, rules=rules, model=model)
        torch.testing.assert_close(explain(score(checkpointed), x, rules=rules, model=model), expected, **TIGHT)


def test_writing_to_a_slice_in_place():
    x, y = rows(3, 4), rows(3, 4)

    def written(x, y):
        z = x * 1.0
        z[:, 0] = y[:, 1]
        z[:, 1] += y[:, 2]
        z[:, 2] /= 4.0
        return z

    weights = torch.randn(3, 4, dtype=torch.float64)
    found = relevance((written(x, y) * weights).sum(), (x, y))
    gradients = torch.autograd.grad((written(x, y) * weights).sum(), (x, y))
    for r, t, g in zip(found, (x, y), gradients, strict=True):
        torch.testing.assert_close(r, t.detach() * g, **TIGHT)


def test_relu_in_place():
    model = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(inplace=True), torch.nn.Linear(8, 4)).double()
    x = rows(3, 6)
    expected = relevance(model[2](F.relu(model[0](x)))[:, 1], x)
    assert torch.equal(relevance(model(x)[:, 1], x), expected)
