"""A change of anything that results depend on makes them again, and nothing else does."""

import os
import re

import pytest
import torch
import yaml

from lrp_domains.genes import made_cohort

from .runs import configured, snakemake, written

CODE = "import torch\n\ndef make(genes, table):\n    return torch.nn.Linear(genes, 3)\n"


@pytest.fixture
def project(tmp_path):
    """A cohort explained by a model that is declared by code in a package, with weights, genes and a table."""
    adata = made_cohort()
    package = tmp_path / "model" / "pack" / "deep"
    package.mkdir(parents=True)
    (package / "nets.py").write_text(CODE)
    (package / "__init__.py").write_text("")
    (package.parent / "__init__.py").write_text("from .deep.nets import make\n")
    torch.save(torch.nn.Linear(adata.n_vars, 3).state_dict(), tmp_path / "model" / "weights.pt")
    (tmp_path / "model" / "genes.txt").write_text("\n".join(adata.var_names))
    (tmp_path / "table.json").write_text("{}")
    declared = {
        "network": "pack:make",
        "arguments": {"genes": adata.n_vars, "table": "table.json"},
        "weights": "weights.pt",
        "genes": "genes.txt",
        "classes": list(adata.obs["group"].cat.categories),
    }
    (tmp_path / "model" / "model.yaml").write_text(yaml.safe_dump(declared))
    configured(tmp_path, written(tmp_path, "made", model="model/model.yaml"), allow_code=True)
    return tmp_path


def jobs(folder):
    """Return the rules of a dry run."""
    plan = snakemake("--dry-run", "--configfile", "config.yaml", "--until", "genes_check", folder=folder)
    assert plan.returncode == 0, plan.stderr
    return set(re.findall(r"rule (\w+):", plan.stdout + plan.stderr))


def replaced(path, content):
    """Replace a file by one that is as old, as by mv."""
    times = path.stat().st_mtime_ns
    before = path.read_bytes()
    path.write_bytes(content)
    os.utime(path, ns=(times, times))
    return before


@pytest.mark.slow
def test_all_files_of_a_declared_model_are_inputs_by_content(project, monkeypatch):
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    run = snakemake("--configfile", "config.yaml", "--until", "genes_check", folder=project)
    assert run.returncode == 0, run.stdout + run.stderr
    package = project / "model" / "pack"
    assert list(package.rglob("*.pyc"))  # importing the code wrote them
    assert not jobs(project)
    for name in ("model/pack/deep/nets.py", "model/weights.pt", "model/genes.txt", "table.json", "made.h5ad"):
        before = replaced(project / name, (project / name).read_bytes()[::-1])
        assert "genes_check" in jobs(project), name
        replaced(project / name, before)
    os.utime(project / "model" / "weights.pt")
    assert not jobs(project)
    (project / "config.yaml").write_text((project / "config.yaml").read_text() + "  allow_pickle: true\n")
    assert not jobs(project)


def test_texts_of_the_configuration_are_no_wildcards(tmp_path):
    title = "Genes {of} <each> 'group' $(touch pwned)"
    rows = written(tmp_path, "made", target="a {b} <c>")
    config = configured(tmp_path, rows, report={"title": title}, explanation={"against": "d {e}"})
    plan = snakemake("--dry-run", "--printshellcmds", "--configfile", config, folder=tmp_path)
    assert plan.returncode == 0, plan.stderr
    for text in ("--target 'a {b} <c>'", "--against 'd {e}'", "--title 'Genes {of} <each>"):
        assert text in plan.stdout + plan.stderr
    assert not (tmp_path / "pwned").exists()
