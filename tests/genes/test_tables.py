"""One schema for ranked genes, the same as .tsv and as .parquet, and clear about what is invalid."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lrp_domains.genes import CohortError, Training, made_cohort, rank, read_table, relevance, train, write_table
from lrp_domains.genes.rankings.tables import COLUMNS, WITH_DECOYS, check_ranking, schema_in_words

from .tables_of_ranks import ranked


@pytest.fixture(scope="module")
def table():
    adata = made_cohort()
    relevance(adata, train(adata, "group", training=Training(folds=3, hidden=8, epochs=20)))
    return rank(adata, cohort="NA")  # a name that pandas reads as missing


def test_the_schema_is_in_the_documentation():
    page = (Path(__file__).parents[2] / "docs" / "genes.md").read_text()
    assert page.partition("<!-- schema -->\n")[2].partition("\n<!-- /schema -->")[0] == schema_in_words()


def test_rank_returns_the_columns_of_the_schema(table):
    columns = {name: column for name, column in COLUMNS.items() if name not in WITH_DECOYS}
    assert list(table) == list(columns)
    kinds = {"str": "O", "int": "i", "float": "f"}
    assert {name: table[name].dtype.kind for name in table} == {
        name: kinds[kind] for name, (kind, _, _) in columns.items()
    }
    for name, (kind, unit, what) in COLUMNS.items():
        assert f"| `{name}` | {kind} | {unit} | {what} |" in schema_in_words().splitlines()


def test_units_of_shares_and_directions(table):
    for name, (_, unit, _) in COLUMNS.items():
        if unit == "0 to 1" and name not in WITH_DECOYS:
            assert table[name].dropna().between(0, 1).all()
    assert set(table["direction"]) <= {1, -1}


@pytest.mark.parametrize("suffix", [".tsv", ".parquet"])
def test_written_and_read_again(table, tmp_path, suffix):
    table = table.assign(gene=table["gene"].replace("other_0", "NaN"))
    write_table(table, tmp_path / f"genes{suffix}")
    pd.testing.assert_frame_equal(read_table(tmp_path / f"genes{suffix}"), table, check_exact=True)


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1),
        st.floats(allow_nan=False, allow_infinity=False),
        min_size=1,
    )
)
@settings(max_examples=50, deadline=None)
def test_any_gene_and_any_score_survive(scores):
    table = ranked("x", scores)
    with TemporaryDirectory() as folder:
        for suffix in (".tsv", ".parquet"):
            write_table(table, Path(folder, f"genes{suffix}"))
            pd.testing.assert_frame_equal(read_table(Path(folder, f"genes{suffix}")), table, check_exact=True)


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda t: t.drop(columns="score"), r"no column 'score'; there are: 'cohort'"),
        (lambda t: t.rename(columns={"gene": "genes"}), r"no column 'gene'; did you mean 'genes'\?"),
        (lambda t: t.drop(columns=["cohort", "rank"]), r"no column 'cohort', 'rank'"),
        (lambda t: t.iloc[:0], r"has no rows; rank a cohort first"),
        (lambda t: t.assign(gene=["CD19", None]), r"1 rows .* have no gene, first row 2; name it or drop these rows"),
        (lambda t: t.assign(group=np.nan), r"2 rows .* have no group, first row 1"),
        (lambda t: t.assign(cohort=""), r"2 rows .* have no cohort, first row 1"),
        (lambda t: t.assign(score="high"), r"'score' of the table of ranked genes holds (object|str), not numbers"),
        (lambda t: t.assign(low=[True, False]), r"'low' of the table of ranked genes holds bool, not numbers"),
        (lambda t: t.assign(score=[np.nan, 1.0]), r"score of gene 'CD19' in group 'B' of cohort 'x' is nan, not a fin"),
        (lambda t: t.assign(score=[1.0, -np.inf]), r"score of gene 'LYZ' .* is -inf, not a finite number; drop"),
        (lambda t: t.assign(rank=[1, 1.5]), r"rank of gene 'LYZ' .* is 1.5, not a whole number from 1 on"),
        (lambda t: t.assign(rank=[0, 1]), r"rank of gene 'CD19' .* is 0, not a whole number from 1 on"),
        (lambda t: t.assign(rank=[np.nan, 1]), r"rank of gene 'CD19' .* is nan, not a whole number"),
        (lambda t: t.assign(direction=[1, 0]), r"direction of gene 'LYZ' .* is 0, not 1 or -1"),
        (lambda t: t.assign(direction=[np.nan, 1]), r"direction of gene 'CD19' .* is nan, not 1 or -1; use one for"),
        (lambda t: pd.concat([t, t]), r"2 rows occur twice, first gene 'CD19' in group 'B' of cohort 'x'"),
    ],
)
def test_an_invalid_table_is_refused(spoil, message, tmp_path):
    spoiled = spoil(ranked("x", {"CD19": 1.0, "LYZ": 0.0}))
    with pytest.raises(CohortError, match=message):
        check_ranking(spoiled)
    with pytest.raises(CohortError, match=message):
        write_table(spoiled, tmp_path / "genes.tsv")
    assert list(tmp_path.iterdir()) == []


def test_foreign_files_are_refused(tmp_path, table):
    (tmp_path / "x.parquet").write_text("no table")
    with pytest.raises(CohortError, match=r"x.parquet' could not be read as a table"):
        read_table(tmp_path / "x.parquet")
    with pytest.raises(CohortError, match=r"there is no table '.*y.tsv'; write it with 'lrp-domains genes rank'"):
        read_table(tmp_path / "y.tsv")
    with pytest.raises(CohortError, match=r"y.csv' should end in .tsv or .parquet"):
        write_table(table, tmp_path / "y.csv")
    (tmp_path / "z.tsv").write_text("cohort\tgroup\tgene\trank\nx\tB\tCD19\t1\n")
    with pytest.raises(CohortError, match=r"z.tsv': the table of ranked genes has no column 'score'"):
        read_table(tmp_path / "z.tsv")
    assert {path.name for path in tmp_path.iterdir()} == {"x.parquet", "z.tsv"}
