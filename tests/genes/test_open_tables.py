"""Tables that are read one group at a time give what one table in memory gives."""

import errno
import os
from unittest.mock import patch

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from lrp_domains.domain import NotWritten
from lrp_domains.genes import CohortError, agreement, consensus, enrich, open_tables, write_table

from .tables_of_ranks import ranked

GROUPS = ("B", "T", "NK")


def cohort(number, *, genes=60, groups=GROUPS, ties=False, **columns):
    """Return a cohort that lacks some genes, with its groups in another order than others."""
    random = np.random.default_rng(number)
    tables = []
    for group in groups[number % len(groups) :] + groups[: number % len(groups)]:
        names = [f"g{i}" for i in range(genes) if random.random() < 0.8]
        scores = random.normal(size=len(names))
        scores = np.where(random.random(len(names)) < 0.5, 0, scores.round(1)) if ties else scores
        direction = {name: random.choice([1, -1]) for name in names}
        tables.append(ranked(f"c{number}", dict(zip(names, scores, strict=True)), group, direction))
    table = pd.concat(tables, ignore_index=True)
    return table.assign(**{name: values(random, len(table)) for name, values in columns.items()})


def uniform(random, size):
    return random.random(size)


def empty(random, size):
    return np.full(size, np.nan)


CASES = {
    "all alike": [cohort(n, p_value=uniform, de_score=uniform) for n in range(4)],
    "one cohort": [cohort(0)],
    "many cohorts": [cohort(n, de_score=uniform) for n in range(12)],
    "missing groups": [cohort(0), cohort(1, groups=("B",)), cohort(2, groups=("T", "other"))],
    "no p-values in one": [cohort(0, p_value=uniform), cohort(1, p_value=empty), cohort(2, p_value=uniform)],
    "other columns": [
        cohort(0, p_value=uniform, q_value=uniform, decoy_score=uniform),
        cohort(1, p_value=uniform, de_score=uniform),
        cohort(2, p_value=uniform, reference=lambda random, size: ""),
    ],
    "ties": [cohort(n, ties=True, de_score=uniform) for n in range(4)],
    "two cohorts in a file": [pd.concat([cohort(0), cohort(1)], ignore_index=True), cohort(2)],
    "a cohort in two files": [cohort(0, groups=("B",)), cohort(0, groups=("T",)), cohort(1)],
}


@pytest.fixture
def sets(tmp_path):
    (tmp_path / "sets.gmt").write_text("LOW\t\t" + "\t".join(f"g{i}" for i in range(12)) + "\nHIGH\t\tg50\tg51\tg52\n")
    return tmp_path / "sets.gmt"


def written(tables, folder, form):
    """Write each table as a file: by groups, as earlier versions did, with rows in any order, or as text."""
    paths = [folder / f"{number}.{'tsv' if form == 'tsv' else 'parquet'}" for number in range(len(tables))]
    for path, table in zip(paths, tables, strict=True):
        if form == "plain":
            table.to_parquet(path, index=False)
        elif form == "small row groups":
            table.to_parquet(path, index=False, row_group_size=7)
        else:
            write_table(table, path)
    return paths


def result_of(function, table, **settings):
    """Return a table, or the message of the error."""
    try:
        return function(table, **settings)
    except CohortError as error:
        return str(error)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("form", ["by group", "plain", "small row groups", "tsv"])
@pytest.mark.parametrize("case", CASES)
def test_files_give_what_one_table_gives(case, form, tmp_path):
    whole = pd.concat(CASES[case], ignore_index=True)
    calls = [
        (consensus, {"expected": ["c0", "late"]}),
        (consensus, {"direction": False, "top": 3, "least_cohorts": 3}),
        (agreement, {"top": 5}),
        (agreement, {"direction": False}),
    ]
    with open_tables(written(CASES[case], tmp_path, form)) as tables:
        for function, settings in calls:
            expected, result = result_of(function, whole, **settings), result_of(function, tables, **settings)
            if isinstance(expected, str):
                assert result == expected
            else:
                pd.testing.assert_frame_equal(result, expected, check_exact=True)


@pytest.mark.parametrize("case", ["missing groups", "a cohort in two files"])
def test_gene_sets_are_tested_in_files_as_in_one_table(case, sets, tmp_path):
    settings = {"smallest": 3, "permutations": 20}
    with open_tables(written(CASES[case], tmp_path, "by group")) as tables:
        result = enrich(tables, sets, **settings)
    pd.testing.assert_frame_equal(result, enrich(pd.concat(CASES[case]), sets, **settings), check_exact=True)


def test_one_group_of_one_cohort_is_read_at_a_time(tmp_path):
    paths = written(CASES["all alike"], tmp_path, "by group")
    for path in paths:
        file = pq.ParquetFile(path)
        assert file.num_row_groups == len(GROUPS) and file.schema_arrow.equals(pq.read_schema(paths[0]))
    read = []
    original = pq.ParquetFile.read_row_group

    def counted(file, number, columns):
        read.append((number, sorted(columns)))
        return original(file, number, columns=columns)

    with open_tables(paths) as tables, patch.object(pq.ParquetFile, "read_row_group", counted):
        consensus(tables)
    assert len(read) == len(paths) * len(GROUPS)  # none for names, which the statistics tell
    assert all(columns == ["direction", "gene", "p_value", "rank", "score"] for _, columns in read)


def test_the_schema_does_not_depend_on_the_values(tmp_path):
    tables = [cohort(n, discovery=values, evidence=words) for n, (values, words) in enumerate([
        (lambda random, size: np.ones(size, int), lambda random, size: "presence"),
        (empty, lambda random, size: None),
    ])]  # fmt: skip
    schemas = [pq.read_schema(path) for path in written(tables, tmp_path, "by group")]
    assert schemas[0].equals(schemas[1])


@pytest.mark.parametrize(
    "tables, message",
    [
        (
            [cohort(0), cohort(0)],
            r"rows occur twice, first gene 'g.*' in group .* 'c0'; pass each table once",
        ),
        (
            [cohort(0), cohort(1).drop(columns="direction")],
            r"some tables .* no column 'direction'; use",
        ),
        (
            [cohort(0, reference=lambda random, size: "Naive"), cohort(1)],
            r"against different references: 'Naive', 'none'",
        ),
        ([], "no tables of ranked genes"),
    ],
)
def test_tables_that_do_not_fit_together_are_refused(tables, message, tmp_path):
    with pytest.raises(CohortError, match=message), open_tables(written(tables, tmp_path, "by group")) as opened:
        consensus(opened)


def test_an_invalid_row_is_reported_with_its_file(tmp_path):
    written([cohort(0), cohort(1)], tmp_path, "by group")
    invalid = cohort(1)
    invalid.loc[3, "score"] = np.inf
    with patch("lrp_domains.genes.rankings.tables.check_ranking", lambda table: table):
        write_table(invalid, tmp_path / "1.parquet")
    paths = [tmp_path / "0.parquet", tmp_path / "1.parquet"]
    with pytest.raises(CohortError, match=r"1.parquet': the score of gene .* is inf"), open_tables(paths) as opened:
        consensus(opened)
    (tmp_path / "1.parquet").write_bytes((tmp_path / "1.parquet").read_bytes()[:500])
    with pytest.raises(CohortError, match=r"1.parquet' could not be read as a table"), open_tables(paths):
        pass


def test_a_full_disk_for_temporary_files_is_told_with_their_folder(tmp_path, monkeypatch):
    def full(table, path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "genes.tsv"
    pd.DataFrame({"cohort": ["a"], "group": ["b"], "gene": ["c"], "rank": [1], "score": [1.0]}).to_csv(
        path, sep="\t", index=False
    )
    monkeypatch.setattr("lrp_domains.genes.rankings.groups.write_by_group", full)
    with (
        pytest.raises(NotWritten, match=r"0.parquet' could not be written: No space left on device"),
        open_tables([path]),
    ):
        pass
