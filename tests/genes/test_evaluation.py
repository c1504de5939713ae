"""Methods compared on cells: what is removed, what is measured, and what is refused."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from lrp_domains import ATTN_LRP, SECANT
from lrp_domains.evaluation import mean_interval, rivals
from lrp_domains.genes import (
    CohortError,
    Training,
    gene_model,
    made_cohort,
    train,
)
from lrp_domains.genes.evaluation import (
    DEFAULT,
    METHODS,
    Explained,
    RemovableGenes,
    compare_methods,
    differential_expression,
    draw,
    markers_among,
    parameter_randomisation,
)
from lrp_domains.genes.models.held_out import HeldOut

from . import counts_of_two_groups
from .same_cohorts import dense
from .token_models import bert, model_of

GROUPS = ["Naive T", "CD4+/CD25 T Reg", "CD19+ B"]
MARKERS = {group: [f"g{number + 1}_{i}" for i in range(3)] for number, group in enumerate(GROUPS)}


def planted(names, marked=3, strength=4.0):
    """Return a model that reads the marker genes of each group and nothing else."""
    network = nn.Linear(len(names), len(GROUPS))
    with torch.no_grad():
        network.weight.zero_(), network.bias.zero_()
        for number in range(len(GROUPS)):
            network.weight[number, number * marked : (number + 1) * marked] = strength
    return gene_model(network, names, GROUPS, labels="group")


def means(comparison, measure):
    return comparison.values[measure].groupby(level="method").mean()


def test_planted_genes_are_found():
    adata = made_cohort(genes=200)
    model = planted(adata.var_names)
    methods = ["attn-lrp", "secant", "occlusion", "differential-expression"]
    found = compare_methods(adata, model, methods=methods, cells=10, markers=MARKERS)
    assert found.methods == [*methods, "gradient", "random"]
    for method in methods:
        # Of the cells that express all of their markers, those come first.
        assert means(found, "p@1")[method] == 1 and means(found, "AUPRC")[method] > 0.9
        assert means(found, "mass accuracy")[method] > (0.1 if method == "differential-expression" else 0.8)
    assert means(found, "p@1")["random"] < 0.2
    table = found.table().set_index(["method", "measure"])
    for measure, sign in (("ABPC", 1), ("deletion", -1), ("ABPC@100", 1), ("deletion@100", -1), ("AUAC@100", 1)):
        assert sign * table.loc[("attn-lrp", measure), "mean"] > sign * table.loc[("random", measure), "mean"] + 0.1
        assert table.loc[("secant", measure), "best"] and not table.loc[("random", measure), "best"]
    assert found.warnings() == []
    assert found.costs.loc["gradient", "gradients"] == 1


def test_planted_genes_are_kept_and_removed_softly():
    adata = made_cohort(genes=200)
    found = compare_methods(adata, planted(adata.var_names), methods=["attn-lrp"], cells=10, soft=True)
    for measure in ("Soft-NC", "Soft-NS"):
        table = found.table("random").set_index(["method", "measure"])
        assert table.loc[("attn-lrp", measure), "difference_low"] > 0.1
        assert table.loc[("attn-lrp", measure), "best"] and not table.loc[("random", measure), "best"]


def test_a_random_order_has_no_area_between_its_curves(trained):
    adata, model = trained
    found = compare_methods(adata, model, methods=["attn-lrp"], cells=50)
    interval = mean_interval(found.values.loc["random", "ABPC"].to_numpy())
    assert interval.n == 150 and interval.standard_error < 0.02
    assert interval.low < 0 < interval.high
    assert mean_interval(found.values.loc["attn-lrp", "ABPC"].to_numpy()).low > 0.1


@pytest.mark.parametrize("how", ["zero", "mean", "permuted"])
@pytest.mark.parametrize("normalisation", ["log", "zscore"])
def test_what_cells_score_without_genes_is_that_of_a_loop(how, normalisation):
    adata = made_cohort()
    options = {"normalisation": normalisation, "training": Training(folds=3, members=2, hidden=8, epochs=10)}
    if normalisation == "zscore":
        adata.X = adata.X.toarray()
    model = train(adata, "group", **options)
    cells = draw(adata, model, cells=4, seed=1)
    predict = RemovableGenes(cells, how, seed=3)
    random = np.random.default_rng(0)
    samples = random.integers(0, len(cells), 30)
    kept = [random.random(60) < 0.5 for _ in samples]
    scores = predict(samples, kept)

    others = (cells.rows + np.random.default_rng(3).integers(1, adata.n_obs, len(cells))) % adata.n_obs
    assert (others != cells.rows).all()
    plan = cells.cohort.expression
    whole = np.concatenate([dense(chunk.values) for chunk in plan.chunks(50)])
    removed = {"zero": np.zeros((len(cells), 60)), "mean": whole.mean(0)[None].repeat(len(cells), 0)}
    removed["permuted"] = whole[others]
    for sample, mask, score in zip(samples, kept, scores, strict=True):
        cell = cells.rows[sample]
        networks = model.networks[model.folds[adata.obs_names[cell]]]
        x = torch.tensor(np.where(mask, whole[cell], removed[how][sample])[None]).float()
        intact = sum(network(torch.tensor(whole[cell][None]).float()) for network in networks)
        target = int(intact.argmax())
        p = (sum(network(x) for network in networks) / 2).double().softmax(1)[0, target].item()
        assert predict.measured(score) == pytest.approx(p, abs=1e-5)
        assert score == pytest.approx(np.log(p / (1 - p)), abs=1e-3)


def test_a_value_is_measured_itself():
    adata = made_cohort()
    network = nn.Linear(60, 1)
    with torch.no_grad():
        network.weight.zero_(), network.bias.fill_(1.0)
        network.weight[0, :2] = torch.tensor([2.0, -1.0])
    model = gene_model(network, adata.var_names, ["dose"], task="value", labels="dose")
    cells = draw(adata, model, cells=20)
    predict = RemovableGenes(cells)
    assert predict.measured(7.0) == 7.0
    numbers = np.arange(len(cells))
    expressed = dense(adata.X)[cells.rows]
    intact = predict(numbers, [np.ones(60, bool)] * len(cells))
    np.testing.assert_allclose(intact, 1 + 2 * expressed[:, 0] - expressed[:, 1], atol=1e-5)
    without = predict(numbers, [np.arange(60) != 0] * len(cells))
    np.testing.assert_allclose(without, 1 - expressed[:, 1], atol=1e-5)
    found = compare_methods(adata, model, cells=20)
    assert means(found, "ABPC")["attn-lrp"] > means(found, "ABPC")["differential-expression"] > 0.1
    higher = differential_expression(cells)
    assert (higher[:, 0] > 2).all()  # the gene that raises the output, also for cells of the lower half


def test_markers_are_those_of_the_predicted_class(trained):
    adata, model = trained
    cells = draw(adata, model, cells=5)
    truth = markers_among(cells, {"CD19+ B": ["g3_0", "other_5", "unknown"]})
    for number, of_cell in zip(cells.target, truth, strict=True):
        expected = ["g3_0", "other_5"] if GROUPS[number] == "CD19+ B" else []
        assert list(cells.genes[of_cell]) == expected


def test_a_comparison_resumes(trained, tmp_path):
    adata, model = trained
    calls = []

    def counted(cells):
        calls.append(len(cells))
        return np.ones((len(cells), 60))

    def failing(cells):
        if len(cells) > 1:
            raise KeyboardInterrupt
        return counted(cells)

    options = {"cells": 4, "folder": tmp_path}
    with pytest.raises(KeyboardInterrupt):
        compare_methods(adata, model, methods={"constant": counted, "stops": failing}, **options)
    assert calls == [1, 1, 12]
    found = compare_methods(adata, model, methods={"constant": counted, "stops": counted}, **options)
    assert calls == [1, 1, 12, 1, 1, 12]  # the first was measured before
    pd.testing.assert_frame_equal(found.values.loc["constant"], found.values.loc["stops"])
    assert found.methods == ["constant", "stops", "gradient", "random"]


def test_a_transformer_is_compared_by_the_methods_that_fit_it():
    adata = made_cohort(cells=60)
    training = Training(network="transformer", folds=3, hidden=8, epochs=2)
    model = train(adata, "group", training=training)
    with pytest.warns(UserWarning, match=r"the method 'secant' is left out: reference='zero': the transformer reads"):
        found = compare_methods(adata, model, cells=3)
    assert found.methods == ["attn-lrp", "gradient", "differential-expression", "random"]
    assert set(found.methods) < set(DEFAULT)
    with pytest.raises(CohortError, match="the method 'secant-mean' doesn't fit: reference='mean': the transformer"):
        compare_methods(adata, model, cells=3, methods=["secant-mean"])


def test_what_should_be_conserved_is_measured(trained):
    adata, model = trained
    found = compare_methods(adata, model, cells=3, methods=["attn-lrp", "secant", "occlusion"])
    assert found.costs.loc[["attn-lrp", "secant"], "residue"].max() < 1e-5
    assert found.costs.loc[["occlusion", "gradient", "random"], "residue"].isna().all()

    class Shifted(nn.Linear):
        def forward(self, x):
            return super().forward(x) + torch.tensor([5.0, 0.0, -5.0])  # constants, which no parameter accounts for

    network = Shifted(60, 3)
    hidden = gene_model(network, adata.var_names, GROUPS, labels="group")
    found = compare_methods(adata, hidden, cells=3, methods=["attn-lrp", "secant"])
    assert found.costs.loc["attn-lrp", "residue"] > 0.01 > found.costs.loc["secant", "residue"]
    assert any("unaccounted for): attn-lrp (" in warning and "secant" not in warning for warning in found.warnings())


def test_a_model_at_chance_is_a_caution(trained):
    adata, model = trained
    at_chance = replace(model, held_out=HeldOut("balanced accuracy", 0.35, 0.1, 1 / 3))
    with pytest.warns(UserWarning, match="is within error of chance"):
        found = compare_methods(adata, at_chance, cells=3, methods=["random"])
    (caution,) = found.cautions
    assert caution.startswith("Held-out balanced accuracy 0.35 ± 0.10 is within error of chance (0.33)")
    assert compare_methods(adata, model, cells=3, methods=["random"]).cautions == ()


def test_a_model_of_tokens_is_compared():
    adata = counts_of_two_groups.cohort()
    found = compare_methods(adata, model_of(bert()), cells=3, methods=["attn-lrp", "cp-lrp"])
    assert found.values.notna().all().all()
    own = {"own": Explained(rivals.occlusion())}
    with pytest.raises(CohortError, match="the method 'own' doesn't fit: occlusion explains models that read a matrix"):
        compare_methods(adata, model_of(bert()), cells=3, methods=own)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"methods": ["attn-lpr"]}, "there is no method 'attn-lpr'; did you mean 'attn-lrp'"),
        ({"how": "delete"}, "unknown way to remove genes 'delete'"),
        ({"markers": {"B": ["g1_0"]}}, r"no class of the model \(.*\) has markers; there are some of 'B': name them"),
        ({"markers": {"Naive T": ["CD4"]}}, "no measured gene .* is in the markers of the model's classes"),
        ({"methods": {"own": Explained(ATTN_LRP, "zero")}}, "'own' doesn't fit: the rule set 'AttnLRP' explains no"),
        ({"methods": {"own": Explained(SECANT, "Naive T")}}, "'own' doesn't fit: reference is 'Naive T'; methods are"),
        ({"groupby": "grup"}, "obs has no column 'grup'"),
        ({"cells": 0}, "cells is 0: pass a whole number from 1"),
        ({"cells": -1}, "cells is -1"),
        ({"rulez": 1}, "unknown setting 'rulez'"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_method_runs(trained, options, message, monkeypatch):
    monkeypatch.setattr("lrp_domains.genes.evaluation.compare.compare", None)
    with pytest.raises(CohortError, match=message):
        compare_methods(*trained, **options)


def test_a_method_of_another_shape_is_refused(trained):
    with pytest.raises(CohortError, match=r"the method 'own' returned shape \(6, 5\), not cells x genes: \(6, 60\)"):
        compare_methods(*trained, methods={"own": lambda cells: np.ones((len(cells), 5))}, cells=2)


def test_every_method_explains(trained):
    adata, model = trained
    cells = draw(adata, model, cells=2)
    for name, method in METHODS.items():
        amounts = method(cells)
        assert amounts.shape == (6, 60) and np.isfinite(amounts).all() and np.abs(amounts).max() > 0, name
    np.testing.assert_array_equal(METHODS["random"](cells) != 0, cells.values != 0)


def test_relevance_depends_on_the_parameters(trained):
    adata, model = trained
    digest = model.digest()
    table = parameter_randomisation(adata, model, cells=4)
    assert len(table) == 2  # the layers of each network
    assert table["similarity"].iloc[-1] < 0.5
    assert model.digest() == digest
    of_expression = parameter_randomisation(adata, model, "differential-expression", cells=4)
    np.testing.assert_allclose(of_expression["similarity"], 1)  # it ignores the networks
