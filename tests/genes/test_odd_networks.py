"""Networks that take something else than a matrix, or return something else than logits."""

import warnings

import numpy as np
import pytest
import torch
import yaml
from torch import nn

from lrp_domains import relevance as core_relevance
from lrp_domains import unfused
from lrp_domains.domain import Read
from lrp_domains.genes import CohortError, gene_model, latent_relevance, load_model, made_cohort, relevance

CLASSES = ["Naive T", "CD4+/CD25 T Reg", "CD19+ B"]


class OfDictionary(nn.Module):
    """Takes a dict of tensors, as the modules of scvi-tools do."""

    def __init__(self, look):
        super().__init__()
        self.layer, self.look = nn.Linear(60, 3), look

    def forward(self, tensors):
        return self.layer(self.look(tensors))


class Raises(nn.Module):
    """Raises whatever its code raises."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def forward(self, x):
        raise self.error


def of_keys(tensors):
    return tensors["X"] if tensors.keys() else None


def of_a_pair(pair):
    values, _ = pair.items()
    return values


def model_of(network, **declared):
    return gene_model(network, made_cohort().var_names, CLASSES, labels="group", **declared)


@pytest.mark.parametrize(
    "network",
    [OfDictionary(of_keys), OfDictionary(of_a_pair), OfDictionary(lambda tensors: tensors["X"]), Raises(KeyError("X")),
     Raises(NotImplementedError()), Raises(StopIteration()), Raises(ZeroDivisionError("a")), Raises(OSError("b"))],
)  # fmt: skip
def test_a_network_of_other_inputs_is_refused_with_the_remedy(network):
    with pytest.raises(
        CohortError, match=rf"'{type(network).__name__}' doesn't (take|accept) .*reading.*own_model\.md"
    ):
        relevance(made_cohort(), model_of(network))


def test_a_reading_makes_of_cells_what_a_network_takes():
    def read_dictionary(module, values):
        x = values.detach().requires_grad_()
        return Read(module({"X": x}), (x,), lambda relevances: relevances[0])

    torch.manual_seed(0)
    network, adata, expected = OfDictionary(lambda tensors: tensors["X"]), made_cohort(), made_cohort()
    relevance(adata, model_of(network, reading=read_dictionary))
    relevance(expected, model_of(network.layer))
    np.testing.assert_allclose(adata.layers["lrp"].toarray(), expected.layers["lrp"].toarray(), rtol=1e-5)


def test_a_reading_that_fails_is_named():
    def read_wrongly(module, values):
        return values.nothing

    with pytest.raises(CohortError, match="could not be run by its reading 'read_wrongly': AttributeError"):
        relevance(made_cohort(), model_of(nn.Linear(60, 3), reading=read_wrongly))


def warned_of(model, **settings):
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        relevance(made_cohort(), model, **settings)
    return [str(warning.message) for warning in warned if "probabilities" in str(warning.message)]


def ending_in(*layers):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(60, 3), *layers)


@pytest.mark.parametrize("layers", [(nn.Softmax(1),), (nn.Sigmoid(),)], ids=["softmax", "sigmoid"])
def test_probabilities_are_warned_of_once(layers):
    (message,) = warned_of(model_of(ending_in(*layers)), score="logit")
    assert "'Sequential' returns probabilities" in message and "leave the last softmax or sigmoid out" in message


@pytest.mark.parametrize("layers", [(), (nn.ReLU(),), (nn.Softmax(1), nn.Linear(3, 3))])
def test_logits_are_not_warned_of(layers):
    assert not warned_of(model_of(ending_in(*layers)), score="logit", target="CD19+ B")


def test_a_single_sigmoid_of_two_classes_is_warned_of():
    network = nn.Sequential(nn.Linear(60, 1), nn.Sigmoid())
    model = gene_model(network, made_cohort().var_names, ["healthy", "tumour"])
    assert len(warned_of(model, score="logit")) == 1


def test_a_value_between_0_and_1_is_no_probability():
    network = nn.Sequential(nn.Linear(60, 1), nn.Sigmoid())
    model = gene_model(network, made_cohort().var_names, ["share"], task="value")
    assert not warned_of(model)


def test_a_declared_network_that_ends_in_a_softmax_is_warned_of(tmp_path):
    torch.save(ending_in(nn.Softmax(1)), tmp_path / "net.pt")
    declared = {"network": "net.pt", "genes": list(made_cohort().var_names), "classes": CLASSES}
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(declared))
    with pytest.warns(UserWarning, match="is unpickled"):
        model = load_model(tmp_path / "model.yaml", allow_pickle=True)
    assert len(warned_of(model, score="logit")) == 1


class Recurrent(nn.Module):
    """An LSTM that reads the genes in chunks of ten, in float32: its kernel would be a fused one."""

    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(10, 8, batch_first=True), nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.lstm(x.unflatten(1, (6, 10)))[0][:, -1])


@pytest.mark.parametrize("compile", [False, True])
def test_a_recurrent_network_is_explained_step_by_step(compile):
    torch.manual_seed(0)
    network, adata = Recurrent().eval(), made_cohort()
    relevance(adata, model_of(network), compile=compile, score="logit", target=CLASSES[0], reference=None)
    x = torch.from_numpy(adata.X[:5].toarray()).requires_grad_()
    with unfused():
        expected = core_relevance(network(x)[:, 0], x)
    np.testing.assert_allclose(adata.layers["lrp"][:5].toarray(), expected.numpy(), rtol=1e-4, atol=1e-6)


def test_neurons_of_a_recurrent_network_are_explained():
    torch.manual_seed(0)
    found = latent_relevance(made_cohort(), model_of(Recurrent().eval()), "head")
    assert np.isfinite(found["relevance"]).all() and (found["relevance"] != 0).any()
