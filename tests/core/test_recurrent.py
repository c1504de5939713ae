"""LSTM, GRU and RNN against the rules of Arras et al. 2017, step by step: gates get nothing, the signal takes all."""

import pytest
import torch

from lrp_domains import CP_LRP, UnknownOperation, ledger, relevance, unfused

HIDDEN, INPUTS, STEPS = 3, 2, 4


def linear_shares(w, x, r, z):
    """Return R_i = sum_j w_ji x_i / z_j R_j (LRP-0)."""
    return [sum(w[j][i] * x[i] / z[j] * r[j] for j in range(len(z))) for i in range(len(x))]


def numbers(tensor):
    return tensor.detach().tolist()


def dot(row, x):
    return sum(a * b for a, b in zip(row, x, strict=True))


def sigmoid(z):
    return 1 / (1 + 2.718281828459045235**-z)


def lstm_by_loop(module, x, r_last):
    """Return the relevance of x_1 .. x_T, given that of the last hidden state. PyTorch's gates are i, f, g, o."""
    w, u = numbers(module.weight_ih_l0), numbers(module.weight_hh_l0)
    b = [p + q for p, q in zip(numbers(module.bias_ih_l0), numbers(module.bias_hh_l0), strict=True)]
    h, c, steps = [0.0] * HIDDEN, [0.0] * HIDDEN, []
    for t in range(STEPS):
        z = [dot(w[j], x[t]) + dot(u[j], h) + b[j] for j in range(4 * HIDDEN)]
        i, f, o = ([sigmoid(v) for v in z[k * HIDDEN : (k + 1) * HIDDEN]] for k in (0, 1, 3))
        pre = z[2 * HIDDEN : 3 * HIDDEN]
        g = numbers(torch.tanh(torch.tensor(pre, dtype=torch.float64)))
        steps.append((h, c, i, f, pre, g))
        c = [f[k] * c[k] + i[k] * g[k] for k in range(HIDDEN)]
        h = [o[k] * v for k, v in enumerate(numbers(torch.tanh(torch.tensor(c, dtype=torch.float64))))]
        steps[-1] += (c,)
    r_h, r_c, r_x = r_last, [0.0] * HIDDEN, [None] * STEPS
    w_g, u_g = w[2 * HIDDEN : 3 * HIDDEN], u[2 * HIDDEN : 3 * HIDDEN]
    for t in reversed(range(STEPS)):
        h, c, i, f, pre, g, c_next = steps[t]
        r_c = [r_c[k] + r_h[k] for k in range(HIDDEN)]  # o gets nothing, tanh passes all on
        r_g = [r_c[k] * i[k] * g[k] / c_next[k] for k in range(HIDDEN)]  # i gets nothing
        r_c = [r_c[k] * f[k] * c[k] / c_next[k] for k in range(HIDDEN)]  # f gets nothing
        r_x[t] = linear_shares(w_g, x[t], r_g, pre)
        r_h = linear_shares(u_g, h, r_g, pre)
    return r_x


def gru_by_loop(module, x, r_last):
    """Return the same for h' = (1 - z) n + z h with n = tanh(W x + b + r * (U h + c)). PyTorch's gates are r, z, n."""
    w, u = numbers(module.weight_ih_l0), numbers(module.weight_hh_l0)
    b, c = numbers(module.bias_ih_l0), numbers(module.bias_hh_l0)
    h, steps = [0.0] * HIDDEN, []
    for t in range(STEPS):
        of_x = [dot(w[j], x[t]) + b[j] for j in range(3 * HIDDEN)]
        of_h = [dot(u[j], h) + c[j] for j in range(3 * HIDDEN)]
        r = [sigmoid(of_x[k] + of_h[k]) for k in range(HIDDEN)]
        z = [sigmoid(of_x[HIDDEN + k] + of_h[HIDDEN + k]) for k in range(HIDDEN)]
        pre = [of_x[2 * HIDDEN + k] + r[k] * of_h[2 * HIDDEN + k] for k in range(HIDDEN)]
        n = numbers(torch.tanh(torch.tensor(pre, dtype=torch.float64)))
        new = [(1 - z[k]) * n[k] + z[k] * h[k] for k in range(HIDDEN)]
        steps.append((h, r, z, pre, n, new))
        h = new
    r_h, r_x = r_last, [None] * STEPS
    w_n, u_n = w[2 * HIDDEN :], u[2 * HIDDEN :]
    for t in reversed(range(STEPS)):
        h, r, z, pre, n, new = steps[t]
        r_n = [r_h[k] * (1 - z[k]) * n[k] / new[k] for k in range(HIDDEN)]
        straight = [r_h[k] * z[k] * h[k] / new[k] for k in range(HIDDEN)]
        r_x[t] = linear_shares(w_n, x[t], r_n, pre)
        if t == 0:  # U h + c is still a constant: r times it is an activation of r's argument
            arguments = [dot(w[k], x[t]) + b[k] + c[k] for k in range(HIDDEN)]
            r_r = [r_n[k] / pre[k] * (r[k] - 0.5) * c[2 * HIDDEN + k] for k in range(HIDDEN)]
            of_r = linear_shares(w[:HIDDEN], x[t], r_r, arguments)
            r_x[t] = [p + q for p, q in zip(r_x[t], of_r, strict=True)]
        gated = [[r[j] * u_n[j][i] for i in range(HIDDEN)] for j in range(HIDDEN)]
        r_h = [s + v for s, v in zip(straight, linear_shares(gated, h, r_n, pre), strict=True)]
    return r_x


def rnn_by_loop(module, x, r_last):
    w, u = numbers(module.weight_ih_l0), numbers(module.weight_hh_l0)
    b = [p + q for p, q in zip(numbers(module.bias_ih_l0), numbers(module.bias_hh_l0), strict=True)]
    h, steps = [0.0] * HIDDEN, []
    for t in range(STEPS):
        pre = [dot(w[j], x[t]) + dot(u[j], h) + b[j] for j in range(HIDDEN)]
        steps.append((h, pre))
        h = numbers(torch.tanh(torch.tensor(pre, dtype=torch.float64)))
    r_h, r_x = r_last, [None] * STEPS
    for t in reversed(range(STEPS)):
        h, pre = steps[t]
        r_x[t] = linear_shares(w, x[t], r_h, pre)
        r_h = linear_shares(u, h, r_h, pre)
    return r_x


CELLS = {torch.nn.LSTM: lstm_by_loop, torch.nn.GRU: gru_by_loop, torch.nn.RNN: rnn_by_loop}


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("frozen", [False, True])
def test_recurrent_layers_equal_their_loops(cell, frozen):
    module = cell(INPUTS, HIDDEN, batch_first=True).double().requires_grad_(not frozen)
    x = torch.randn(2, STEPS, INPUTS, dtype=torch.float64, requires_grad=True)
    with unfused():
        last = module(x)[0][:, -1]
    weights = torch.randn_like(last)
    actual = relevance((last * weights).sum(), x)
    for row in range(2):
        expected = CELLS[cell](module, numbers(x[row]), numbers((last * weights)[row]))
        torch.testing.assert_close(actual[row], torch.tensor(expected, dtype=torch.float64), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_relevance_is_conserved_in_deep_bidirectional_layers(cell):
    module = cell(INPUTS, HIDDEN, num_layers=2, bidirectional=True, batch_first=True).double()
    x = torch.randn(2, STEPS, INPUTS, dtype=torch.float64, requires_grad=True)
    with unfused():
        score = module(x)[0].mean((1, 2))
    account = ledger(score, x, rules=CP_LRP, model=module)
    assert account.balanced(1e-12), account
    assert any(name.startswith("bias_ih_l1_reverse") for name in account.leaves)


def test_a_packed_sequence_has_the_same_relevance_alone_and_in_a_padded_batch():
    module = torch.nn.LSTM(INPUTS, HIDDEN, batch_first=True).double()
    x = torch.randn(2, STEPS, INPUTS, dtype=torch.float64, requires_grad=True)
    packed = torch.nn.utils.rnn.pack_padded_sequence(x, torch.tensor([STEPS, 2]), batch_first=True)
    with unfused():
        _, (last, _) = module(packed)
    actual = relevance(last[0, :, 1], x)
    assert (actual[1, 2:] == 0).all()
    alone = x[1:, :2].detach().requires_grad_()
    with unfused():
        score = module(alone)[1][0][0, :, 1]
    torch.testing.assert_close(actual[1:, :2], relevance(score, alone), rtol=1e-12, atol=1e-14)


def test_the_fused_recurrent_kernel_is_refused_with_a_remedy():
    module, x = torch.nn.LSTM(INPUTS, HIDDEN).eval(), torch.randn(STEPS, 1, INPUTS, requires_grad=True)
    with pytest.raises(UnknownOperation, match=r"MkldnnRnnLayer.*lrp_domains.unfused\(\)"):
        relevance(module(x)[0].sum(), x)


@pytest.mark.parametrize("leave", ["normally", "by an exception"])
def test_unfused_restores_the_backends_also_after_an_exception(leave):
    before = torch.backends.mkldnn.enabled, torch.backends.cudnn.enabled
    try:
        with unfused():
            assert not torch.backends.mkldnn.enabled
            assert not torch.backends.cudnn.enabled
            if leave == "by an exception":
                raise KeyError
    except KeyError:
        pass
    assert (torch.backends.mkldnn.enabled, torch.backends.cudnn.enabled) == before
