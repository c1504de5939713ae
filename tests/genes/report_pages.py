"""Report pages as a reader sees them, and small cohorts to report on."""

from html.parser import HTMLParser

import torch
from torch import nn

from lrp_domains import genes
from lrp_domains.genes.report import CohortResults

ODD = "<b>T & $x_1$</b>/Reg"  # HTML, a formula and a slash
QUICK = {"folds": 3, "epochs": 60, "members": 1}


class Page(HTMLParser):
    """What a reader sees: the tables, each as rows of texts, by the heading above; and all text."""

    def __init__(self, path):
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.tables, self.texts, self.heading, self.inside = {}, [], "", ""
        self.feed(self.source)
        self.text = " ".join(" ".join(self.texts).split())

    def handle_starttag(self, tag, attributes):
        if tag in ("h1", "h2", "h3", "h4", "style", "script"):
            self.inside, self.heading = tag, "" if tag[0] == "h" else self.heading
        elif tag == "table":
            self.tables.setdefault(self.heading, []).append([])
        elif tag == "tr":
            self.tables[self.heading][-1].append([])
        elif tag in ("td", "th"):
            self.tables[self.heading][-1][-1].append("")
            self.inside = "cell"

    def handle_endtag(self, tag):
        if tag in ("h1", "h2", "h3", "h4", "td", "th", "style", "script"):
            self.inside = ""

    def handle_data(self, data):
        if self.inside in ("style", "script"):
            return
        self.texts.append(data)
        if self.inside.startswith("h"):
            self.heading += data
        elif self.inside == "cell":
            self.tables[self.heading][-1][-1][-1] += data


def page_of(tmp_path, *cohorts, **settings):
    genes.write_report(tmp_path / "report.html", cohorts, **settings)
    return Page(tmp_path / "report.html")


def results_of(adata, model, name="made", *, curves=True, **settings):
    statistics = genes.relevance(adata, model, **settings)
    table = genes.rank(adata, cohort=name)
    return CohortResults(
        name, adata, table, genes.stability(statistics), model.performance,
        genes.curves(adata, model, table, most=9, points=4, cells=10, draws=2) if curves else None,
    )  # fmt: skip


def made(seed=0):
    adata = genes.made_cohort(seed=seed)
    adata.obs["group"] = adata.obs["group"].cat.rename_categories({"CD4+/CD25 T Reg": ODD})
    return adata


def linear(adata, classes, task="classes", **declared):
    torch.manual_seed(0)
    return genes.gene_model(nn.Linear(adata.n_vars, len(classes)), adata.var_names, classes, task=task, **declared)
