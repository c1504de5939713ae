"""The report: self-contained, consistent with its tables for any cohort; invalid tables are refused."""

import re

import numpy as np
import pandas as pd
import pytest
import torch

from lrp_domains import genes
from lrp_domains.genes.figures.conservation import shares_of_genes
from lrp_domains.genes.report import CohortResults
from lrp_domains.genes.report.cell_section import typical_cell

from .report_pages import ODD, QUICK, linear, made, page_of, results_of


@pytest.fixture(scope="module")
def results():
    adata = made()
    return results_of(adata, genes.train(adata, "group", training=genes.Training(**QUICK)))


def test_it_is_self_contained_and_shows_names_unchanged(results, tmp_path):
    page = page_of(tmp_path, results, title="<script>alert(1)</script>", failed={"<i>bad</i>": "no <u>column</u>"})
    assert not re.search(r"https?://|<link|@import|url\(", page.source)
    assert set(re.findall(r'src="([^"]{0,11})', page.source)) == {"data:image/"}
    for tag in ("<b>T &", "<script>alert", "<i>bad", "<u>column"):
        assert tag not in page.source
    for text in (ODD, "<script>alert(1)</script>", "<i>bad</i>: no <u>column</u>"):
        assert text in page.text
    assert len(page.source) < 2_000_000
    targets = re.findall(r'href="#([^"]+)"', page.source)
    assert targets and set(targets) <= set(re.findall(r'id="([^"]+)"', page.source))


def test_top_genes_are_those_of_the_table(results, tmp_path):
    page = page_of(tmp_path, results, top=5)
    for group in results.groups:
        (head, *rows), = page.tables[group]  # fmt: skip
        rows = [dict(zip(head, row, strict=True)) for row in rows]
        ranked = results.genes_of(group)
        assert [row["gene"] for row in rows] == list(ranked["gene"].head(5))
        for row, (_, expected) in zip(rows, ranked.iterrows(), strict=False):
            score, low, high = (f"{expected[name]:.3f}" for name in ("score", "low", "high"))
            assert row["relevance"] == f"{score} [{low}, {high}]"
            assert float(row["for"]) == pytest.approx(expected["positive"], abs=6e-4)
            assert float(row["against"]) == pytest.approx(expected["negative"], abs=6e-4)
            assert float(row["d"]) == pytest.approx(expected["effect_size"], abs=0.06)
            assert row["cells"] == f"{expected['share_positive']:.0%}" and row["nets"] == f"{expected['selected']:.0%}"
            assert float(row["log2FC"]) == pytest.approx(expected["log2_fold_change"], abs=0.06)
            assert row["DE"] == f"{expected['de_rank']:.0f}" and "adj. p" not in row
        first = ", ".join(ranked.nsmallest(5, "de_rank")["gene"])
        shared = len(set(ranked["gene"].head(5)) & set(ranked.nsmallest(5, "de_rank")["gene"]))
        assert f"Top genes by differential expression ({shared} of 5 shared): {first}" in page.text.replace(" ,", ",")


def test_predictions_curves_and_stability_are_those_of_the_tables(results, tmp_path):
    page = page_of(tmp_path, results)
    folds = page.tables["How well do the networks predict?"][0]
    performance = results.performance
    column = folds[0].index("accuracy")
    assert [float(row[column]) for row in folds[1:-1]] == pytest.approx(performance["held_out_accuracy"], abs=6e-4)
    assert folds[-1][0] == "mean"
    assert float(folds[-1][column]) == pytest.approx(performance["held_out_accuracy"].mean(), abs=6e-4)
    labelled, *rows = page.tables["How well do the networks predict?"][1]
    assert labelled == ["labelled", *(f"predicted {group}" for group in results.adata.obs["group"].cat.categories)]
    counts = pd.crosstab(results.adata.obs["group"], results.adata.obs["lrp_predicted"])
    assert [[int(text) for text in row[1:]] for row in rows] == counts.to_numpy().tolist()

    _, head, *rows = page.tables["Do the networks need these genes?"][0]
    assert head == ["group", *2 * ["relevance", "differential expression", "random"]]
    areas = genes.areas(results.curves).set_index(["group", "order"])
    for row in rows[:-1]:
        orders = [(row[0], order) for order in ("relevance", "differential", "random")]
        expected = [*areas.loc[orders, "deletion"], *areas.loc[orders, "insertion"]]
        assert [float(text) for text in row[1:]] == pytest.approx(expected, abs=6e-4)

    rows = page.tables["Conservation and stability"][0][1:]
    assert [row[0] for row in rows] == list(results.stability["group"])
    assert [float(row[2]) for row in rows] == pytest.approx(results.stability["spearman"], abs=6e-3)


def test_groups_are_in_the_same_order_everywhere(results, tmp_path):
    order = list(results.adata.obs["group"].cat.categories)
    page = page_of(tmp_path, results)
    assert [heading for heading in page.tables if heading in order] == order
    for heading in ("Do the networks need these genes?", "Conservation and stability"):
        names = [row[0] for row in page.tables[heading][0]]
        assert [name for name in names if name in order] == order


def test_tables_across_cohorts_are_shown(results, tmp_path):
    other = made(seed=1)
    other = results_of(other, genes.train(other, "group", training=genes.Training(**QUICK)), "other", curves=False)
    both = pd.concat([results.table, other.table])
    settings = {
        "consensus": genes.consensus(both),
        "agreement": genes.agreement(both),
        "recovery": genes.marker_recovery(both, {"CD19+ B": ["g3_0", "g3_1", "other_1"]}, top=5),
        "enrichment": pd.DataFrame(
            {
                "cohort": ["other", "made", "made", "made"],
                "group": ["CD19+ B", "CD19+ B", "Naive T", "Naive T"],
                "term": ["SET_A", "SET_B", "SET_C", "NOT_SHOWN"],
                "nes": [2.5, 1.25, 1.5, -2.0],
                "p_value": 0.01,
                "p_adjusted": [0.002, 0.0, 0.2, 0.01],
                "genes_in_set": [12, 20, 30, 15],
                "leading_genes": "g1_0, g1_1",
            }
        ),
    }
    tested = settings["consensus"].assign(p_adjusted=0.25)
    head, row, *_ = page_of(tmp_path, results, other, consensus=tested).tables["CD19+ B"][-1]
    assert row[head.index("adj. p")] == "0.25"
    page = page_of(tmp_path, results, other, **settings)
    assert "adj. p" not in page.tables["CD19+ B"][-1][0]
    (head, *rows), = page.tables["Genes that carry each group"]  # fmt: skip
    assert head[0] == "cohort" and [row[0] for row in rows] == ["made", "other"]

    _, head, *rows = page.tables["How far the cohorts agree"][0]
    for row, expected in zip(rows, settings["agreement"].to_dict("records"), strict=True):
        assert row[:4] == [expected["group"], "made", "other", str(expected["genes"])]
        assert float(row[4]) == pytest.approx(expected["spearman"], abs=6e-3)
        assert float(row[7]) == pytest.approx(expected["de_spearman"], abs=6e-3)

    result = settings["consensus"][settings["consensus"]["group"] == "CD19+ B"].head(10)
    rows = page.tables["CD19+ B"][-1][1:]
    assert [row[1] for row in rows] == list(result["gene"])
    assert [float(row[2]) for row in rows] == pytest.approx(result["rho"], rel=0.06)
    assert rows[0][4:6] == [f"{result['supporting'].iloc[0]} of 2", result["cohorts"].iloc[0]]

    rows = page.tables["Gene sets that lead the rankings"][0][1:]
    assert [row[2] for row in rows] == ["SET_C", "SET_B", "SET_A"]  # in the order of cohorts, then of groups
    assert rows[1] == ["made", "CD19+ B", "SET_B", "1.25", "0", "20", "g1_0, g1_1"]

    _, _, *rows = page.tables["Known markers among the top genes"][0]
    for row, expected in zip(rows, settings["recovery"].to_dict("records"), strict=True):
        assert row[:4] == [expected["cohort"], "CD19+ B", "3", str(expected["found"])]
        assert row[4] == f"{expected['precision']:.0%}" and row[5] == f"{expected['de_found']:.0f}"


def test_three_cohorts_without_a_common_group_for_two_of_them(results, tmp_path):
    columns = ["group", "cohort_a", "cohort_b", "genes", "spearman", "rbo", "jaccard"]
    agreement = pd.DataFrame([("g", "a", "b", 9, 0.5, 0.4, 0.3), ("h", "a", "c", 9, np.nan, 0.4, 0.3)], columns=columns)
    page = page_of(tmp_path, results, agreement=agreement)
    assert "rank correlation of cohorts" in page.source  # the figure
    rows = page.tables["How far the cohorts agree"][0][2:]
    assert [row[4] for row in rows] == ["0.50", "–"] and rows[0][7:] == ["–", "–", "–"]


def test_a_foreign_model_without_layer_embedding_and_tables(tmp_path):
    adata = made()
    del adata.obsm["X_umap"]
    model = linear(adata, list(adata.obs["group"].cat.categories), labels="group")
    table = (genes.relevance(adata, model, layer=None), genes.rank(adata, cohort="made"))[1]
    page = page_of(tmp_path, CohortResults("made", adata, table))
    assert "The relevance of single cells was not kept" in page.text
    assert "Do the networks need" not in page.text and "rank correlation between networks" not in page.text
    assert "predicted as labelled" in page.text  # in place of what is measured out of fold


@pytest.mark.parametrize("task", ["value", "survival"])
def test_a_value_or_a_risk_is_not_called_a_class(task, tmp_path):
    adata = made()
    page = page_of(tmp_path, results_of(adata, linear(adata, ["output"], task), target="predicted"))
    assert "below and above the median" in page.text and "class" not in page.text.split("How to read it")[0]
    assert {"low", "high"} <= set(page.tables)
    head = page.tables["Do the networks need these genes?"][0][0]
    assert "mean height of deletion (higher is better)" in head


def test_patients_are_samples(tmp_path):
    adata = made()
    adata.X = adata.X.toarray()
    two = adata.obs["group"].isin(["Naive T", "CD19+ B"])
    adata = adata[two].copy()
    model = linear(adata, ["Naive T", "CD19+ B"], labels="group", normalisation="zscore")
    results = results_of(adata, model, target="labelled", donor="index")
    page = page_of(tmp_path, results)
    assert "80 samples × 60 genes" in page.text and "cells" not in page.tables["CD19+ B"][0][0]
    ranked = results.genes_of("CD19+ B")
    lower = (ranked["direction"] < 0) & (ranked["score"] > 0)
    for (head, *rows), expected in zip(page.tables["CD19+ B"], (ranked[~lower], ranked[lower]), strict=True):
        assert [row[1] for row in rows] == list(expected["gene"].head(10))
        assert "adj. p" not in head


def test_thirty_groups_one_of_them_never_predicted(tmp_path):
    adata = made()
    names = [f"group {number} of a long name, as annotations have" for number in range(30)]
    adata.obs["group"] = pd.Categorical.from_codes(np.arange(adata.n_obs) % 30, names)
    model = linear(adata, names, labels="group")
    network = model.networks[0][0]
    with torch.no_grad():
        network.weight[0], network.bias[0] = 0.0, -50.0
    target = np.argmax((torch.as_tensor(adata.X.toarray()) @ network.weight.T + network.bias).detach().numpy(), 1)
    adata.obs["group"] = pd.Categorical([names[number] for number in target], categories=names)
    adata.obs.loc[adata.obs_names[:2], "group"] = names[0]
    with pytest.warns(UserWarning, match="was explained for its own group"):
        genes.relevance(adata, model, groupby="group"), genes.rank(adata, wilcoxon=False)
    with pytest.warns(UserWarning):
        table = genes.rank(adata, cohort="made", wilcoxon=False)
    page = page_of(tmp_path, CohortResults("made", adata, table))
    assert f"was explained for its own group: {names[0]}." in page.text
    assert len([heading for heading in page.tables if heading in names]) == table["group"].nunique() < 30


def test_the_typical_cell_and_its_ledger(results):
    obs = results.adata.obs
    row = typical_cell(results, "CD19+ B")
    explained = obs[(obs["group"] == "CD19+ B") & (obs["lrp_target"] == "CD19+ B")]
    assert obs.index[row] in explained.index
    assert (explained["lrp_score"] < obs["lrp_score"].iloc[row]).sum() == len(explained) // 2
    relevance = results.relevance_of(np.array([row]))[0]
    assert relevance.sum() + obs["lrp_rest"].iloc[row] == pytest.approx(obs["lrp_score"].iloc[row], rel=1e-4)
    assert shares_of_genes(obs)[row] == pytest.approx(relevance.sum() / obs["lrp_score"].iloc[row], rel=1e-4)


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"consensus": pd.DataFrame({"group": ["B"], "gene": ["a"]})}, "table of consensus has no column 'rank'"),
        ({"recovery": pd.DataFrame({"cohort": ["B"]})}, "table of recovery has no column 'group'"),
        ({"top": 0}, "top is 0"),
    ],
)
def test_invalid_tables_and_settings_are_refused(results, tmp_path, settings, message):
    with pytest.raises(genes.CohortError, match=message):
        genes.write_report(tmp_path / "report.html", [results], **settings)
    assert not list(tmp_path.iterdir())


def test_a_report_of_no_cohorts_is_refused(tmp_path):
    with pytest.raises(genes.CohortError, match="there are no results to report"):
        genes.write_report(tmp_path / "report.html", [])
