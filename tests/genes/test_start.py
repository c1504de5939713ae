"""What the steps of genes import: PyTorch takes seconds, so only steps that compute with networks import it."""

import os
import subprocess
import sys

import pytest

from lrp_domains.genes import made_cohort, relevance, write_cohort, write_table

from ..commands.imported import imported
from .tables_of_ranks import random_cohorts


def test_a_consensus_imports_only_what_reads_tables(tmp_path):
    tables = []
    for cohort, table in random_cohorts(cohorts=2).groupby("cohort"):
        tables.append(tmp_path / f"{cohort}.parquet")
        write_table(table, tables[-1])
    outputs = ["--out", tmp_path / "consensus.tsv", "--agreement", tmp_path / "agreement.tsv"]
    assert imported(["genes", "consensus", *tables, *outputs]) == [{"numpy", "pandas"}]


@pytest.mark.parametrize("module", ["genes.rankings.rank_file", "genes.rankings.enrichment", "genes.report"])
def test_modules_of_steps_without_networks_do_not_import_torch(module):
    code = f"import sys, lrp_domains.{module}; print([name for name in ('torch', 'sklearn') if name in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


@pytest.mark.slow
def test_steps_without_networks_do_not_import_torch(made_model, tmp_path):
    explained = made_cohort()
    relevance(explained, made_model)
    folders = [tmp_path / "one", tmp_path / "two"]
    cohort, genes, across = tmp_path / "explained.h5ad", explained.var_names, {}
    write_cohort(explained, cohort)
    (tmp_path / "sets.gmt").write_text("\n".join(f"{i}\tx\t" + "\t".join(genes[i : i + 20]) for i in (0, 20)))
    across = {name: tmp_path / f"{name}.tsv" for name in ("consensus", "agreement", "enrichment")}
    tables = [folder / "genes.parquet" for folder in folders]
    steps = [["select", cohort, "--where", "group == 'Naive T'", "--out", tmp_path / "some.h5ad"]]
    for folder in folders:
        folder.mkdir()
        options = {"out": "explained.h5ad", "table": "genes.parquet", "stability": "stability.tsv"}
        options = [part for name, file in options.items() for part in (f"--{name}", folder / file)]
        steps.append(["rank", cohort, "--name", folder.name, *options])
    steps += [
        ["consensus", *tables, "--out", across["consensus"], "--agreement", across["agreement"]],
        ["enrich", *tables, "--gene-sets", tmp_path / "sets.gmt", "--out", across["enrichment"]],
        ["page", folders[0], "--out", folders[0] / "report.html"],
        ["report", *folders, "--no-pages", "--out", tmp_path / "report.html"],
    ]
    steps[-1] += [part for name, path in across.items() for part in (f"--{name}", path)]

    for step, names in zip(steps, imported(*(["genes", *step] for step in steps)), strict=True):
        assert "torch" not in names, f"'genes {step[0]}' imports torch"


@pytest.mark.slow
@pytest.mark.parametrize("first", ["import torch", "pass"])
def test_a_wilcoxon_test_leaves_pytorch_its_number_of_threads(made_model, tmp_path, first):
    """numba sets the number of all libraries of the process, also of those that are imported later."""
    explained = made_cohort()
    relevance(explained, made_model)
    write_cohort(explained, tmp_path / "explained.h5ad")
    code = (
        f"{first}\nfrom lrp_domains import genes\nwith genes.open_cohort(sys.argv[1]) as adata: genes.rank(adata)\n"
        "import torch; print(torch.get_num_threads())"
    )
    command = [sys.executable, "-c", "import sys\n" + code, str(tmp_path / "explained.h5ad")]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "2"}
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert run.stdout == "1\n"
