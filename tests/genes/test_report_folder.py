"""A folder of results: read as from memory, and refused with a message if it is malformed."""

import shutil

import numpy as np
import pandas as pd
import pytest

from lrp_domains import genes
from lrp_domains.evaluation.page import write_comparison
from lrp_domains.genes.evaluation import compare_methods
from lrp_domains.genes.report import read_results

from .report_pages import QUICK, made, page_of, results_of


@pytest.fixture(scope="module")
def results():
    adata = made()
    return results_of(adata, genes.train(adata, "group", training=genes.Training(**QUICK)))


@pytest.fixture(scope="module")
def folder(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results") / "made"
    genes.write_cohort(results.adata, folder / "explained.h5ad")
    genes.write_table(results.table, folder / "genes.parquet")
    for name in ("stability", "performance", "curves"):
        getattr(results, name).to_csv(folder / f"{name}.tsv", sep="\t", index=False)
    return folder


def test_from_a_folder_as_from_memory(results, folder, tmp_path):
    with read_results(folder) as read:
        assert read.name == "made" and read.groups == results.groups
        assert not isinstance(read.adata.X, np.ndarray) and not hasattr(read.adata.X, "tocsr")  # on disk
        rows = np.array([3, 50, 119])
        np.testing.assert_array_equal(read.relevance_of(rows), results.relevance_of(rows))
        np.testing.assert_array_equal(read.relevance_of(rows, ["g3_0"]), results.relevance_of(rows, ["g3_0"]))
    stored, memory = page_of(tmp_path, folder).text, page_of(tmp_path, results).text
    assert stored == memory


def edited(name, change):
    """Write a table of a folder again, changed."""

    def edit(folder):
        path = folder / name
        if path.suffix == ".parquet":
            change(pd.read_parquet(path)).to_parquet(path, index=False)
        else:
            change(pd.read_csv(path, sep="\t")).to_csv(path, sep="\t", index=False)

    return edit


def without_relevance(folder):
    genes.write_cohort(made(), folder / "explained.h5ad")


@pytest.mark.parametrize(
    "spoil, message",
    [
        (shutil.rmtree, "is not a folder of results: it has no explained.h5ad"),
        (lambda folder: (folder / "genes.parquet").unlink(), "it has no genes.parquet"),
        (lambda folder: (folder / "explained.h5ad").write_bytes(b"x"), "explained.h5ad' could not be read"),
        (lambda folder: (folder / "genes.parquet").write_bytes(b"x"), "genes.parquet' could not be read as a table"),
        (lambda folder: (folder / "curves.tsv").write_text('a\tb\n"'), "curves"),
        (without_relevance, "the cohort has no relevance"),
        (edited("genes.parquet", lambda table: table.iloc[:0]), "has no rows; rank a cohort first"),
        (edited("genes.parquet", lambda table: table.drop(columns="score")), "no column 'score'"),
        (edited("genes.parquet", lambda table: table.drop(columns="low")), "ranked genes of cohort 'made' has no col"),
        (
            edited("genes.parquet", lambda table: table.assign(group="B-" + table["group"])),
            "are of other groups than its column 'group'",
        ),
        (
            edited("genes.parquet", lambda table: table.assign(gene="x" + table["gene"])),
            "is not a gene of cohort 'made'",
        ),
        (
            edited("stability.tsv", lambda table: table.drop(columns="spearman")),
            "stability of cohort 'made' has no col",
        ),
        (
            edited("curves.tsv", lambda table: table.drop(columns="probability")),
            "curves of cohort 'made' has no column",
        ),
    ],
)
def test_a_malformed_folder_is_refused_and_nothing_is_written(folder, tmp_path, spoil, message):
    copy = tmp_path / "made"
    shutil.copytree(folder, copy)
    spoil(copy)
    (tmp_path / "report.html").write_text("earlier")
    with pytest.raises(genes.CohortError, match=message):
        genes.write_report(tmp_path / "report.html", [copy])
    assert (tmp_path / "report.html").read_text() == "earlier"
    assert {path.name for path in tmp_path.iterdir()} <= {"made", "report.html"}


def test_an_empty_performance_and_groups_that_look_like_numbers(folder, tmp_path):
    copy = tmp_path / "made"
    shutil.copytree(folder, copy)
    (copy / "performance.tsv").write_text("\n")
    stability = pd.read_csv(copy / "stability.tsv", sep="\t")
    stability.assign(group=["1", "NA", "3"]).to_csv(copy / "stability.tsv", sep="\t", index=False)
    with read_results(copy) as results:
        assert results.performance is None and list(results.stability["group"]) == ["1", "NA", "3"]


def test_methods_that_were_compared_are_shown(results, folder, tmp_path):
    copy = shutil.copytree(folder, tmp_path / "made")
    assert "Methods compared" not in page_of(tmp_path, copy).text
    adata = made()
    model = genes.train(adata, "group", training=genes.Training(**QUICK))
    found = compare_methods(adata, model, methods=["attn-lrp"], cells=4)
    write_comparison(found, copy / "comparison", title="Compared")
    page = page_of(tmp_path, copy)
    ((head, *rows),) = page.tables["Methods compared"]
    assert [row[0] for row in rows] == ["attn-lrp", "gradient", "random"]
    column = next(number for number, name in enumerate(head) if name.startswith("deletion"))
    for row in rows:
        assert row[column] == f"{found.values.loc[row[0], 'deletion'].mean():.3f}"
    assert "What 12 of the cells score" in page.text
    assert page.source.count('alt="mean curves of each method"') == 1
