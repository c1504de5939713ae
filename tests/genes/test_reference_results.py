"""Rankings, tables, curves, consensus and reports name the reference."""

import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import torch

from lrp_domains.genes import (
    CohortError,
    Training,
    agreement,
    consensus,
    curves,
    rank,
    read_table,
    relevance,
    train,
    write_table,
)

from .references import GROUPS, cohort, linear_model, profiles_of
from .report_pages import page_of, results_of


@pytest.fixture(scope="module")
def linear():
    return linear_model()


@pytest.fixture(scope="module")
def results():
    adata = cohort()
    fitted = train(adata, "group", training=Training(folds=3, hidden=8, epochs=20))
    return results_of(adata, fitted, target="labelled", reference="Naive T", donor="donor", top=3)


def test_the_report_is_of_the_difference(results, tmp_path):
    page = page_of(tmp_path, results)
    account = results.provenance
    for text in (
        "log-odds (log p / (1 − p)) of the class that each of the cells is labelled with, minus that of the reference, "
        "the mean of Naive T, with the rule set secant",
        "What sets the cells of each group apart from the mean of Naive T. Ordered by mean relevance",
        f"difference {account['ledger_score']:.2f}, genes {account['ledger_genes']:.2f}, other inputs",
        "set to their values in the reference, the mean of Naive T, on the scale that the model reads",
        "of a difference accounted for by genes (median)",
        "A reference. Relevance against a reference sums to the difference",
        "labelled, reference Naive T",
    ):
        assert text in page.text, text
    assert "Without a ranking" not in page.text  # the reference has none, but not for this reason
    assert "biases" not in page.text.partition("How to read it")[0].lower().replace("genes and biases", "")


def test_the_reference_is_in_the_ranking_and_in_tables(results, tmp_path):
    params = results.adata.uns["rank_genes_lrp"]["params"]
    assert params["reference"] == params["lrp_reference"] == "Naive T"
    assert "Naive T" not in set(results.table["group"])
    assert "lrp_reference" not in results.adata.uns["rank_genes_expression"]["params"]
    sc.get.rank_genes_groups_df(results.adata, group="CD19+ B", key="rank_genes_lrp")
    for name in ("genes.tsv", "genes.parquet"):
        write_table(results.table, tmp_path / name)
        pd.testing.assert_frame_equal(read_table(tmp_path / name), results.table, check_exact=True)
    write_table(results.table.assign(reference="NA"), tmp_path / "genes.tsv")
    assert set(read_table(tmp_path / "genes.tsv")["reference"]) == {"NA"}


@pytest.mark.parametrize("other, named", [("mean", "'Naive T', 'mean'"), (None, "'Naive T', 'none'")])
def test_cohorts_of_different_references_have_no_consensus(results, other, named):
    table = results.table.assign(cohort="other", reference=other)
    table = table.drop(columns="reference") if other is None else table
    both = pd.concat([results.table, table])
    for function in (consensus, agreement):
        with pytest.raises(CohortError, match=f"against different references: {named}; explain all cohorts against"):
            function(both)
    assert len(consensus(pd.concat([results.table, results.table.assign(cohort="other")])))


@pytest.mark.parametrize("reference", ["Naive T", "donor"])
def test_curves_set_genes_to_the_values_of_the_reference(linear, reference):
    adata = cohort()
    relevance(adata, linear, target="labelled", reference=reference, donor="donor")
    table = rank(adata, wilcoxon=False)
    measured = curves(adata, linear, table, orders=["relevance"], most=5, points=3)
    profiles, (network,) = profiles_of(adata, reference), linear.networks[0]
    for group, rows in table.groupby("group"):
        members = (adata.obs["group"] == group).to_numpy()
        for curve in ("deletion", "insertion"):
            part = measured[(measured["group"] == group) & (measured["curve"] == curve)]
            for count, result in zip(part["genes"], part["probability"], strict=True):
                top = np.isin(adata.var_names, rows["gene"][:count])
                kept = top if curve == "insertion" else ~top
                cells = torch.tensor(np.where(kept, adata.X.toarray(), profiles)[members])
                p = network(cells).softmax(1)[:, GROUPS.index(group)].mean().item()
                assert result == pytest.approx(p, rel=1e-6)
