"""What the README and the docs show is run, block by block."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [
    "README.md",
    *(f"docs/{name}.md" for name in "method genes text reference compiled own_model rules checks".split()),
]


def blocks(page: str, language: str = "python") -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), flags=re.DOTALL)


@pytest.fixture
def in_a_folder_with_the_files_it_names(tmp_path, monkeypatch):
    """Small models under the names that the pages load, and an explained cohort."""
    monkeypatch.chdir(tmp_path)
    save_model(tmp_path / "my-sentiment-model")
    save_model(tmp_path / "my-nli-model", labels=("contradiction", "neutral", "entailment"))
    save_model(tmp_path / "my-multiple-choice-model", "MultipleChoice")
    save_language_model(tmp_path / "my-language-model")
    save_vision_and_sequence_models(tmp_path)
    save_ranked_cohort(tmp_path / "results" / "cohort" / "explained.h5ad")


def save_model(folder: Path, head: str = "SequenceClassification", labels: tuple[str, ...] = ("NEGATIVE", "POSITIVE")):
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"not a good film , but wonderful cast".split()]
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "mask_token": "[MASK]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = BertConfig(vocab_size=len(words), id2label=dict(enumerate(labels)), **sizes)
    getattr(transformers, f"BertFor{head}")(config).save_pretrained(folder)


def save_vision_and_sequence_models(folder: Path) -> None:
    from PIL import Image

    from .images.test_guide import save_models
    from .sequences.small_models import bert, kmer_tokenizer

    save_models(folder)
    Image.new("RGB", (20, 24), "teal").save(folder / "cat.png")
    tokenizer = kmer_tokenizer(3)
    for part in (bert(tokenizer).float(), tokenizer):
        part.save_pretrained(folder / "my-dna-model")


def save_language_model(folder: Path) -> None:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: n for n, letter in enumerate(["<end>", *letters])}, []))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    template = "{% for m in messages %}{{ m.role + ': ' + m.content }}{% endfor %}{{ ' assistant: ' }}"
    names = {"eos_token": "<end>", "pad_token": "<end>", "chat_template": template}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    config = GPT2Config(vocab_size=257, n_embd=16, n_layer=1, n_head=2, eos_token_id=0)
    GPT2LMHeadModel(config).save_pretrained(folder)


def save_ranked_cohort(path: Path) -> None:
    import scanpy as sc

    adata = sc.datasets.pbmc68k_reduced()
    adata.uns["rank_genes_lrp"] = adata.uns["rank_genes_groups"]
    path.parent.mkdir(parents=True)
    adata.write_h5ad(path)


@pytest.mark.parametrize("page", PAGES)
def test_the_code_shown_runs(page, in_a_folder_with_the_files_it_names, capsys):
    import matplotlib

    matplotlib.use("agg")
    shown = blocks(page)
    assert shown
    names = {"__name__": "shown"}  # a page is read from top to bottom
    for block in shown:
        exec(compile(block, page, "exec"), names)
    printed = capsys.readouterr().out
    for output in blocks(page, "text"):
        assert output in printed


def test_the_first_block_is_eight_lines_and_prints_what_is_shown_below_it(capsys):
    block = blocks("README.md")[0]
    assert len([line for line in block.splitlines() if line.strip()]) <= 8
    exec(compile(block, "README.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    shown = re.search(r"```\n(torch.Size.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)[1].splitlines()
    assert len(printed) == len(shown)
    number = r"[+-]\d[\d.e+-]*"
    for line, expected in zip(printed, shown, strict=True):
        assert re.sub(number, "", line).split() == re.sub(number, "", expected).split()
        values, wanted = (list(map(float, re.findall(number, text))) for text in (line, expected))
        assert values == pytest.approx(wanted, rel=1e-4, abs=1e-6)


def test_the_pages_that_are_linked_exist():
    for page in ["README.md", *(str(path.relative_to(ROOT)) for path in (ROOT / "docs").rglob("*.md"))]:
        for target in re.findall(r"\]\((?!http)([^)#]+)", (ROOT / page).read_text()):
            assert ((ROOT / page).parent / target).exists(), f"{page} links to {target}"
