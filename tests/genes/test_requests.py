"""A request is an `Explanation` or its fields by keyword, checked before any cohort is read."""

import numpy as np
import pytest
import torch

from lrp_domains import CP_LRP
from lrp_domains.genes import (
    CohortError,
    Explanation,
    Training,
    gene_model,
    latent_relevance,
    made_cohort,
    relevance,
    relevance_on_disk,
    train,
    write_cohort,
)
from lrp_domains.genes.explanation.requests.plan import make_plan
from lrp_domains.genes.explanation.runs.resume import key_of


@pytest.fixture(scope="module")
def model():
    return train(made_cohort(), "group", training=Training(folds=3, hidden=8, epochs=5))


def test_an_explanation_and_its_fields_by_keyword_give_the_same(model):
    settings = {"target": "CD19+ B", "rules": CP_LRP, "top": 3, "batch_size": 32}
    first, of_other = made_cohort(), made_cohort()
    relevance(first, model, Explanation(**settings))
    relevance(of_other, model, **settings)
    np.testing.assert_array_equal(first.layers["lrp"].toarray(), of_other.layers["lrp"].toarray())
    np.testing.assert_array_equal(first.obsm["lrp_first_genes"], of_other.obsm["lrp_first_genes"])


def test_the_default_target_is_the_predicted_class(model):
    first, of_other = made_cohort(), made_cohort()
    relevance(first, model)
    relevance(of_other, model, target="predicted")
    assert first.uns["lrp"]["target"] == of_other.uns["lrp"]["target"] == "predicted"
    np.testing.assert_array_equal(first.obs["lrp_score"], of_other.obs["lrp_score"])


def test_both_an_explanation_and_settings_are_refused(model, tmp_path):
    adata, request = made_cohort(), Explanation()
    write_cohort(adata, tmp_path / "cohort.h5ad")
    message = r"got an Explanation and also target; pass one of the two, or use dataclasses.replace"
    with pytest.raises(CohortError, match=message):
        relevance(adata, model, request, target="labelled")
    with pytest.raises(CohortError, match=message):
        relevance_on_disk(tmp_path / "cohort.h5ad", model, tmp_path / "out.h5ad", request, target="labelled")
    with pytest.raises(CohortError, match=message):
        latent_relevance(adata, model, "layers.2", request, target="labelled")


def test_anything_but_an_explanation_is_refused(model):
    with pytest.raises(CohortError, match=r"expected an Explanation, got a dict; pass settings by keyword"):
        relevance(made_cohort(), model, {"target": "labelled"})


def test_an_unknown_setting_is_refused(model):
    with pytest.raises(CohortError, match="unknown setting 'tarfet'; did you mean 'target'"):
        relevance(made_cohort(), model, tarfet="labelled")


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"score": "margn"}, r"unknown score 'margn'; did you mean 'margin'"),
        ({"score": "probability"}, r"a probability saturates"),
        ({"rules": "cp-lrp"}, r"rules is 'cp-lrp'; expected a rule set such as lrp_domains.ATTN_LRP"),
        ({"top": -1}, r"top is -1; expected a number of genes, 0 for none"),
        ({"top": 1.5}, r"top is 1.5"),
        ({"batch_size": 0}, r"batch_size is 0; expected a whole number from 1 on, or None"),
        ({"batch_size": True}, r"batch_size is True"),
        ({"target": "B", "against": "B"}, r"target and against are both 'B'; contrast the target with another class"),
    ],
)
def test_an_invalid_request_is_refused_without_a_cohort(settings, message):
    with pytest.raises(CohortError, match=message):
        Explanation(**settings)


def test_a_contrast_of_hidden_neurons_is_the_difference_of_their_relevance(model):
    request = {"network": 0, "target": "CD19+ B", "rules": CP_LRP}
    key = ["group", "neuron"]
    contrast = latent_relevance(made_cohort(), model, "layers.2", against="Naive T", **request)
    of_target = latent_relevance(made_cohort(), model, "layers.2", score="logit", **request)
    of_other = latent_relevance(made_cohort(), model, "layers.2", score="logit", **request | {"target": "Naive T"})
    difference = of_target.set_index(key)["relevance"] - of_other.set_index(key)["relevance"]
    expected = contrast.set_index(key)["relevance"]
    np.testing.assert_allclose(difference.loc[expected.index], expected, rtol=1e-4, atol=1e-6)


def test_a_model_of_a_value_has_no_target():
    adata = made_cohort()
    network = torch.nn.Linear(adata.n_vars, 1)
    model = gene_model(network, adata.var_names, ["age"], task="value")
    for settings in ({"target": "foo"}, {"against": "age"}):
        with pytest.raises(CohortError, match="a model of a value has one output, which is explained"):
            relevance(adata, model, **settings)


@pytest.mark.parametrize(
    "layer, message", [("counts", "the expression that is explained"), ("a/b", "a name without '/'"), ("", "a name")]
)
def test_relevance_never_replaces_the_expression(layer, message):
    adata = made_cohort()
    adata.layers["counts"] = adata.X.copy()
    model = gene_model(torch.nn.Linear(adata.n_vars, 2), adata.var_names, ["a", "b"], layer="counts")
    with pytest.raises(CohortError, match=message):
        relevance(adata, model, layer=layer)


def test_parts_of_another_network_with_the_same_weights_are_not_resumed(tmp_path):
    adata = made_cohort()
    first, last = torch.nn.Linear(adata.n_vars, 4), torch.nn.Linear(4, 2)
    keys = set()
    for between in (torch.nn.ReLU(), torch.nn.Tanh()):
        model = gene_model(torch.nn.Sequential(first, between, last), adata.var_names, ["a", "b"])
        keys.add(key_of(tmp_path, make_plan(adata, model, Explanation()), "lrp"))
    assert len(keys) == 2


def without_some_labels():
    adata = made_cohort()
    adata.obs["group"] = adata.obs["group"].astype(object)
    adata.obs.iloc[:3, 0] = None
    return adata


def test_labels_are_required_only_where_they_are_explained():
    model = train(made_cohort(), "group", training=Training(folds=3, hidden=4, epochs=5))
    adata, complete = without_some_labels(), made_cohort()
    with pytest.warns(
        UserWarning, match=r"3 of 120 cells have no label in 'group', so groups are the predicted classes"
    ):
        relevance(adata, model)
    relevance(complete, model)
    np.testing.assert_array_equal(adata.layers["lrp"].toarray(), complete.layers["lrp"].toarray())
    assert adata.uns["lrp"]["groupby"] == "lrp_predicted" and adata.obs["group"].isna().sum() == 3
    for settings in ({"target": "labelled"}, {"groupby": "group"}, {"reference": "Naive T"}):
        with pytest.raises(CohortError, match="3 of 120 cells have no label in 'group'"):
            relevance(without_some_labels(), model, **settings)


def test_groups_may_be_named_by_numbers():
    adata = made_cohort()
    adata.obs["group"] = adata.obs["group"].cat.codes.astype(int)
    model = train(adata, "group", training=Training(folds=3, hidden=4, epochs=5))
    numbered, named = adata.copy(), adata.copy()
    relevance(numbered, model, target=1, against=np.int64(0))
    relevance(named, model, target="1", against="0")
    np.testing.assert_array_equal(numbered.layers["lrp"].toarray(), named.layers["lrp"].toarray())
    relevance(numbered, model, reference=2)
    assert numbered.uns["lrp"]["reference"] == "2"
