"""Tokens of one or several letters: each shares its relevance among its letters, and special tokens stay apart."""

import numpy as np
import pytest
import torch

from lrp_domains import capture, relevance
from lrp_domains.domain import DomainError, score_of
from lrp_domains.sequences import SequenceExplainer

from .small_models import SPECIAL, bert, bpe_tokenizer, esm, kmer_tokenizer, sequences


@pytest.mark.parametrize("k", [1, 3, 5])
def test_words_share_equally_among_their_letters(k):
    tokenizer, (letters,) = kmer_tokenizer(k), sequences(1, 20)
    model = bert(tokenizer)
    result = SequenceExplainer(model, encode=tokenizer)(letters, target="yes")
    words = " ".join(letters[start : start + k] for start in range(len(letters) - k + 1))
    ids = tokenizer(words if k > 1 else letters, return_tensors="pt")["input_ids"]
    with capture(model, "bert.embeddings.word_embeddings") as kept:
        logits = model(input_ids=ids).logits
    (embedded,) = kept.values()
    tokens = relevance(score_of(logits, torch.tensor([1])), embedded, model=model)[0].sum(1).detach().numpy()
    expected = np.zeros(len(letters))
    for place, amount in enumerate(tokens[1:-1]):
        for step in range(k):
            expected[place + step] += amount / k
    assert result.relevance == pytest.approx(expected)
    assert result.relevance.sum() == pytest.approx(tokens[1:-1].sum())
    assert result.hypothetical is None and result.rest == pytest.approx(result.score - tokens[1:-1].sum())


@pytest.mark.parametrize("reference", ["shuffle", "N", "mask"])
def test_transformers_are_explained_completely(reference):
    tokenizer = kmer_tokenizer(3)
    explainer = SequenceExplainer(bert(tokenizer), encode=tokenizer, reference=reference, references=2)
    for result in explainer(sequences(3, 20)):
        assert result.rest == pytest.approx(0, abs=1e-8) and result.prediction in ("no", "yes")


def test_proteins(tmp_path):
    model, tokenizer = esm(tmp_path)
    letters = ["MKTAYIAKQRQISFVKSHFSRQ", "MKTAYIAKQRQISFVKSHFSRX", "MKV"]
    results = SequenceExplainer(model, "protein", tokenizer, reference="shuffle", references=2)(letters)
    assert [len(result.relevance) for result in results] == [22, 22, 3]
    assert all(result.rest == pytest.approx(0, abs=1e-6) for result in results)  # ESM rotates in float32


def test_a_protein_model_is_known_by_its_tokens(tmp_path):
    model, tokenizer = esm(tmp_path)
    model.save_pretrained(tmp_path / "esm")
    tokenizer.save_pretrained(tmp_path / "esm")
    explainer = SequenceExplainer.from_pretrained(tmp_path / "esm", device="cpu")
    assert explainer("MKTAYIAKQRX").alphabet == explainer.alphabet.letters == "ACDEFGHIKLMNPQRSTVWY"
    assert SequenceExplainer(model, "ACGU", tokenizer).alphabet.letters == "ACGU"
    for of_dna in (kmer_tokenizer(1), bpe_tokenizer()):
        assert SequenceExplainer(bert(of_dna), encode=of_dna).alphabet.letters == "ACGT"
    of_texts = kmer_tokenizer(1)
    of_texts.add_tokens([*"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"])
    assert SequenceExplainer(bert(of_texts), encode=of_texts).alphabet.letters == "ACGT"


def test_letters_that_a_tokenizer_separates_by_spaces(tmp_path):
    from transformers import BertTokenizer

    (tmp_path / "vocab.txt").write_text("\n".join([*SPECIAL.values(), *"LAGVESIKRDTPNQFYMHCWX"]))
    tokenizer = BertTokenizer(str(tmp_path / "vocab.txt"), do_lower_case=False)  # that of ProtBert
    model, letters = bert(tokenizer), "MKTAYIAKQRXL"
    ids = tokenizer(" ".join(letters), return_tensors="pt")["input_ids"]
    explainer = SequenceExplainer(model, encode=tokenizer, score="logit", reference="N")
    result = explainer(letters, target="yes")
    assert result.score == pytest.approx(model(input_ids=ids).logits[0, 1].item())
    assert result.rest == pytest.approx(0, abs=1e-8) and result.relevance[10] == 0  # X is the reference there
    assert explainer.encoding.spans(letters)[1:-1] == [(place, place + 1) for place in range(12)]


def test_pairs_of_bytes_share_among_unequal_lengths():
    tokenizer, letters = bpe_tokenizer(), sequences(2, 30)
    explainer = SequenceExplainer(bert(tokenizer), encode=tokenizer)
    spans = explainer.encoding.spans(letters[0])
    assert spans[0] == spans[-1] == (0, 0) and [letters[0][s:e] for s, e in spans[1:-1]] == tokenizer.tokenize(
        letters[0]
    )
    assert len({end - start for start, end in spans[1:-1]}) > 1
    for result in explainer(letters):
        for start, end in explainer.encoding.spans(result.sequence)[1:-1]:
            assert np.ptp(result.relevance[start:end]) == 0
    with pytest.raises(DomainError, match="as many letters and tokens"):
        explainer(letters, reference="shuffle")


def test_unknown_words_cover_their_letters():
    tokenizer = kmer_tokenizer(3)
    explainer = SequenceExplainer(bert(tokenizer), encode=tokenizer)
    assert explainer.encoding.spans("ACGNT") == [(0, 0), (0, 3), (1, 4), (2, 5), (0, 0)]
