"""`relevance` leaves global state unchanged, and threads do not disturb each other."""

import threading
import warnings

import pytest
import torch
from torch import nn

from lrp_domains import ATTN_LRP, CP_LRP, GAMMA, GRADIENT, UnknownOperation, relevance

from .plain_models import model_and_inputs


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
