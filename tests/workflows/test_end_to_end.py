"""Whole runs on small cohorts and corpora, alone and as a module of another workflow."""

import pandas as pd
import pytest
import scanpy as sc
import yaml

from lrp_domains.genes import made_cohort, write_cohort

from .runs import ROOT, configured, snakemake, written

COHORT_FILES = {
    "benchmarks", "check.json", "curves.tsv", "explained.h5ad", "genes.parquet", "genes.tsv", "logs", "model.pt",
    "performance.tsv", "stability.tsv",
}  # fmt: skip


def with_one_label(path):
    """Change a cohort so that it can't be learned, which only its check finds out."""
    adata = sc.read_h5ad(path)
    adata.obs["group"] = "T"
    write_cohort(adata, path)


@pytest.mark.slow
def test_corpora_from_end_to_end(tmp_path):
    """A user's corpus and the demo, in shards, explained by the model that the workflow trains."""
    own = pd.DataFrame(
        {"review": ["A fine film & a good cast.", "I hated it.", "Not bad at all."] * 3, "stars": 3 * [1, 0, 1]}
    )
    own.to_csv(tmp_path / "own.csv", index=False)
    rows = [
        {"name": "demo", "path": "demo", "model": "demo", "label": "label"},
        {"name": "own", "path": "own.csv", "model": "demo", "text": "review", "label": "stars", "target": "positive"},
    ]
    pd.DataFrame(rows).fillna("").to_csv(tmp_path / "corpora.tsv", sep="\t", index=False)
    config = {"text": {"corpora": "corpora.tsv", "explanation": {"shard_texts": 70}, "report": {"title": "Made <up>"}}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    run = snakemake("--configfile", tmp_path / "config.yaml", folder=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    results = tmp_path / "results" / "text"
    for name in ("demo", "own"):
        assert {path.name for path in (results / name).iterdir()} - {"shards", "texts.json"} == {
            "benchmarks", "check.json", "class_words.tsv", "logs", "texts.parquet", "words.parquet",
        }  # fmt: skip
    # Texts are counted only where there may be more than one shard.
    assert (results / "demo" / "texts.json").exists() and not (results / "own" / "texts.json").exists()
    assert (results / "demo" / "logs" / "explain_2_of_2.log").exists()
    texts = pd.read_parquet(results / "own" / "texts.parquet")
    assert list(texts["text"]) == list(range(9)) and set(texts["target"]) == {"positive"}
    assert list(texts["label"]) == ["positive", "negative", "positive"] * 3
    held_out = pd.read_csv(results / "demo_model" / "held_out.tsv", sep="\t")
    assert list(pd.read_parquet(results / "demo" / "texts.parquet")["first"]) == list(held_out["text"])
    page = (results / "report.html").read_text()
    assert "Most wrong" in page and "Made &lt;up&gt;" in page and ">film</span>" in page
    again = snakemake("--configfile", tmp_path / "config.yaml", folder=tmp_path)
    assert "Nothing to be done" in again.stdout + again.stderr


@pytest.mark.slow
def test_one_bad_cohort_fails_alone_and_the_others_agree_without_it(tmp_path):
    """Two good cohorts and one of a single label: the report of the finished ones, then that of all."""
    rows = written(tmp_path, "one", "two", "bad", donor="donor")
    with_one_label(tmp_path / "bad.h5ad")
    config = configured(tmp_path, rows, report={"title": "Made <up>"}, consensus={"top": 3})
    run = snakemake("--keep-going", "--configfile", config, folder=tmp_path)
    assert run.returncode == 1
    said = run.stdout + run.stderr
    assert "error: all cells have the label 'T' in 'group'" in said
    assert "missing: bad: all cells have the label 'T' in 'group'" in said
    results = tmp_path / "results" / "genes"
    for name in ("one", "two"):
        assert {path.name for path in (results / name).iterdir()} == COHORT_FILES | {"report.html"}
    assert {path.name for path in (results / "bad").iterdir()} == {"logs"}
    # The report of the others has a name that no rule makes, and the settings of the configuration.
    assert not [name for name in ("report.html", "consensus.tsv", "agreement.tsv") if (results / name).exists()]
    page = (results / "report.partial.html").read_text()
    assert "Partial report" in page and "bad: all cells have the label &#39;T&#39;" in page
    assert "Made &lt;up&gt;" in page and "Made <up>" not in page
    assert all(f">g{number}_{i}<" in page for number in (1, 2, 3) for i in range(3))

    adata = sc.read_h5ad(results / "one" / "explained.h5ad")
    assert len(sc.get.rank_genes_groups_df(adata, group="CD19+ B", key="rank_genes_lrp")) == adata.n_vars
    table = pd.read_parquet(results / "one" / "genes.parquet")
    assert table["p_value"].isna().all() and set(table["cohort"]) == {"one"}

    written(tmp_path, "other", "another", "bad")  # the third is as it was
    run = snakemake("--configfile", config, folder=tmp_path)
    assert run.returncode == 0, run.stderr
    assert "rule genes_train:" in run.stdout + run.stderr
    consensus = pd.read_csv(results / "consensus.tsv", sep="\t", keep_default_na=False)
    assert (consensus["missing"] == "").all() and (consensus["measured"].astype(int) == 3).all()
    for number, group in enumerate(["Naive T", "CD4+/CD25 T Reg", "CD19+ B"], 1):
        first = consensus[consensus["group"] == group].head(3)
        assert {gene[:2] for gene in first["gene"]} == {f"g{number}"}
    assert "all cells have the label" not in (results / "report.html").read_text()
    assert not (results / "report.partial.html").exists()
    again = snakemake("--configfile", config, folder=tmp_path)
    assert "Nothing to be done" in again.stdout + again.stderr


@pytest.mark.slow
def test_used_as_a_module_by_another_workflow(tmp_path):
    """Its rules under another name, its cohort made by another rule, with selected cells and gene sets."""
    rows = written(tmp_path, "made", select="donor != 'donor_0'", donor="donor")
    (tmp_path / "made.h5ad").rename(tmp_path / "source.h5ad")
    gmt = "".join(f"MARKERS_{g}\t\t" + "\t".join(f"g{g}_{i}" for i in range(3)) + "\tother_1\n" for g in (1, 2, 3))
    (tmp_path / "sets.gmt").write_text(gmt)
    config = configured(tmp_path, rows, cohorts_exist=False, gene_sets="sets.gmt", explanation={"layer": False})
    (tmp_path / "Snakefile").write_text(f"""
configfile: "{config}"

module lrp:
    snakefile: "{ROOT / "Snakefile"}"
    config: config
    pathvars:
        results="elsewhere/relevance"

use rule * from lrp as lrp_*

rule everything:
    default_target: True
    input: "elsewhere/relevance/genes/report.html"

rule make_cohort:
    input: "source.h5ad"
    output: "made.h5ad"
    shell: "cp {{input}} {{output}}"
""")
    run = snakemake(folder=tmp_path, snakefile=tmp_path / "Snakefile")
    assert run.returncode == 0, run.stderr
    assert "rule lrp_genes_train:" in run.stdout + run.stderr
    assert not (tmp_path / "results").exists()
    results = tmp_path / "elsewhere" / "relevance" / "genes"
    adata = sc.read_h5ad(results / "made" / "explained.h5ad")
    assert "donor_0" not in set(adata.obs["donor"]) and adata.n_obs == 96 and not adata.layers
    assert (results / "enrichment.tsv").exists() and not (results / "consensus.tsv").exists()
    assert (results / "report.html").exists()


@pytest.mark.slow
def test_another_format_with_a_rare_group_named_by_a_column_and_without_curves(tmp_path):
    adata = made_cohort()
    adata.var["symbol"] = [f"S{i}" for i in range(adata.n_vars)]
    labels = adata.obs["group"].astype(str).to_numpy(dtype=object)
    labels[:2] = "MK"
    adata.obs["group"] = labels
    write_cohort(adata, tmp_path / "file.h5ad")
    pd.DataFrame(adata.X.toarray(), index=adata.obs_names, columns=adata.var_names).to_csv(tmp_path / "matrix.csv.gz")
    adata.obs.to_csv(tmp_path / "cells.csv")
    rows = [
        {"name": "file", "path": "file.h5ad", "labels": "group", "gene_ids": "symbol"},
        {"name": "matrix", "path": "matrix.csv.gz", "labels": "group", "obs": "cells.csv", "rare": "other"},
    ]
    training = {"folds": 3, "epochs": 40, "least_cells": 3}
    config = configured(tmp_path, rows, training=training, ranking={"curves": False}, consensus={"least_cohorts": 1})
    refused = snakemake("--configfile", config, folder=tmp_path)  # the merged group of 2 cells is still too small
    assert refused.returncode == 1 and "'other (2)'; drop them" in refused.stdout + refused.stderr
    assert not (tmp_path / "results" / "genes" / "matrix" / "model.pt").exists()

    rows[1]["rare"] = ""
    config = configured(tmp_path, rows, training=training, ranking={"curves": False}, consensus={"least_cohorts": 1})
    run = snakemake("--configfile", config, folder=tmp_path)
    assert run.returncode == 0, run.stderr
    results = tmp_path / "results" / "genes"
    rewritten = COHORT_FILES - {"curves.tsv"} | {"cohort.h5ad", "report.html"}
    assert {path.name for path in (results / "file").iterdir()} == rewritten
    assert {path.name for path in (results / "matrix").iterdir()} == rewritten | {"cells.json"}
    for name in ("file", "matrix"):
        assert sc.read_h5ad(results / name / "explained.h5ad").n_obs == 118
        assert "dropped 2 cells" in (results / name / "logs" / "select.log").read_text()
    assert set(pd.read_parquet(results / "file" / "genes.parquet")["gene"]) == set(adata.var["symbol"])
    assert (results / "report.html").exists()


@pytest.mark.slow
def test_a_failing_job_reports_why(tmp_path):
    config = configured(tmp_path, written(tmp_path, "made"))
    with_one_label(tmp_path / "made.h5ad")
    run = snakemake("--show-failed-logs", "--configfile", config, folder=tmp_path)
    assert run.returncode == 1
    assert "error: all cells have the label 'T' in 'group'" in run.stdout + run.stderr
    assert not (tmp_path / "results" / "genes" / "made" / "model.pt").exists()
