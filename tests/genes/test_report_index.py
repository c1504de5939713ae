"""The index of several cohorts: links to pages, what many cohorts agree on, and runs that aren't finished."""

import re
import shutil
from collections import defaultdict
from html.parser import HTMLParser
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from lrp_domains import genes
from lrp_domains.command_line import app
from lrp_domains.genes.figures.agreement_matrix import agreement_matrix
from lrp_domains.genes.report.across_section import across_section
from lrp_domains.genes.report.across_tables import read_across
from lrp_domains.genes.report.links import link

from .report_pages import Page, linear, made

HOSTILE = 'a" onmouseover=alert(1) <b>&?#%20;$(x)'


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return a folder with two cohorts, one of a hostile name."""
    run = tmp_path_factory.mktemp("run")
    for seed, name in enumerate(["javascript:alert(1)", HOSTILE]):
        adata = made(seed=seed)
        genes.relevance(adata, linear(adata, list(adata.obs["group"].cat.categories), labels="group"), layer=None)
        table = genes.rank(adata, cohort=name)
        genes.write_cohort(adata, run / name / "explained.h5ad")
        for suffix in ("parquet", "tsv"):
            genes.write_table(table, run / name / f"genes.{suffix}")
    return run


@pytest.fixture
def folders(run, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    return [tmp_path / "run" / name for name in ("javascript:alert(1)", HOSTILE)]


@pytest.fixture
def sets(tmp_path):
    genes_of = [f"g{i}_{j}" for i in range(1, 4) for j in range(4)]
    (tmp_path / "sets.gmt").write_text("SET\t\t" + "\t".join(genes_of) + "\n")
    return tmp_path / "sets.gmt"


def call(*arguments):
    result = CliRunner().invoke(app, ["genes", *map(str, arguments)])
    assert result.exit_code == 0, result.output
    return result


class Attributes(HTMLParser):
    """The values of all attributes, by name."""

    def __init__(self, source):
        super().__init__()
        self.values = defaultdict(list)
        self.feed(source)

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            self.values[name].append(value)


def attributes_of(path):
    return Attributes(path.read_text()).values


def files(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_an_index_links_to_the_page_of_each_cohort_and_pages_to_their_tables(folders, tmp_path):
    out = tmp_path / "run" / "report.html"
    call("report", *folders, "--out", out, "--title", "<i>All</i>")
    page = Page(out)
    targets = [unquote(target) for target in re.findall(r'href="([^"#][^"]*)"', page.source)]
    assert targets == [f"{folder.name}/report.html" for folder in folders]
    assert HOSTILE in page.text and "<i>All</i>" in page.text
    assert {name for name in attributes_of(out) if name.startswith("on")} == set()
    assert all(target.startswith(("#", "javascript%3A", "a%22%20")) for target in attributes_of(out)["href"])
    head, *rows = page.tables["Cohorts"][0]
    assert [row[0] for row in rows] == [folder.name for folder in folders]
    assert [row[1:4] for row in rows] == [["120", "60", "3"]] * 2
    for folder, row in zip(folders, rows, strict=True):
        table = genes.read_table(folder / "genes.parquet")
        for group, ranked in table.groupby("group"):
            assert f"{group}: {', '.join(ranked['gene'].head(3))}" in row[head.index("top genes")]
        of_cohort = Page(folder / "report.html")
        (target,) = set(re.findall(r'href="([^"#][^"]*)"', of_cohort.source))
        assert target == "genes.tsv" and (folder / target).is_file()
        assert of_cohort.text.startswith(folder.name)
    for source in (page.source, of_cohort.source):
        assert not re.search(r"https?://|<link|@import|url\(", source) and source.count("<script>") == 1


def test_pages_are_only_written_if_asked_for(folders, tmp_path):
    before, out = files(tmp_path / "run"), tmp_path / "index.html"
    call("report", *folders, "--out", out, "--no-pages")
    assert files(tmp_path / "run") == before and 'href="#cohorts"' in out.read_text()
    assert not re.search(r'href="[^#]', out.read_text())
    call("page", folders[1], "--out", folders[1] / "report.html", "--top", "3")
    call("report", *folders, "--out", out, "--no-pages")
    assert re.findall(r'href="([^#"][^"]*)', out.read_text()) == [link(folders[1] / "report.html", out)]
    assert len(Page(folders[1] / "report.html").tables["CD19+ B"][0]) == 4
    refused = CliRunner().invoke(app, ["genes", "report", *map(str, folders), "--out", str(folders[0] / "report.html")])
    assert refused.exit_code == 1 and "is the page of one of the cohorts" in refused.output


def test_a_partial_report_respects_the_settings_and_writes_only_itself(folders, sets, tmp_path):
    run = tmp_path / "run"
    for name in ("consensus.tsv", "agreement.tsv", "enrichment.tsv", "report.html"):
        (run / name).write_text("of all cohorts")
    before = files(run)
    settings = ["--direction", "--no-direction"], ["--consensus-top", 2], ["--least-cohorts", 2], ["--seed", 3]
    options = [settings[0][1], *settings[1], *settings[2], *settings[3], "--gene-sets", sets, "--title", "Mine"]
    out = run / "report.partial.html"
    result = call("report", "--missing-ok", *folders, run / "late", "--out", out, "--top", 4, *options)
    assert "missing: late: it was not started" in result.stderr
    assert files(run) == sorted([*before, "report.partial.html"])
    assert {(run / name).read_text() for name in ("consensus.tsv", "report.html")} == {"of all cohorts"}

    page = Page(out)
    assert "Partial report. The run is not finished: 2 of 3 cohorts" in page.text and page.text.startswith("Mine")
    assert "Missing: late: it was not started" in page.text
    tables = [folder / "genes.parquet" for folder in folders]
    both = {"--out": tmp_path / "c.tsv", "--agreement": tmp_path / "a.tsv"}
    arguments = [part for option in both.items() for part in option]
    call("consensus", *tables, "--no-direction", "--top", 2, "--expected", "late", *arguments)
    expected = pd.read_csv(tmp_path / "c.tsv", sep="\t")
    for group, rows in expected.groupby("group", sort=False):
        shown = page.tables[group][-1][1:]
        assert [row[1] for row in shown] == list(rows["gene"].head(4))
        counts = zip(rows["supporting"], rows["measured"], strict=True)
        assert [row[4] for row in shown] == [f"{a} of {b}" for a, b in counts][:4]
        assert {row[6] for row in shown} == {"late"}
    call("enrich", *tables, "--gene-sets", sets, "--seed", 3, "--out", tmp_path / "e.tsv")
    likely = read_across("enrichment", tmp_path / "e.tsv", top=4)
    rows = page.tables["Gene sets that lead the rankings"][0][1:]
    assert len(rows) == max(len(likely), 1)


@pytest.mark.parametrize(
    "options, message",
    [
        (["--missing-ok", "--consensus", "c.tsv"], "leave out --consensus"),
        (["--gene-sets", "sets.gmt"], "--gene-sets: only with --missing-ok"),
        (["--consensus-top", "3", "--no-direction"], "--consensus-top, --direction: only with --missing-ok"),
    ],
)
def test_options_that_would_be_ignored_are_refused(options, message, tmp_path):
    result = CliRunner().invoke(app, ["genes", "report", "a", "b", "--out", str(tmp_path / "x.html"), *options])
    assert result.exit_code == 2 and message in " ".join(re.sub(r"[│╭╮╰╯─]", " ", result.output).split())


def test_many_cohorts_are_summarised():
    names = [f"cohort{number:03}" for number in range(60)]
    a, b = np.triu_indices(len(names), 1)
    agreement = pd.DataFrame(
        {"group": "B", "cohort_a": np.array(names)[a], "cohort_b": np.array(names)[b], "genes": 9}
    ).assign(spearman=np.where((a == 0) | (b == 0), 0.1, 0.9), rbo=0.5, jaccard=0.5)
    consensus = pd.DataFrame(
        {"group": "B", "gene": ["g1"], "rank": 1, "rho": 0.1, "mean_rank": 0.1, "supporting": 60, "measured": 60}
    ).assign(cohorts=", ".join(names), missing="")
    enrichment = pd.DataFrame(
        {"cohort": np.repeat(names, 20), "group": np.tile([f"g{i}" for i in range(20)], 60), "term": "SET", "nes": 2.0}
    ).assign(p_adjusted=0.01, genes_in_set=9, leading_genes="g1")
    tables = {"consensus": consensus, "agreement": agreement, "enrichment": enrichment, "recovery": None}
    across = across_section(tables, cohorts=names, groups=["B"], top=10)

    assert across["agreement"]["rows"] == [] and len(across["agreement"]["means"]) == 60
    last = across["agreement"]["means"][-1]
    assert last["cohort"] == "cohort000" and last["spearman"] == pytest.approx(0.1)
    assert across["agreement"]["means"][0]["spearman"] == pytest.approx((58 * 0.9 + 0.1) / 59)
    assert across["agreement"]["figure"].width < 1500
    part = across["consensus"]["B"]
    assert part["upset"] is None and part["rows"][0]["cohorts"].endswith("cohort011 and 48 others")
    assert across["enrichment"]["rows"] == []
    assert {row["cohorts"] for row in across["enrichment"]["counted"]} == {60}
    assert not agreement_matrix(agreement).texts


def test_only_rows_that_are_shown_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr("lrp_domains.genes.report.across_tables.ROWS", 7)
    rows = [("NA", f"g{i}", i, "c1" if i in (3, 40) else "") for i in range(1, 50)]
    table = pd.DataFrame(rows, columns=["group", "gene", "rank", "cohorts"])
    table.to_csv(tmp_path / "c.tsv", sep="\t", index=False)
    read = read_across("consensus", tmp_path / "c.tsv", top=5)
    assert list(read["rank"]) == [1, 2, 3, 4, 5, 40] and set(read["group"]) == {"NA"}
    (tmp_path / "c.tsv").write_bytes(b"group\trank\n\xff\t1\n")
    with pytest.raises(genes.CohortError, match=r"c.tsv' could not be read as a table"):
        read_across("consensus", tmp_path / "c.tsv", top=5)
