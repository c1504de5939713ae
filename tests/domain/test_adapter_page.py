"""The domain that docs/adapter.md writes: it runs, and installed as a package it has commands and a workflow."""

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
import torch

from lrp_domains import CP_LRP

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adapter.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, flags=re.DOTALL)


@pytest.fixture
def pixels(monkeypatch, tmp_path_factory):
    """The page's module."""
    folder = tmp_path_factory.mktemp("module")
    (folder / "lrp_pixels.py").write_text(blocks("python")[0])
    monkeypatch.syspath_prepend(folder)
    import lrp_pixels

    yield lrp_pixels
    sys.modules.pop("lrp_pixels")


def test_the_module_has_60_lines_of_code_or_so():
    code = blocks("python")[0].partition("SCHEMA")[0]
    assert len([line for line in code.splitlines() if line.strip()]) < 70


def test_the_lines_below_the_module_run(pixels):
    exec(compile(blocks("python")[1], "adapter.md", "exec"), vars(pixels))


def test_the_only_pixel_that_counts_gets_all_the_relevance(pixels):
    class OnePixel(torch.nn.Module):
        def forward(self, images):
            return torch.stack([images[:, 0, 2, 3], -images[:, 0, 2, 3], 0 * images[:, 0, 0, 0]], dim=1)

    maps, _ = pixels.explain_images(OnePixel(), torch.rand(4, 1, 8, 8))
    elsewhere = maps.clone()
    elsewhere[:, 2, 3] = 0
    assert (maps[:, 2, 3] > 0).all()
    assert not elsewhere.any()


def test_pixels_and_biases_add_up_to_the_score_in_any_batches(pixels):
    model, images = pixels.classifier().double(), torch.rand(7, 1, 8, 8, dtype=torch.float64)
    maps, account = pixels.explain_images(model, images, rules=CP_LRP, batch_size=3)
    whole, _ = pixels.explain_images(model, images, rules=CP_LRP)
    torch.testing.assert_close(maps, whole)
    assert account.units == pytest.approx(float(maps.sum()))
    assert account.score == pytest.approx(account.units + sum(account.leaves.values()), abs=1e-9)


def test_images_of_another_shape_are_refused(pixels):
    with pytest.raises(pixels.DomainError, match=r"shape \(8, 8\); expected N x C x H x W"):
        pixels.explain_images(pixels.classifier(), torch.rand(8, 8))


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A temporary environment with the page's package installed, in addition to the packages of this one."""
    folder = tmp_path_factory.mktemp("environment")
    package = folder / "source" / "lrp_pixels"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(blocks("python")[0])
    (package / "pixels.smk").write_text(blocks("snakemake")[0])
    (package.parent / "pyproject.toml").write_text(blocks("toml")[0])
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "env"], check=True)
    site = next((folder / "env").glob("lib/python*/site-packages"))
    (site / "packages.pth").write_text(f"{ROOT}\n{sysconfig.get_path('purelib')}\n")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--target", site,
         package.parent],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder / "env" / "bin" / "python"


def run(environment: Path, *command: object, folder: Path) -> subprocess.CompletedProcess:
    variables = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    return subprocess.run(
        [environment, "-m", *map(str, command)], capture_output=True, text=True, cwd=folder,
        env=variables | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def write_inputs(folder: Path, pixels) -> None:
    np.save(folder / "images.npy", np.random.default_rng(0).random((5, 1, 8, 8), np.float32))
    torch.save(pixels.classifier().state_dict(), folder / "model.pt")


@pytest.mark.slow
def test_an_installed_domain_adds_its_commands(environment, pixels, tmp_path):
    write_inputs(tmp_path, pixels)
    help_text = run(environment, "lrp_domains", "--help", folder=tmp_path)
    assert "pixels" in help_text.stdout
    assert "genes" in help_text.stdout
    command = ("lrp_domains", "pixels", "explain", "images.npy", "--weights", "model.pt", "--out", "relevance.npy")
    shown = run(environment, *command, folder=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert re.match(r"score [+-]\d", shown.stdout)
    assert np.load(tmp_path / "relevance.npy").shape == (5, 8, 8)


@pytest.mark.slow
def test_its_errors_are_one_line(environment, pixels, tmp_path):
    write_inputs(tmp_path, pixels)
    np.save(tmp_path / "images.npy", np.zeros((8, 8), np.float32))
    command = ("lrp_domains", "pixels", "explain", "images.npy", "--weights", "model.pt", "--out", "relevance.npy")
    shown = run(environment, *command, folder=tmp_path)
    assert shown.returncode == 1
    assert shown.stderr.strip() == "error: images have shape (8, 8); expected N x C x H x W"
    assert not (tmp_path / "relevance.npy").exists()


@pytest.mark.slow
def test_an_installed_domain_adds_its_rules_to_the_workflow(environment, pixels, tmp_path):
    write_inputs(tmp_path, pixels)
    (tmp_path / "config.yaml").write_text(blocks("yaml")[0])
    snakemake = ("snakemake", "--snakefile", ROOT / "Snakefile", "--cores", 1, "--configfile", "config.yaml")
    shown = run(environment, *snakemake, folder=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert np.load(tmp_path / "results" / "pixels" / "relevance.npy").shape == (5, 8, 8)

    (tmp_path / "config.yaml").write_text("pixels: {images: images.npy, wieghts: model.pt}")
    shown = run(environment, *snakemake, folder=tmp_path)
    assert shown.returncode == 1
    assert "pixels: 'weights' is a required property" in shown.stderr
