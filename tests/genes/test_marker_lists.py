"""Genes that speak by their absence are told apart from markers: in the table, in uns, in lists."""

import numpy as np
import pandas as pd
import pytest
import scanpy as sc
import torch
from torch import nn

from lrp_domains.genes import (
    CohortError,
    gene_model,
    made_cohort,
    marker_lists,
    marker_recovery,
    rank,
    rank_on_disk,
    read_cohort,
    read_table,
    relevance,
    write_cohort,
    write_table,
)
from lrp_domains.genes.rankings.consensus import signed_scores

from .same_cohorts import dense
from .tables_of_ranks import ranked

GROUPS = ["Naive T", "CD4+/CD25 T Reg", "CD19+ B"]
KEY, ABSENT = "rank_genes_lrp", "rank_genes_lrp_absent"


def explained(normalisation="zscore", **settings):
    """Explain cells by a linear network whose weights point from the mean to each group's centre."""
    adata = made_cohort()
    values = dense(adata.X)
    network = nn.Linear(adata.n_vars, len(GROUPS))
    centres = np.stack([values[(adata.obs["group"] == group).to_numpy()].mean(0) for group in GROUPS])
    network.weight.data = torch.as_tensor(centres - values.mean(0))
    model = gene_model(network, adata.var_names, GROUPS, labels="group", normalisation=normalisation)
    relevance(adata, model, target="labelled", **settings)
    return adata


def word(score, direction, by_absence):
    if score < 0:
        return "against"
    if score == 0:
        return "none"
    return "absence" if by_absence and direction < 0 else "presence"


@pytest.mark.parametrize(
    "normalisation, reference, by_absence",
    [
        ("zscore", None, True),
        ("zscore", "zero", True),
        ("log", None, False),
        ("log", "zero", False),
        ("log", "mean", True),
        ("log", "Naive T", True),
    ],
)
def test_the_evidence_of_every_gene_follows_its_definition(normalisation, reference, by_absence):
    adata = explained(normalisation, reference=reference)
    table = rank(adata, wilcoxon=False)
    words = [word(row.score, row.direction, by_absence) for row in table.itertuples()]
    assert table["evidence"].tolist() == words
    assert ("absence" in words) == by_absence and (ABSENT in adata.uns) == by_absence


def test_the_two_lists_in_uns_start_with_markers_and_with_absent_genes():
    adata = explained()
    table = rank(adata)
    for group, rows in table.groupby("group", sort=False):
        assert rows["score"].is_monotonic_decreasing  # the table is by score
        markers = sc.get.rank_genes_groups_df(adata, group=group, key=KEY)
        expected = signed_scores(rows.set_index("gene"), True)
        np.testing.assert_allclose(markers["scores"], expected[markers["names"]], rtol=1e-6)
        assert markers["scores"].is_monotonic_decreasing and len(markers) == adata.n_vars

        absent = sc.get.rank_genes_groups_df(adata, group=group, key=ABSENT)
        by_gene = rows.set_index("gene")
        values = [
            row.score if row.direction < 0 else -abs(row.score) for row in by_gene.loc[absent["names"]].itertuples()
        ]
        np.testing.assert_allclose(absent["scores"], values, rtol=1e-6)
        assert absent["scores"].is_monotonic_decreasing

        number = GROUPS.index(group) + 1
        assert all(gene.startswith(f"g{number}_") for gene in markers["names"][:3])
        others = {f"g{other}_{i}" for other in (1, 2, 3) if other != number for i in range(3)}
        assert set(absent["names"][:6]) == others == set(markers["names"].tail(6))
        for frame in (markers, absent):  # fold changes go along with their genes
            changes = by_gene.loc[frame["names"], "log2_fold_change"]
            np.testing.assert_allclose(frame["logfoldchanges"], changes, rtol=1e-5)


def test_where_zero_is_absence_the_list_is_by_score():
    adata = explained("log")
    table = rank(adata)
    for group, rows in table.groupby("group"):
        assert list(adata.uns[KEY]["names"][group]) == rows["gene"].tolist()


def test_both_lists_are_in_files_and_go_with_the_next_explanation(tmp_path):
    adata = explained()
    write_cohort(adata, tmp_path / "explained.h5ad")
    rank_on_disk(tmp_path / "explained.h5ad", tmp_path / "ranked.h5ad")
    again = read_cohort(tmp_path / "ranked.h5ad")
    rank(adata, key_added="mine")
    for key in (KEY, ABSENT):
        ours = sc.get.rank_genes_groups_df(adata, group=GROUPS[0], key=key.replace(KEY, "mine"))
        pd.testing.assert_frame_equal(sc.get.rank_genes_groups_df(again, group=GROUPS[0], key=key), ours)
    write_table(rank(adata), tmp_path / "genes.tsv")
    pd.testing.assert_frame_equal(read_table(tmp_path / "genes.tsv"), rank(adata), check_exact=True)

    model = gene_model(nn.Linear(adata.n_vars, 3), adata.var_names, GROUPS, labels="group")
    relevance(adata, model, target="labelled")
    assert ABSENT not in adata.uns and KEY not in adata.uns
    rank(adata, key_added="mine")
    assert "mine" in adata.uns and "mine_absent" not in adata.uns


def test_lists_are_the_top_genes_of_each_kind():
    table = rank(explained(), wilcoxon=False)
    present, absent = marker_lists(table, "CD19+ B", top=3)
    assert set(present["gene"]) == {"g3_0", "g3_1", "g3_2"} and len(absent) == 3
    assert set(absent["gene"]) < {f"g{other}_{i}" for other in (1, 2) for i in range(3)}
    for rows in (present, absent):
        assert rows["score"].is_monotonic_decreasing and (rows["score"] > 0).all()
    assert (present["direction"] > 0).all() and (absent["direction"] < 0).all()
    everything = marker_lists(table, "CD19+ B", top=1000)
    assert sum(map(len, everything)) == ((table["group"] == "CD19+ B") & (table["score"] > 0)).sum()


def test_a_table_without_the_column_has_markers_alone():
    present, absent = marker_lists(ranked("x", {"a": 2.0, "b": -1.0, "c": 0.0}, direction={"a": -1}), "B")
    assert present["gene"].tolist() == ["a"] and absent.empty


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"group": "C"}, r"the table has no group 'C'"),
        ({"top": 0}, r"top=0 should be a whole number from 1 on"),
        ({"table": [ranked("x", {"a": 1.0}), ranked("y", {"a": 1.0})]}, r"of several cohorts \('x', 'y'\); pass one"),
    ],
)
def test_requests_for_lists_that_do_not_fit_are_refused(settings, message):
    arguments = {"table": [ranked("x", {"a": 1.0})], "group": "B"} | settings
    arguments["table"] = pd.concat(arguments["table"])
    with pytest.raises(CohortError, match=message):
        marker_lists(**arguments)


def test_markers_are_recovered_among_genes_that_are_present():
    table = ranked("x", {"low": 3.0, "high": 1.0, "lower": 0.5, "other": -2.0}, direction={"low": -1, "lower": -1})
    told_apart = table.assign(evidence=["absence", "presence", "absence", "against"])
    for gene, found, found_by_score in (("low", 0, 1), ("high", 1, 0)):
        assert marker_recovery(told_apart, {"B": [gene]}, top=1)["found"].item() == found
        assert marker_recovery(table, {"B": [gene]}, top=1)["found"].item() == found_by_score
