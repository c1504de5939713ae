"""Gene sets that lead a ranking are found; files that are not gene sets are refused."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import hypergeom

from lrp_domains.genes import CohortError, enrich, marker_recovery, read_markers
from lrp_domains.genes.rankings.gene_sets import read_gene_sets

from .tables_of_ranks import ranked


@pytest.fixture
def sets(tmp_path):
    lines = [
        "LEADING\tfirst\t" + "\t".join(f"g{i}" for i in range(15)),
        "SPREAD\t\t" + "\t".join(f"g{i}" for i in range(0, 300, 20)),
    ]
    lines.append("SMALL\t\tg1\tg2")
    path = tmp_path / "sets.gmt"
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def table():
    random = np.random.default_rng(0)
    return ranked("x", {f"g{i}": (3.0 if i < 15 else 0.0) + random.normal() for i in range(300)})


def test_the_set_that_leads_is_significant(table, sets):
    result = enrich(table, sets).set_index("term")
    assert set(result.index) == {"LEADING", "SPREAD"}
    assert result.loc["LEADING", "nes"] > 1.8 and result.loc["LEADING", "p_adjusted"] < 0.01
    assert result.loc["SPREAD", "p_value"] > 0.05
    assert result.loc["LEADING", "genes_in_set"] == 15
    assert set(result.loc["LEADING", "leading_genes"].split(", ")) <= {f"g{i}" for i in range(15)}


def test_the_seed_fixes_it_also_where_relevance_ties_at_zero(table, sets):
    tied = table.assign(score=table["score"].where(table["rank"] < 20, 0.0))
    first, second = enrich(tied, sets, seed=3), enrich(tied.sample(frac=1, random_state=1), sets, seed=3)
    assert first.loc[first["term"] == "LEADING", "nes"].item() > 1.5
    assert first.equals(second)


def test_a_series_is_a_ranking(table, sets):
    result = enrich(table.set_index("gene")["score"].sample(frac=1, random_state=0), sets)
    pd.testing.assert_frame_equal(result.drop(columns=["cohort", "group"]), enrich(table, sets).iloc[:, 2:])


def test_direction_turns_a_set_around(table, sets):
    down = table.assign(direction=-1)
    assert enrich(down, sets).set_index("term").loc["LEADING", "nes"] < -1.8
    pd.testing.assert_frame_equal(enrich(down, sets, direction=False), enrich(table, sets))


def test_the_statistic_is_the_running_sum_of_the_definition(table, sets):
    """Of the running sum, the place furthest from 0; it ends the leading genes."""
    order = list(table.sort_values("score", ascending=False)["gene"])
    result = enrich(table, sets).set_index("term")
    for term, genes in read_gene_sets(sets).items():
        if term not in result.index:
            continue
        steps = [1 / len(genes) if gene in genes else -1 / (len(order) - len(genes)) for gene in order]
        walk = np.cumsum(steps)
        peak = int(np.abs(walk).argmax())
        leading = order[: peak + 1] if walk[peak] > 0 else order[:peak:-1]
        assert np.sign(result.loc[term, "nes"]) == np.sign(walk[peak])
        assert set(result.loc[term, "leading_genes"].split(", ")) == set(leading) & set(genes)


def test_a_group_that_cannot_be_tested_is_warned_of(table, sets, tmp_path):
    with pytest.warns(UserWarning, match=r"'B' of cohort 'x' has no enr.*: no set has 100 to 299 .* largest has 15\)"):
        assert len(enrich(table, sets, smallest=100)) == 0
    with pytest.warns(UserWarning, match=r"group 'B' of cohort 'x' has no enrichment: all its genes tie"):
        assert len(enrich(table.assign(score=0.0), sets)) == 0
    other = ranked("y", {f"ENSG{i}": float(i) for i in range(30)})
    with pytest.warns(UserWarning, match=r"of cohort 'y' has no enrichment: no measured gene \('ENSG0', .* \('g0', "):
        assert set(enrich(pd.concat([table, other]), sets)["cohort"]) == {"x"}
    (tmp_path / "all.gmt").write_text("ALL\t\t" + "\t".join(table["gene"]))
    with pytest.warns(UserWarning, match=r"no set has 10 to 299 of its genes \(the largest has 300\)"):
        assert len(enrich(table, tmp_path / "all.gmt")) == 0


@pytest.mark.parametrize(
    "wrong, message",
    [
        ({"smallest": 0}, r"smallest=0 and largest=500 should be"),
        ({"smallest": 20, "largest": 10}, r"smallest=20 and largest=10 should be"),
        ({"permutations": 0}, r"permutations=0, weight=0.0 and seed=0 should be at least 1, 0 and 0"),
        ({"weight": -1}, r"weight=-1"),
        ({"seed": -1}, r"seed=-1"),
    ],
)
def test_settings_out_of_range_are_refused(table, sets, wrong, message):
    with pytest.raises(CohortError, match=message):
        enrich(table, sets, **wrong)


def test_a_table_without_directions_is_refused(table, sets):
    with pytest.raises(CohortError, match=r"no column 'direction'; use direction=False"):
        enrich(table.drop(columns="direction"), sets)


def test_sets_as_spreadsheets_write_them(tmp_path):
    (tmp_path / "sets.gmt").write_bytes("\ufeffA\tfirst\tg1 \tg2\tg1\t\t\r\nB\t\tg3\r\n".encode())
    assert read_gene_sets(tmp_path / "sets.gmt") == {"A": ["g1", "g2"], "B": ["g3"]}


@pytest.mark.parametrize(
    "text, message",
    [
        ("", r"holds no gene sets"),
        ("A\tonly\n", r"line 1 of '.*' is not a gene set: 'A\tonly'; a .gmt line is name, description and genes"),
        ("A,text,g1,g2\n", r"line 1 of '.*' is not a gene set: 'A,text,g1,g2'; a .gmt line is name"),
        ("A\t\tg1\nB\ttext\t\n", r"line 2 of '.*' is not a gene set: 'B\ttext\t'"),
        ("\ttext\tg1\tg2\n", r"line 1 of '.*' is not a gene set"),
        ("A\t\tg\udce9\n", r"is not UTF-8 text \(invalid continuation byte\); pass gene sets as a .gmt file"),
        ("A\t\tg1\n\nA\t\tg2\n", r"the set 'A' is in '.*' twice, again in line 3"),
        ("A\t\tENSG1\tENSG2\n", r"no measured gene \('g0', 'g1', 'g10' and 297 more\) is in the sets of"),
    ],
)
def test_files_that_are_not_gene_sets_are_refused(table, tmp_path, text, message):
    (tmp_path / "bad.gmt").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(CohortError, match=message):
        enrich(table, tmp_path / "bad.gmt")


def test_a_missing_file_of_gene_sets_is_refused(table, tmp_path):
    with pytest.raises(CohortError, match=r"there is no file of gene sets"):
        enrich(table, tmp_path / "none.gmt")
    with pytest.raises(CohortError, match=r"there is no file of gene sets '.*'; pass a .gmt file"):
        read_gene_sets(tmp_path)


def test_markers_among_the_top_genes_are_counted(table):
    row = marker_recovery(table, {"B": ["g0", "g1", "g2", "unmeasured"]}, top=20).iloc[0]
    first = set(table["gene"][:20])
    count = len(first & {"g0", "g1", "g2"})
    assert (row["markers"], row["found"]) == (3, count) and count >= 2
    assert row["precision"] == count / 20 and row["expected"] == 3 / 300
    assert row["p_value"] == pytest.approx(sum(hypergeom.pmf(k, 300, 3, 20) for k in range(count, 4)))


@pytest.mark.parametrize(
    "markers, top, message",
    [
        ({"T": ["g0"]}, 20, r"no group \('B'\) has markers among 'T'; name the groups of markers as in the table"),
        ({"B": ["CD19"]}, 20, r"no measured gene \('g0', .* is in the markers of 'B' \('CD19'\); do both use symbols"),
        ({"B": ["g0"]}, 0, r"top=0 should be a whole number from 1 on"),
    ],
)
def test_markers_that_do_not_fit_are_refused(table, markers, top, message):
    with pytest.raises(CohortError, match=message):
        marker_recovery(table, markers, top=top)


def test_markers_from_a_table_of_rows_and_from_one_of_lists(tmp_path):
    (tmp_path / "rows.tsv").write_text("species\tgene\tcell type\nHs\tCD19\tB cells\nHs\tNA\tB cells\nHs\t\tT cells\n")
    assert read_markers(tmp_path / "rows.tsv") == {"B cells": ["CD19", "NA"]}
    (tmp_path / "lists.csv").write_text('Tissue,CT,Gene\nBlood,B cell,"CD19, MS4A1"\nSkin,B cell,"CD19,CD79A"\n')
    assert read_markers(tmp_path / "lists.csv", group="CT", gene="Gene") == {"B cell": ["CD19", "MS4A1", "CD79A"]}


@pytest.mark.parametrize(
    "text, message",
    [
        ("", r"could not be read as a table: No columns"),
        ("cell type\tofficial gene symbol\nB\tCD19\n", r"no column 'gene'; did you mean 'official gene symbol'\?"),
        ("celltype\tgene\nB\tCD19\n", r"no column 'cell type'; did you mean 'celltype'\? \(name it with group="),
        ("cell type\tgene\nB\t\n", r"has no row with both a 'cell type' and a 'gene'"),
    ],
)
def test_tables_without_markers_are_refused(tmp_path, text, message):
    (tmp_path / "markers.tsv").write_text(text)
    with pytest.raises(CohortError, match=message):
        read_markers(tmp_path / "markers.tsv")


REAL = Path(__file__).parents[3] / "shared" / "data" / "genes" / "genesets"


@pytest.mark.skipif(not REAL.is_dir(), reason="needs the real gene sets")
def test_real_gene_sets_and_markers_are_read():
    sets = read_gene_sets(next(REAL.glob("human_hallmark*.gmt")))
    assert len(sets) == 50 and "ESR1" not in sets["HALLMARK_INTERFERON_ALPHA_RESPONSE"]
    assert "GREB1" in sets["HALLMARK_ESTROGEN_RESPONSE_EARLY"]
    panglao = read_markers(next(REAL.glob("PanglaoDB*.tsv")), gene="official gene symbol")
    assert {"CD19", "MS4A1"} <= set(panglao["B cells"])
    marker = read_markers(next(REAL.glob("CellMarker2*.csv")), group="CT", gene="Gene")
    assert {"CD14", "LYZ"} <= set(marker["Monocyte"])
