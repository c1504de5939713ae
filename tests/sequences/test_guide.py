"""What docs/sequences.md shows is run, block by block."""

import re
from pathlib import Path

import pytest
import torch

from .small_models import bert, kmer_tokenizer, sequences

PAGE = Path(__file__).parents[2] / "docs/sequences.md"


@pytest.fixture
def in_a_folder_with_the_files_it_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    tokenizer = kmer_tokenizer(3)
    for part in (bert(tokenizer).float(), tokenizer):
        part.save_pretrained("my-dna-model")
    chromosome = sequences(1, 500)[0]
    Path("genome.fa").write_text(f">chr1\n{chromosome}\n")
    Path("peaks.bed").write_text("chr1\t50\t130\tone\t0\t-\nchr1\t200\t260\ttwo\t0\t+\n")
    Path("variants.vcf").write_text(f"chr1\t100\trs1\t{chromosome[99]}\tN\nchr1\t200\t.\t{chromosome[199:202]}\tA\n")
    Path("sequences.fa").write_text("".join(f">s{n} label=open\n{s}\n" for n, s in enumerate(sequences(4, 60))))


@pytest.mark.usefixtures("in_a_folder_with_the_files_it_names")
def test_the_guide_runs():
    names = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL):
        exec(compile(block, str(PAGE), "exec"), names)
    assert Path("logo.png").is_file() and Path("relevance.bw").is_file() and Path("report.html").is_file()
    assert len(names["effects"]) == 2 and names["result"].hypothetical.shape == (25, 4)


def test_commands_of_the_guide_have_the_options_that_it_shows():
    from typer.testing import CliRunner

    from lrp_domains.command_line import app

    shown = re.findall(r"^lrp-domains sequences (\S+) (.*)$", PAGE.read_text(), flags=re.MULTILINE)
    assert {command for command, _ in shown} == {"train-demo", "explain", "check", "report", "tracks"}
    for command, arguments in shown:
        known = CliRunner().invoke(app, ["sequences", command, "--help"], env={"COLUMNS": "200"}).output
        for option in re.findall(r"--[a-z-]+", arguments):
            assert option in known
