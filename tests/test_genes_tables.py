"""One schema for ranked genes, the same as .tsv and as .parquet, and plain about what doesn't fit."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lrp_domains.genes import CohortError, Training, made_cohort, rank, read_table, relevance, train, write_table
from lrp_domains.genes.rankings.tables import COLUMNS, check_ranking, schema_in_words

from .ranked import ranked


@pytest.fixture(scope="module")
def table():
    adata = made_cohort()
    relevance(adata, train(adata, "group", training=Training(folds=3, hidden=8, epochs=20)))
    return rank(adata, cohort="NA")  # a name that pandas reads as missing


def test_the_schema_stands_in_the_documentation():
    page = (Path(__file__).parents[1] / "docs" / "genes.md").read_text()
    assert page.partition("<!-- schema -->\n")[2].partition("\n<!-- /schema -->")[0] == schema_in_words()


def test_what_rank_gives_is_the_schema(table):
    assert list(table) == list(COLUMNS)
    kinds = {"str": "O", "int": "i", "float": "f"}
    assert {name: table[name].dtype.kind for name in table} == {
        name: kinds[kind] for name, (kind, _) in COLUMNS.items()
    }
    for name, (_, what) in COLUMNS.items():
        assert f"| `{name}` |" in schema_in_words() and what in schema_in_words()


@pytest.mark.parametrize("suffix", [".tsv", ".parquet"])
def test_written_and_read_again(table, tmp_path, suffix):
    table = table.assign(gene=table["gene"].replace("other_0", "NaN"))
    write_table(table, tmp_path / f"genes{suffix}")
    pd.testing.assert_frame_equal(read_table(tmp_path / f"genes{suffix}"), table, check_exact=suffix == ".parquet")


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda t: t.drop(columns="score"), r"no column 'score'"),
        (lambda t: t.rename(columns={"gene": "names"}), r"no column 'gene'"),
        (lambda t: t.assign(score="high"), r"'score' of the table of ranked genes holds object|str, not numbers"),
        (lambda t: t.assign(score=[np.nan, 1.0]), r"score of gene 'CD19' in group 'B' of cohort 'x' is not finite"),
        (lambda t: pd.concat([t, t]), r"2 rows are there twice, first gene 'CD19' in group 'B' of cohort 'x'"),
    ],
)
def test_what_is_no_table_of_ranked_genes(spoil, message):
    with pytest.raises(CohortError, match=message):
        check_ranking(spoil(ranked("x", {"CD19": 1.0, "LYZ": 0.0})))


def test_files_that_are_something_else(tmp_path, table):
    (tmp_path / "x.parquet").write_text("no table")
    with pytest.raises(CohortError, match=r"x.parquet' could not be read as a table"):
        read_table(tmp_path / "x.parquet")
    with pytest.raises(CohortError, match=r"there is no table '.*y.tsv'; write it with 'lrp-domains genes rank'"):
        read_table(tmp_path / "y.tsv")
    with pytest.raises(CohortError, match=r"y.csv' should end in .tsv or .parquet"):
        write_table(table, tmp_path / "y.csv")
    assert {path.name for path in tmp_path.iterdir()} == {"x.parquet"}
