"""Errors for models in training mode, with active dropout or statistics of the batch."""

import pytest
import torch
import torch.nn.functional as F

from lrp_domains import CP_LRP, RelevanceError, ledger, relevance
from lrp_domains.core.graph.graph import Graph
from lrp_domains.core.graph.operations import operation
from lrp_domains.core.planning.refusals import refuse_training

from .refused_cases import assert_refused, batch_statistics, leaf


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


def dropout_of_channels():
    x = leaf(2, 40, 4, 4)
    return F.dropout2d(x, 0.5).sum(), x


def transformer_in_training():
    x = leaf(2, 9, 8)
    return torch.nn.TransformerEncoderLayer(8, 2, 16, dropout=0.3, batch_first=True)(x).sum(), x


def random_slopes():
    x = leaf(5, 3)
    return torch.nn.RReLU()(x).sum(), x


def batch_statistics_of_one_row():
    x = leaf(1, 3, 5)
    return torch.nn.BatchNorm1d(3)(x)[..., 0].sum(), x


# The case, the error, and words of its message.
TABLE = [
    (dropout, RelevanceError, r"MulBackward0.*dropout mask: call model.eval\(\)"),
    (dropout_behind_a_constant, RelevanceError, r"dropout mask: call model.eval\(\)"),
    (random_slopes, RelevanceError, r"drew its slopes at random: call model.eval\(\)"),
    (dropout_in_attention, RelevanceError, r"dropout.*: call model.eval\(\)"),
    (
        batch_statistics,
        RelevanceError,
        r"NativeBatchNormBackward0 used the statistics of its batch.*call model.eval\(\)",
    ),
    (dropout_of_channels, RelevanceError, r"MulBackward0.*dropout mask: call model.eval\(\)"),
    (transformer_in_training, RelevanceError, r"dropout.*: call model.eval\(\)"),
    (batch_statistics_of_one_row, RelevanceError, r"used the statistics of its batch.*call model.eval\(\)"),
]


@pytest.mark.parametrize("function", [relevance, ledger])
@pytest.mark.parametrize(("case", "error", "words"), TABLE, ids=[row[0].__name__ for row in TABLE])
@pytest.mark.filterwarnings("ignore")
def test_errors_say_what_is_wrong_and_what_to_do(case, error, words, function):
    assert_refused(function, case, error, words)


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


def test_an_instance_norm_in_training_mode_is_accepted():
    x = leaf(2, 3, 5)
    assert relevance(torch.nn.InstanceNorm1d(3)(x)[:, 0, 0], x).isfinite().all()


def test_a_mask_is_not_mistaken_for_dropout():
    x = leaf(40, 40)
    mask = (torch.rand(40, 40) > 0.1).float()
    assert relevance((x * mask).sum(), x).isfinite().all()
    assert relevance((x * mask * 2.0).sum(), x).isfinite().all()
