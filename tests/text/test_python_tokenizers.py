"""Tokenizers written in Python: what they add is known by position, and their tokens are found in the text."""

import json

import numpy as np
import pytest
import transformers

from lrp_domains import CP_LRP
from lrp_domains.text import TextExplainer
from lrp_domains.text.tokens.encoding import encode

from .small_models import bert
from .small_tokenizers import SENTENCES, python_tokenizer, tokenizer_of

ITEMS = [
    ("a zzz film", "is good"),
    ("a [SEP] film", "[MASK] good"),
    ("☃☃", "☃"),
    ("☃☃",),
    ("[UNK] a ☃ film !",),
    ("[SEP] ☃ [UNK] plot",),
    ("wonderful terrible, Résumé",),
    ("", "good"),
    ("good", ""),
    ("[CLS] a film [SEP]",),
    (SENTENCES[2],),
]


@pytest.mark.parametrize("item", ITEMS)
def test_a_python_tokenizer_reads_as_one_with_offsets(item):
    (slow,), (fast,) = encode(python_tokenizer(), [item]), encode(tokenizer_of("wordpiece"), [item])
    assert slow.pieces == fast.pieces
    assert slow.part.tolist() == fast.part.tolist()
    inside = fast.part >= 0
    assert slow.spans[inside].tolist() == fast.spans[inside].tolist()
    assert slow.special.tolist() == fast.special.tolist() and slow.notes == fast.notes


def test_an_explanation_is_that_of_the_tokenizer_with_offsets():
    model = bert(tokenizer_of("wordpiece"))
    tokenizers = python_tokenizer(), tokenizer_of("wordpiece")
    slow, fast = (TextExplainer(model, tokenizer, rules=CP_LRP) for tokenizer in tokenizers)
    for text in (*SENTENCES, "a ☃ film", "is [SEP] good"):
        assert [w[:3] for w in slow(text).words] == [w[:3] for w in fast(text).words]
        assert [w.relevance for w in slow(text).words] == pytest.approx([w.relevance for w in fast(text).words])


def places(tokenizer, *texts):
    (encoding,) = encode(tokenizer, [texts])
    fields = zip(encoding.pieces, encoding.part.tolist(), encoding.spans.tolist(), strict=True)
    return [(piece, "" if part < 0 else texts[part][slice(*span)]) for piece, part, span in fields]


@pytest.fixture(params=["BertweetTokenizer", "PhobertTokenizer"])
def bpe_with_at_signs(request, tmp_path):
    (tmp_path / "vocab.txt").write_text("go@@ 1\nod 1\nfilm 1\nbad 1\na 1\n")
    (tmp_path / "merges.txt").write_text("#version\ng o 5\no d</w> 4\nf i 3\nfi l 3\nfil m</w> 4\nb a 3\nba d</w> 2\n")
    return getattr(transformers, request.param)(str(tmp_path / "vocab.txt"), str(tmp_path / "merges.txt"))


def test_tokens_with_the_mark_of_a_continuation(bpe_with_at_signs):
    found = places(bpe_with_at_signs, "good bad x film", "a film")
    assert found == [
        ("<s>", ""), ("go@@", "go"), ("od", "od"), ("bad", "bad"), ("<unk>", "x"), ("film", "film"),
        ("</s>", ""), ("</s>", ""), ("a", "a"), ("film", "film"), ("</s>", ""),
    ]  # fmt: skip


def test_residues_of_a_protein(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join("<cls> <pad> <eos> <unk> A C D E L M <mask>".split()))
    tokenizer = transformers.EsmTokenizer(str(tmp_path / "vocab.txt"))
    assert places(tokenizer, "MAJ<mask>D") == [
        ("<cls>", ""), ("M", "M"), ("A", "A"), ("<unk>", "J"), ("<mask>", "<mask>"), ("D", "D"), ("<eos>", ""),
    ]  # fmt: skip


def test_characters_and_bytes_beside_special_tokens():
    characters = places(transformers.CanineTokenizer(), "é\ue000 a")  # U+E000 is what CANINE adds in front
    assert [text for _, text in characters] == ["", "é", "\ue000", " ", "a", ""]
    in_bytes = places(transformers.ByT5Tokenizer(), "é </s> 👩")
    assert [text for _, text in in_bytes] == ["é", "é", "</s>", "👩", "👩", "👩", "👩", ""]


def test_a_tokenizer_that_builds_its_input_in_another_way():
    class Unusual(type(python_tokenizer())):
        def build_inputs_with_special_tokens(self, token_ids_0, token_ids_1=None):
            first = [self.cls_token_id, *(n + 0 for n in token_ids_0)]  # needs numbers
            return [*first, self.sep_token_id] if token_ids_1 is None else [*first, self.sep_token_id, *token_ids_1]

    tokenizer = python_tokenizer()
    unusual = Unusual.__new__(Unusual)
    unusual.__dict__.update(tokenizer.__dict__)
    (encoding,) = encode(unusual, [("a ☃ film", "is good")])
    assert encoding.part.tolist() == [-1, 0, 0, 0, -1, *[1] * (len(encoding) - 5)]


@pytest.mark.parametrize("name", ["MarianTokenizer", "M2M100Tokenizer"])
def test_sentencepiece_in_python(name, tmp_path):
    sentencepiece = pytest.importorskip("sentencepiece")
    path = tmp_path / "model.spm"
    with path.open("wb") as file:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(SENTENCES * 20),
            model_writer=file,
            vocab_size=90,
            minloglevel=2,
            hard_vocab_limit=False,
        )
    processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    pieces = [processor.id_to_piece(number) for number in range(3, processor.vocab_size())]
    names = ["<s>", "<pad>", "</s>", "<unk>", *pieces]
    vocabulary = tmp_path / "vocab.json"
    vocabulary.write_text(json.dumps({piece: n for n, piece in enumerate(names)}))
    options = (
        {"vocab_file": str(vocabulary), "spm_file": str(path)}
        if name == "M2M100Tokenizer"
        else {"source_spm": str(path), "target_spm": str(path), "vocab": str(vocabulary)}
    )
    tokenizer = getattr(transformers, name)(**options)
    text = "the plot was ☃ good, and a wonderful film"
    (encoding,) = encode(tokenizer, [(text,)])
    assert encoding.spans is not None
    inside = np.flatnonzero(encoding.part == 0)
    covered = {i for start, end in encoding.spans[inside].tolist() for i in range(start, end)}
    assert {i for i, letter in enumerate(text) if not letter.isspace()} == covered
    assert encoding.notes == ("1 token is unknown to the model: '☃'",)
    assert (encoding.part < 0).sum() == (2 if name == "M2M100Tokenizer" else 1)
