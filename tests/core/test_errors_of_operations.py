"""Errors for operations without a rule, with their remedies: what is explained instead, and how a rule is added."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

from lrp_domains import ATTN_LRP, RelevanceError, Rule, UnknownOperation, ledger, relevance

from .refused_cases import assert_refused, batch_statistics, leaf


class Triple(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 3 * x

    @staticmethod
    def backward(ctx, g):
        return 3 * g


def log_probability():
    x = leaf(2, 3)
    return F.log_softmax(x, -1)[:, 1], x


def log_sum():
    x = leaf(2, 3)
    return torch.logsumexp(x, -1), x


def loss():
    x = leaf(2, 3)
    return F.cross_entropy(x, torch.tensor([0, 2])), x


def squared_loss():
    x = leaf(2, 3)
    return F.mse_loss(x, torch.zeros(2, 3)), x


def logarithm():
    x = torch.rand(3, requires_grad=True)
    return torch.log(x).sum(), x


def distance():
    x = leaf(2, 3)
    return torch.cdist(x, torch.ones(4, 3)).sum(), x


def unknown_operation():
    x = leaf(3)
    return torch.lgamma(x).sum(), x


def custom_function():
    x = leaf(3)
    return Triple.apply(x).sum(), x


def compiled():
    layer, x = torch.nn.Linear(3, 3), leaf(2, 3)
    return torch.compile(torch.nn.Sequential(layer, torch.nn.GELU()), backend="aot_eager")(x).sum(), x


def reentrant():
    layer, x = torch.nn.Linear(3, 3), leaf(2, 3)
    return checkpoint(layer, x, use_reentrant=True).sum(), x


def fused_recurrent():
    x = leaf(4, 1, 3)
    return torch.nn.LSTM(3, 2)(x)[0].sum(), x


def full_backward_hook():
    layer, x = torch.nn.Linear(3, 2), leaf(2, 3)
    layer.register_full_backward_hook(lambda module, grad_in, grad_out: None)
    return layer(x).sum(), x


def product_in_a_slice():
    x = leaf(3, 4)
    y = x * 1
    y[:, 0] *= x[:, 1]
    return y.sum(), x


def total_times_a_slice():
    """Multiply each value of a slice by the same number, which carries relevance too."""
    x = leaf(3, 4)
    y = x * 1
    y[:, 0] *= x.sum()
    return y.sum(), x


def products_added_to_a_slice():
    x = leaf(3, 4)
    y = x * 1
    y[:, 0].addcmul_(x[:, 1], x[:, 2])
    return y.sum(), x


def activation_of_a_slice():
    x = leaf(3, 4)
    y = x * 1
    y[:, 0].tanh_()
    return y.sum(), x


def activation_of_one_value():
    x = leaf(4)
    y = x * 1
    y[0].tanh_()
    return y.sum(), x


# The case, the error, and words of its message.
TABLE = [
    (log_probability, UnknownOperation, "LogSoftmaxBackward0.*explain a logit or a difference of logits"),
    (log_sum, UnknownOperation, "LogsumexpBackward0.*explain a logit"),
    (compiled, UnknownOperation, "CompiledFunctionBackward.*before torch.compile"),
    (reentrant, UnknownOperation, "CheckpointFunctionBackward.*use_reentrant=False"),
    (fused_recurrent, UnknownOperation, r"MkldnnRnnLayerBackward0.*lrp_domains.unfused\(\)"),
    (unknown_operation, UnknownOperation, r"LgammaBackward0 \(pass model=.*for_nodes.*unknown=.gradient."),
    (custom_function, UnknownOperation, "TripleBackward.*for_nodes"),
    (product_in_a_slice, RelevanceError, "CopySlices.*write it out of place"),
    (total_times_a_slice, RelevanceError, "CopySlices.*write it out of place"),
    (products_added_to_a_slice, RelevanceError, "CopySlices.*write it out of place"),
    (activation_of_a_slice, RelevanceError, "CopySlices.*write it out of place"),
    (loss, UnknownOperation, "NllLossBackward0.*not its loss"),
    (squared_loss, UnknownOperation, "MseLossBackward0.*not its loss"),
    (logarithm, UnknownOperation, r"LogBackward0.*torch.log1p"),
    (distance, UnknownOperation, r"CdistBackward0.*torch.linalg.vector_norm"),
    (activation_of_one_value, RelevanceError, "CopySlices.*write it out of place"),
    (full_backward_hook, UnknownOperation, "BackwardHookFunctionBackward.*register_full_backward_hook"),
]


@pytest.mark.parametrize("function", [relevance, ledger])
@pytest.mark.parametrize(("case", "error", "words"), TABLE, ids=[row[0].__name__ for row in TABLE])
@pytest.mark.filterwarnings("ignore")
def test_errors_say_what_is_wrong_and_what_to_do(case, error, words, function):
    assert_refused(function, case, error, words)


@pytest.mark.filterwarnings("ignore")
def test_a_model_compiled_to_plain_operations_is_explained():
    """The backend "eager" leaves autograd's graph unchanged."""
    model, x = torch.nn.Sequential(torch.nn.Linear(3, 3), torch.nn.GELU()), leaf(2, 3)
    torch.testing.assert_close(
        relevance(torch.compile(model, backend="eager")(x).sum(), x), relevance(model(x).sum(), x)
    )


def test_the_error_for_an_unknown_operation_names_its_module():
    class Odd(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)

        def forward(self, x):
            return self.second(torch.lgamma(self.first(x)))

    model, x = Odd(), leaf(2, 3)
    with pytest.raises(UnknownOperation, match="at or after module 'first'"):
        relevance(model(x).sum(), x, model=model)


@pytest.mark.parametrize(
    "case", [unknown_operation, custom_function, log_sum, batch_statistics], ids=lambda case: case.__name__
)
def test_the_derivative_is_accepted_on_request_with_a_warning(case):
    output, x = case()
    (g,) = torch.autograd.grad(output.sum(), x, retain_graph=True)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        actual = relevance(output, x, unknown="gradient")
    if case is batch_statistics:
        return  # it has a rule; only the batch statistics were accepted
    torch.testing.assert_close(actual, x.detach() * g)
    assert len(caught) == 1
    assert "derivative was used instead" in str(caught[0].message)
    assert caught[0].filename == __file__


def test_a_custom_function_can_be_given_a_rule():
    def keep(node, carries, gi, go):
        return (go[0],)

    output, x = custom_function()
    rules = ATTN_LRP.for_nodes({"TripleBackward": Rule("mine", backward=keep)})
    torch.testing.assert_close(relevance(output, x, rules=rules), x.detach())


def test_an_unknown_operation_that_no_relevance_passes_needs_no_rule():
    """Here it feeds a denominator, which is constant."""
    x = leaf(3)
    torch.testing.assert_close(relevance((x / torch.lgamma(x).exp()).sum(), x), (x / torch.lgamma(x).exp()).detach())
