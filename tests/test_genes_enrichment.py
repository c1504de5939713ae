"""Gene sets that lead a ranking are found; files that are no gene sets are refused."""

import numpy as np
import pytest
from scipy.stats import hypergeom

from lrp_domains.genes import CohortError, enrich, marker_recovery
from lrp_domains.genes.rankings.enrichment import read_gene_sets

from .ranked import ranked


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


def test_the_set_that_leads_is_found(table, sets):
    found = enrich(table, sets).set_index("term")
    assert set(found.index) == {"LEADING", "SPREAD"}
    assert found.loc["LEADING", "nes"] > 1.8 and found.loc["LEADING", "p_adjusted"] < 0.01
    assert found.loc["SPREAD", "p_value"] > 0.05
    assert found.loc["LEADING", "genes_in_set"] == 15
    assert set(found.loc["LEADING", "leading_genes"].split(", ")) <= {f"g{i}" for i in range(15)}


def test_the_seed_fixes_it_also_where_relevance_ties_at_zero(table, sets):
    tied = table.assign(score=table["score"].where(table["rank"] < 20, 0.0))
    first, second = enrich(tied, sets, seed=3), enrich(tied.sample(frac=1, random_state=1), sets, seed=3)
    assert first.loc[first["term"] == "LEADING", "nes"].item() > 1.5
    assert first.equals(second)


def test_sets_too_small_for_a_cohort_are_said(table, sets):
    with pytest.warns(UserWarning, match=r"no set has 100 to 500 of the genes of cohort 'x' \(the largest has 15\)"):
        assert len(enrich(table, sets, smallest=100)) == 0


@pytest.mark.parametrize(
    "text, message",
    [
        ("", r"holds no gene sets"),
        ("A\tonly\n", r"line 1 of '.*' is no gene set: 'A\tonly'; a .gmt line is name, description and genes"),
        ("A\t\tg1\n\nA\t\tg2\n", r"the set 'A' is in '.*' twice, again in line 3"),
        ("A\t\tENSG1\tENSG2\n", r"no measured gene \('g0', 'g1', 'g10' and 297 more\) is in the sets of"),
    ],
)
def test_files_that_are_no_gene_sets(table, tmp_path, text, message):
    (tmp_path / "bad.gmt").write_text(text)
    with pytest.raises(CohortError, match=message):
        enrich(table, tmp_path / "bad.gmt")


def test_no_file_of_gene_sets(table, tmp_path):
    with pytest.raises(CohortError, match=r"there is no file of gene sets"):
        read_gene_sets(tmp_path / "none.gmt")


def test_recovery_of_markers(table):
    row = marker_recovery(table, {"B": ["g0", "g1", "g2", "unmeasured"]}, top=20).iloc[0]
    first = set(table["gene"][:20])
    count = len(first & {"g0", "g1", "g2"})
    assert (row["markers"], row["found"]) == (3, count) and count >= 2
    assert row["precision"] == count / 20 and row["expected"] == 3 / 300
    assert row["p_value"] == pytest.approx(sum(hypergeom.pmf(k, 300, 3, 20) for k in range(count, 4)))
    with pytest.raises(CohortError, match=r"no group \('B'\) has markers among 'T'"):
        marker_recovery(table, {"T": ["g0"]})
