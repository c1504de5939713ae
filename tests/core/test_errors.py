"""Every error says what happened, where, and what to do."""

import warnings

import pytest
import torch
import torch.nn.functional as F
from torch.utils.checkpoint import checkpoint

from lrp_domains import ATTN_LRP, CP_LRP, RelevanceError, Rule, RuleSet, UnknownOperation, constant, ledger, relevance
from lrp_domains.core.graph.graph import Graph
from lrp_domains.core.graph.operations import operation
from lrp_domains.core.planning.refusals import refuse_training


def leaf(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, requires_grad=True)


def no_graph():
    x = leaf(3)
    with torch.no_grad():
        return (x * 2).sum(), x


def inference():
    with torch.inference_mode():
        return (torch.randn(3) * 2).sum(), leaf(3)


def a_number():
    return 3.0, leaf(3)


def without_grad():
    return (leaf(3) * 2).sum(), torch.randn(3)


def made_afterwards():
    x = leaf(3)
    return (x * 2).sum(), x.clone()


def none():
    return (leaf(3) * 2).sum(), []


def not_finite():
    x = leaf(3)
    return x / 0, x


def empty():
    x = leaf(3)
    return (x * 2)[:0], x


def log_probability():
    x = leaf(2, 3)
    return F.log_softmax(x, -1)[:, 1], x


def log_sum():
    x = leaf(2, 3)
    return torch.logsumexp(x, -1), x


def probability_under_cp():
    x = leaf(2, 3)
    return torch.softmax(x, -1)[:, 1], x, {"rules": CP_LRP}


def overrides_without_model():
    x = leaf(3)
    return (x * 2).sum(), x, {"rules": ATTN_LRP.where({"*": constant})}


def misspelt_unknown():
    x = leaf(3)
    return (x * 2).sum(), x, {"unknown": "ignore"}


def dropout():
    x = leaf(40, 40)
    return F.dropout(x, 0.1).sum(), x


def dropout_behind_a_constant():
    x = leaf(1, 40, 40)
    weights = F.dropout(torch.softmax(x @ x.mT, -1), 0.1)
    return (weights @ x).sum(), x, {"rules": CP_LRP}


def dropout_in_attention():
    x = leaf(1, 1, 4, 4)
    return F.scaled_dot_product_attention(x, x, x, dropout_p=0.5).sum(), x


def random_slopes():
    x = leaf(5, 3)
    return torch.nn.RReLU()(x).sum(), x


def no_rule_set():
    x = leaf(3)
    return (x * 2).sum(), x, {"rules": "attn"}


def batch_statistics():
    x = leaf(5, 3)
    return torch.nn.BatchNorm1d(3)(x).sum(), x


def compiled():
    layer, x = torch.nn.Linear(3, 3), leaf(2, 3)
    return torch.compile(torch.nn.Sequential(layer, torch.nn.GELU()), backend="aot_eager")(x).sum(), x


def reentrant():
    layer, x = torch.nn.Linear(3, 3), leaf(2, 3)
    return checkpoint(layer, x, use_reentrant=True).sum(), x


def fused_recurrent():
    x = leaf(4, 1, 3)
    return torch.nn.LSTM(3, 2)(x)[0].sum(), x


def unknown_operation():
    x = leaf(3)
    return torch.lgamma(x).sum(), x


def custom_function():
    x = leaf(3)
    return Triple.apply(x).sum(), x


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


def half_precision_overflow():
    x = leaf(3).half().detach().requires_grad_()
    return x * 60000 * 60000, x


def dropout_of_channels():
    x = leaf(2, 40, 4, 4)
    return F.dropout2d(x, 0.5).sum(), x


def transformer_in_training():
    x = leaf(2, 9, 8)
    return torch.nn.TransformerEncoderLayer(8, 2, 16, dropout=0.3, batch_first=True)(x).sum(), x


def loss():
    x = leaf(2, 3)
    return F.cross_entropy(x, torch.tensor([0, 2])), x


def full_backward_hook():
    layer, x = torch.nn.Linear(3, 2), leaf(2, 3)
    layer.register_full_backward_hook(lambda module, grad_in, grad_out: None)
    return layer(x).sum(), x


def squared_loss():
    x = leaf(2, 3)
    return F.mse_loss(x, torch.zeros(2, 3)), x


def logarithm():
    x = torch.rand(3, requires_grad=True)
    return torch.log(x).sum(), x


def distance():
    x = leaf(2, 3)
    return torch.cdist(x, torch.ones(4, 3)).sum(), x


def activation_of_one_value():
    x = leaf(4)
    y = x * 1
    y[0].tanh_()
    return y.sum(), x


def batch_statistics_of_one_row():
    x = leaf(1, 3, 5)
    return torch.nn.BatchNorm1d(3)(x)[..., 0].sum(), x


def another_tensor():
    return (leaf(3) * 2).sum(), [leaf(3), leaf(4)]


def not_a_tensor():
    return (leaf(3) * 2).sum(), ["input_ids"]


def start_of_one_number():
    x = leaf(3)
    return x * 2, x, {"start": 1.0}


def start_not_finite():
    x = leaf(3)
    return x * 2, x, {"start": torch.full((3,), float("nan"))}


class Triple(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return 3 * x

    @staticmethod
    def backward(ctx, g):
        return 3 * g


# The case, the error, and words of its message.
TABLE = [
    (no_graph, RelevanceError, "no grad_fn.*outside torch.no_grad"),
    (inference, RelevanceError, "no grad_fn.*inference_mode"),
    (a_number, RelevanceError, "the output is a float, not a tensor: pass the score itself"),
    (without_grad, RelevanceError, r"inputs\[0\] does not require grad: call .requires_grad_\(\)"),
    (made_afterwards, RelevanceError, r"does not depend on inputs\[0\] \(shape \(3,\)\).*very tensor"),
    (none, RelevanceError, "no inputs"),
    (not_finite, RelevanceError, "3 entries that are not finite.*forward pass"),
    (empty, RelevanceError, "output is empty"),
    (log_probability, UnknownOperation, "LogSoftmaxBackward0.*explain a logit or a difference of logits"),
    (log_sum, UnknownOperation, "LogsumexpBackward0.*explain a logit"),
    (probability_under_cp, RelevanceError, "no relevance flows: under CP-LRP.*SoftmaxBackward0.*Explain a logit"),
    (overrides_without_model, RelevanceError, "pass model="),
    (misspelt_unknown, RelevanceError, "unknown='ignore': expected .error. or .gradient."),
    (dropout, RelevanceError, r"MulBackward0.*dropout mask: call model.eval\(\)"),
    (dropout_behind_a_constant, RelevanceError, r"dropout mask: call model.eval\(\)"),
    (dropout_in_attention, RelevanceError, r"dropout.*: call model.eval\(\)"),
    (
        batch_statistics,
        RelevanceError,
        r"NativeBatchNormBackward0 used the statistics of its batch.*call model.eval\(\)",
    ),
    (compiled, UnknownOperation, "CompiledFunctionBackward.*before torch.compile"),
    (reentrant, UnknownOperation, "CheckpointFunctionBackward.*use_reentrant=False"),
    (fused_recurrent, UnknownOperation, r"MkldnnRnnLayerBackward0.*lrp_domains.unfused\(\)"),
    (unknown_operation, UnknownOperation, r"LgammaBackward0 \(pass model=.*for_nodes.*unknown=.gradient."),
    (custom_function, UnknownOperation, "TripleBackward.*for_nodes"),
    (product_in_a_slice, RelevanceError, "CopySlices.*write it out of place"),
    (total_times_a_slice, RelevanceError, "CopySlices.*write it out of place"),
    (products_added_to_a_slice, RelevanceError, "CopySlices.*write it out of place"),
    (activation_of_a_slice, RelevanceError, "CopySlices.*write it out of place"),
    (half_precision_overflow, RelevanceError, "not finite.*half precision"),
    (dropout_of_channels, RelevanceError, r"MulBackward0.*dropout mask: call model.eval\(\)"),
    (transformer_in_training, RelevanceError, r"dropout.*: call model.eval\(\)"),
    (loss, UnknownOperation, "NllLossBackward0.*not its loss"),
    (squared_loss, UnknownOperation, "MseLossBackward0.*not its loss"),
    (logarithm, UnknownOperation, r"LogBackward0.*torch.log1p"),
    (distance, UnknownOperation, r"CdistBackward0.*torch.linalg.vector_norm"),
    (activation_of_one_value, RelevanceError, "CopySlices.*write it out of place"),
    (batch_statistics_of_one_row, RelevanceError, r"used the statistics of its batch.*call model.eval\(\)"),
    (full_backward_hook, UnknownOperation, "BackwardHookFunctionBackward.*register_full_backward_hook"),
    (another_tensor, RelevanceError, r"does not depend on inputs\[0\]"),
    (not_a_tensor, RelevanceError, r"inputs\[0\] does not require grad"),
    (start_of_one_number, RelevanceError, r"start has shape \(\), the output \(3,\)"),
    (start_not_finite, RelevanceError, "start has entries that are not finite"),
]


@pytest.mark.parametrize("function", [relevance, ledger])
@pytest.mark.parametrize(("case", "error", "words"), TABLE, ids=[row[0].__name__ for row in TABLE])
@pytest.mark.filterwarnings("ignore")
def test_errors_say_what_is_wrong_and_what_to_do(case, error, words, function):
    output, inputs, *options = case()
    with pytest.raises(error, match=f"(?s){words}"):
        function(output, inputs, **(options[0] if options else {}))


def test_inside_inference_mode_nothing_can_be_explained():
    x = leaf(3)
    score = x.tanh().sum()
    with torch.inference_mode(), pytest.raises(RelevanceError, match=r"inference_mode.*leave it"):
        relevance(score, x)
    assert relevance(score, x).isfinite().all()


@pytest.mark.parametrize("kernel", ["Flash", "Efficient", "Cudnn"])
def test_dropout_inside_a_fused_kernel_is_refused(kernel):
    """These kernels run only on a GPU, so a stub takes the place of their node."""

    class Stub:
        _saved_dropout_p = 0.1

        def name(self):
            return f"ScaledDotProduct{kernel}AttentionBackward0"

    node = Stub()
    graph = Graph((node,), {node: ()}, {node: operation(node.name())}, {}, {node: ()})
    with pytest.raises(RelevanceError, match=rf"{kernel}.* has dropout switched on: call model.eval\(\)"):
        refuse_training(node, graph, "error")
    refuse_training(node, graph, "gradient")


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


def test_an_instance_norm_in_training_mode_is_accepted():
    x = leaf(2, 3, 5)
    assert relevance(torch.nn.InstanceNorm1d(3)(x)[:, 0, 0], x).isfinite().all()


def test_a_mask_is_not_mistaken_for_dropout():
    x = leaf(40, 40)
    mask = (torch.rand(40, 40) > 0.1).float()
    assert relevance((x * mask).sum(), x).isfinite().all()
    assert relevance((x * mask * 2.0).sum(), x).isfinite().all()


def test_an_unknown_operation_that_no_relevance_passes_needs_no_rule():
    """Here it feeds a denominator, which is constant."""
    x = leaf(3)
    torch.testing.assert_close(relevance((x / torch.lgamma(x).exp()).sum(), x), (x / torch.lgamma(x).exp()).detach())


def test_rule_sets_refuse_values_that_are_not_rules_and_unknown_operations():
    with pytest.raises(RelevanceError, match="is not a rule"):
        RuleSet("mine", {"dense": "epsilon"})
    with pytest.raises(RelevanceError, match="'attension' is neither an operation"):
        ATTN_LRP.for_nodes({"attension": constant})
