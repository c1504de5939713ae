"""What the report says about tests, chance, genes that speak by absence; and many groups or long names."""

import re

import numpy as np
import pandas as pd
import pytest

from lrp_domains import genes
from lrp_domains.genes.report import CohortResults

from .report_pages import ODD, linear, made, page_of
from .tables_of_ranks import random_cohorts

GROUPS = ["Naive T", ODD, "CD19+ B"]


def explained(**settings):
    adata = made()
    genes.relevance(adata, linear(adata, GROUPS, labels="group", **settings), target="labelled")
    return adata, genes.rank(adata, cohort="made", wilcoxon=False)


@pytest.fixture(scope="module")
def cohort():
    return explained()


def test_q_values_are_shown_with_their_decoys_and_counted(cohort, tmp_path):
    adata, table = cohort
    adata = adata.copy()
    params = adata.uns["rank_genes_lrp"]["params"] | {"lrp_fdr": 0.2}
    adata.uns["rank_genes_lrp"] = adata.uns["rank_genes_lrp"] | {"params": params}
    q_values = np.where(table["rank"] <= 7, 0.15, 0.6)
    page = page_of(tmp_path, CohortResults("made", adata, table.assign(q_value=q_values, decoy_score=-0.125)))
    head, *rows = page.tables["Naive T"][0]
    assert [row[head.index("q")] for row in rows] == ["0.15"] * 7 + ["0.6"] * 3
    assert {row[head.index("decoy")] for row in rows} == {"-0.125"}
    assert "At a false discovery rate of 20 % there are 7 genes of Naive T, 7 genes of" in page.text
    assert "No test was made" not in page.text and "adj. p" not in page.text


@pytest.mark.parametrize("missing", [False, True])
def test_without_a_test_there_is_no_column_of_it(cohort, tmp_path, missing):
    adata, table = cohort
    tests = ["p_value", "p_adjusted"]
    table = table.drop(columns=tests) if missing else table.assign(**dict.fromkeys(tests, np.nan), q_value=np.nan)
    page = page_of(tmp_path, CohortResults("made", adata, table))
    assert not {"adj. p", "q", "decoy"} & set(page.tables["Naive T"][0][0])
    assert "No test was made" in page.text and "--fdr" in page.text
    assert "interval over cells, networks held fixed" in page.text


def test_chance_is_told(tmp_path):
    adata, table = explained(normalisation="centred")
    better = page_of(tmp_path, CohortResults("made", adata, table)).text
    assert "Higher in the group (markers)" in better and "Not better than chance" not in better
    chance = {"at_chance": np.True_, "held_out": 0.48, "held_out_error": 0.06, "chance": 0.5}
    adata.uns["lrp"] = adata.uns["lrp"] | chance
    text = page_of(tmp_path, CohortResults("made", adata, table)).text
    assert "Held-out balanced accuracy 0.48 ± 0.06 is within error of chance (0.50)" in text
    assert "(markers)" not in text and "Higher in the group" in text


def test_what_is_not_conserved_is_told(cohort, tmp_path):
    adata, table = cohort
    assert "Not conserved" not in page_of(tmp_path, CohortResults("made", adata, table)).text
    lost = adata.copy()
    lost.uns["lrp"] |= {"ledger_residue": 0.12 * lost.uns["lrp"]["ledger_score"]}
    text = page_of(tmp_path, CohortResults("made", lost, table)).text
    assert "Not conserved. Neither genes nor biases account for 12% of all scores" in text


def test_the_distance_of_half_precision_is_told(cohort, tmp_path):
    adata, table = cohort
    assert "instead of fp32" not in page_of(tmp_path, CohortResults("made", adata, table)).text
    half = adata.copy()
    half.uns["lrp"] |= {"precision": "bf16", "distance_relevance": 0.0123, "distance_score": 0.004}
    text = page_of(tmp_path, CohortResults("made", half, table)).text
    assert "1.2% (0.4%)" in text and "of relevance changed by bf16 instead of fp32 (of scores)" in text


@pytest.mark.parametrize("named", [False, True], ids=["direction", "evidence"])
def test_genes_that_speak_by_absence_have_a_list(tmp_path, named):
    adata, table = explained(normalisation="centred")
    absent = (table["direction"] < 0) & (table["score"] > 0)
    if named:
        absent &= table["gene"] != table[absent]["gene"].iloc[0]
        table = table.assign(evidence=np.where(absent, "absence", "presence"))
    page = page_of(tmp_path, CohortResults("made", adata, table), top=4)
    assert "Higher in the group" in page.text and "Lower in the group" in page.text
    for group in GROUPS:
        of_group = table["group"] == group
        for (_, *drawn), which in zip(page.tables[group], (~absent, absent), strict=True):
            assert [row[1] for row in drawn] == list(table[of_group & which].sort_values("rank")["gene"].head(4))


@pytest.mark.slow
def test_thirty_groups_are_folded_and_long_names_shortened(tmp_path):
    random = np.random.default_rng(0)
    adata = made()
    adata.var_names = [f"AFFX-HUMGAPDH/M33{number:03}_5_at" for number in range(adata.n_vars)]
    names = [f"group {number} of a long name, as annotations have them" for number in range(30)]
    adata.obs["group"] = pd.Categorical.from_codes(np.arange(adata.n_obs) % 30, names)
    genes.relevance(adata, linear(adata, names, labels="group"), target="labelled")
    table = genes.rank(adata, cohort="made", wilcoxon=False)
    results = CohortResults("made", adata, table, stability=pd.DataFrame(
        {"group": names, "networks": 3, "spearman": random.uniform(size=30), "jaccard": 0.5, "first": 20}
    ))  # fmt: skip
    page = page_of(tmp_path, results)
    source = page.source
    assert source.count('<details class="group"') == 30 and "(30 rows)</summary>" in source
    assert source.count("relevance against fold change of the genes of") == 12
    assert all(f'href="#group-1-{number}"' in source and f'id="group-1-{number}"' in source for number in range(1, 31))
    assert [heading for heading in page.tables if heading in names] == names  # whole in headings

    gene = table[table["group"] == names[0]].sort_values("rank")["gene"].iloc[0]
    short = f"{gene[:15]}…{gene[-8:]}"
    assert page.tables[names[0]][0][1][1] == short and f'<span title="{gene}">{short}</span>' in source
    assert len(source) < 2_500_000


def test_tables_scroll_in_their_box_and_upset_plots_are_drawn_from_three_cohorts_on(cohort, tmp_path):
    for cohorts in (2, 3):
        table = random_cohorts(cohorts=cohorts)
        tables = {"consensus": genes.consensus(table), "agreement": genes.agreement(table)}
        source = page_of(tmp_path, CohortResults("made", *cohort), **tables).source
        assert source.count("cohorts that support the genes of") == (cohorts == 3)
        boxes = re.findall(r"(<[^>]*>)\s*<table", source)
        assert len(boxes) == source.count("<table") and set(boxes) == {'<div class="scroll">'}
