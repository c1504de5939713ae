"""What docs/images.md shows is run, block by block."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

PAGE = Path(__file__).parents[2] / "docs/images.md"
SMALL = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
VISION = {**SMALL, "image_size": 16, "patch_size": 4}


def save_models(folder: Path) -> None:
    import transformers

    from ..text.small_tokenizers import tokenizer_of

    torch.manual_seed(0)
    tokenizer = tokenizer_of("wordpiece")
    text = SMALL | {"vocab_size": len(tokenizer), "max_position_embeddings": 16, "eos_token_id": tokenizer.sep_token_id}
    classifier = transformers.ViTConfig(**VISION, id2label={0: "cat", 1: "dog"})
    transformers.ViTForImageClassification(classifier).save_pretrained(folder / "my-image-model")
    config = transformers.CLIPConfig(text_config=text, vision_config=VISION, projection_dim=16)
    transformers.CLIPModel(config).save_pretrained(folder / "my-clip-model")
    tokenizer.save_pretrained(folder / "my-clip-model")
    for name in ("my-image-model", "my-clip-model"):
        transformers.ViTImageProcessorPil(size={"height": 16, "width": 16}).save_pretrained(folder / name)


@pytest.fixture
def in_a_folder_with_the_files_it_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_models(tmp_path)
    for number, name in enumerate(("cat", "dog")):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 24, 3), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    Image.fromarray(np.arange(24, dtype=np.uint8) // 12 * np.ones((20, 1), np.uint8)).save("mask.png")
    Path("pictures.csv").write_text("path,label,mask\ncat.png,cat,mask.png\ndog.png,dog,mask.png\n")


@pytest.mark.usefixtures("in_a_folder_with_the_files_it_names")
def test_the_guide_runs():
    names = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(), flags=re.DOTALL):
        exec(compile(block, str(PAGE), "exec"), names)
    assert names["result"].pixels.shape == (16, 16)
    assert Path("relevance.png").is_file() and Path("report.html").is_file()
    assert len(names["results"]) == 2 and len(Path("segments.tsv").read_text().splitlines()) == 5


def test_commands_of_the_guide_have_the_options_that_it_shows():
    from typer.testing import CliRunner

    from lrp_domains.command_line import app

    shown = re.findall(r"^lrp-domains images (\S+) (.*)$", PAGE.read_text(), flags=re.MULTILINE)
    assert {command for command, _ in shown} == {"train-demo", "explain", "check", "report"}
    for command, arguments in shown:
        help_text = CliRunner().invoke(app, ["images", command, "--help"], terminal_width=200).output
        assert all(option in help_text for option in re.findall(r"--[\w-]+", arguments))
