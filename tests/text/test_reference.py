"""Texts explained against a reference: the words sum to the difference of the two scores, for every head."""

import pytest
import torch
import transformers

from lrp_domains import SECANT_HALF
from lrp_domains.text import TextExplainer

from .small_models import BERT, bart, bert, gpt2, t5, with_random_weights
from .small_tokenizers import SENTENCES, tokenizer_of

WORDPIECE, BYTES, UNIGRAM = (tokenizer_of(kind) for kind in ("wordpiece", "byte-level", "unigram"))
TEXTS = list(SENTENCES[:3])
MASK, PAD = WORDPIECE.mask_token_id, WORDPIECE.pad_token_id


def roberta(tokenizer):
    ids = {"pad_token_id": tokenizer.pad_token_id, "num_labels": 2}
    config = transformers.RobertaConfig(vocab_size=len(tokenizer), **BERT, **ids)
    return with_random_weights(transformers.RobertaForSequenceClassification(config))


def inputs_of(text, tokenizer=WORDPIECE):
    return tokenizer(text, return_tensors="pt")


def logits_with(model, text, token, tokenizer=WORDPIECE):
    """Return the logits of a text whose words are embedded as a token, with the positions of the text itself."""
    batch = inputs_of(text, tokenizer)
    ids = batch.pop("input_ids")
    is_word = torch.tensor([number is not None for number in tokenizer(text).sequence_ids()])[None]
    embeds = model.get_input_embeddings()(torch.where(is_word, token, ids))
    padding = getattr(model.config, "pad_token_id", 0)
    first = padding + 1 if "roberta" in model.config.model_type else 0
    positions = torch.arange(ids.shape[1])[None] + first
    with torch.no_grad():
        return model(inputs_embeds=embeds, position_ids=positions, **batch).logits[0]


def log_odds(logits, label):
    others = [number for number in range(len(logits)) if number != label]
    return (logits[label] - logits[others].logsumexp(0)).item()


HEADS = {
    "classification": (lambda: TextExplainer(bert(WORDPIECE, num_labels=3), WORDPIECE), TEXTS, "mask", {}),
    "margin": (lambda: TextExplainer(bert(WORDPIECE, num_labels=3), WORDPIECE, score="margin"), TEXTS, "pad", {}),
    "contrast": (
        lambda: TextExplainer(bert(WORDPIECE, num_labels=3), WORDPIECE),
        TEXTS,
        "mask",
        {"target": 2, "against": 0},
    ),
    "sum of embeddings": (lambda: TextExplainer(bert(WORDPIECE), WORDPIECE, embedding="sum"), TEXTS, "mask", {}),
    "whole block": (lambda: TextExplainer(bert(WORDPIECE), WORDPIECE, embedding="*.embeddings"), TEXTS, "mask", {}),
    "pair": (lambda: TextExplainer(bert(WORDPIECE), WORDPIECE), [(TEXTS[0], TEXTS[1])], "mask", {}),
    "windows": (lambda: TextExplainer(bert(WORDPIECE, num_labels=3), WORDPIECE, window=12), TEXTS, "mask", {}),
    "token": (
        lambda: TextExplainer(bert(WORDPIECE, "ForTokenClassification", num_labels=3), WORDPIECE),
        TEXTS,
        "mask",
        {},
    ),
    "tokens": (
        lambda: TextExplainer(bert(WORDPIECE, "ForTokenClassification", num_labels=3), WORDPIECE),
        TEXTS[0],
        "mask",
        {"at": "not a good"},
    ),
    "question": (
        lambda: TextExplainer(bert(WORDPIECE, "ForQuestionAnswering"), WORDPIECE),
        [("who?", text) for text in TEXTS],
        "mask",
        {},
    ),
    "mask": (lambda: TextExplainer(bert(WORDPIECE, "ForMaskedLM"), WORDPIECE), ["a [MASK] film"], "pad", {}),
    "next token": (lambda: TextExplainer(gpt2(BYTES), BYTES), TEXTS, "pad", {}),
    "phrases": (lambda: TextExplainer(gpt2(BYTES), BYTES), TEXTS, "pad", {"target": "good cast", "against": "bad"}),
    "last token": (lambda: TextExplainer(gpt2(BYTES, "ForSequenceClassification"), BYTES), TEXTS, "pad", {}),
    "answer": (lambda: TextExplainer(bart(UNIGRAM), UNIGRAM), TEXTS, "pad", {"target": "good film"}),
    "two sides": (lambda: TextExplainer(bart(UNIGRAM, "ForSequenceClassification"), UNIGRAM), TEXTS, "pad", {}),
    "similarity": (lambda: TextExplainer(bert(WORDPIECE, "Model"), WORDPIECE), [(TEXTS[0], TEXTS[1])], "mask", {}),
}


@pytest.mark.parametrize("head", HEADS)
def test_the_words_sum_to_the_difference_of_the_scores(head):
    make, texts, reference, options = HEADS[head]
    explainer = make()
    for text in texts if isinstance(texts, list) else [texts]:
        result = explainer(text, reference=reference, **options)
        assert result.score == pytest.approx(result.text_score - result.reference.score, abs=1e-12)
        assert sum(word.relevance for word in result.words) == pytest.approx(result.score, abs=1e-9)
        assert result.ledger.added == 0 and abs(result.ledger.residue) < 1e-9 and not result.ledger.leaves
        assert abs(result.score) > 1e-5
        assert (result.prediction, result.target) == _explained(explainer(text, **options))


def _explained(result):
    return result.prediction, result.target


def test_single_precision_is_complete_too():
    explainer = TextExplainer(bert(WORDPIECE, num_labels=3).float(), WORDPIECE)
    for result in explainer(TEXTS, reference="mask"):
        assert sum(word.relevance for word in result.words) == pytest.approx(result.score, abs=1e-5)


def test_t5_is_complete_to_the_precision_of_its_norm():
    for result in TextExplainer(t5(UNIGRAM), UNIGRAM)(TEXTS[:2], target="good film", reference="pad"):
        assert sum(word.relevance for word in result.words) == pytest.approx(result.score, abs=1e-6)
        assert not any(word.relevance for word in result.words if word.part == "target")


@pytest.mark.parametrize("label", [None, 0, 1, 2])
def test_log_odds_are_those_of_the_probabilities(label):
    model = bert(WORDPIECE, num_labels=3)
    with torch.no_grad():
        logits = model(**inputs_of(TEXTS[2])).logits[0]
    masked = logits_with(model, TEXTS[2], MASK)
    result = TextExplainer(model, WORDPIECE)(TEXTS[2], label, reference="mask")
    chosen = int(logits.argmax()) if label is None else label
    assert result.text_score == pytest.approx(log_odds(logits, chosen), abs=1e-9)
    assert result.reference.score == pytest.approx(log_odds(masked, chosen), abs=1e-9)


def test_the_target_is_the_prediction_for_the_text_itself():
    model = bert(WORDPIECE)
    with torch.no_grad():  # shift the logits so that the two predictions differ
        text = model(**inputs_of(TEXTS[0])).logits[0]
        between = (text + logits_with(model, TEXTS[0], MASK)) / 2
        model.classifier.bias -= between
    label = model.config.id2label[int((text - between).argmax())]
    result = TextExplainer(model, WORDPIECE)(TEXTS[0], reference="mask")
    assert result.target == result.prediction == label
    assert result.text_score > 0 > result.reference.score


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "family, sizes",
    [
        ("DebertaV2", {"relative_attention": True, "pos_att_type": ["c2p", "p2c"]}),
        ("XLNet", {"d_model": 16, "n_layer": 1, "n_head": 2, "d_inner": 24}),  # looks up tokens as T x B
        ("XLM", {"emb_dim": 16, "n_layers": 1, "n_heads": 2}),  # looks up token types in the same table
        ("Longformer", {"attention_window": 8, "max_position_embeddings": 80}),  # pads its tokens
    ],
)
def test_models_that_embed_in_another_way(family, sizes):
    ids = {"vocab_size": len(WORDPIECE), "pad_token_id": PAD}
    config = getattr(transformers, f"{family}Config")(**({} if family.startswith("XL") else BERT) | ids | sizes)
    model = with_random_weights(getattr(transformers, f"{family}ForSequenceClassification")(config))
    result = TextExplainer(model, WORDPIECE)(TEXTS[0], reference="mask")
    assert sum(word.relevance for word in result.words) == pytest.approx(result.score, abs=1e-6)
    assert all(word.relevance for word in result.words) and result.ledger.added == 0


@pytest.mark.parametrize("reference, token", [("mask", MASK), ("pad", PAD)])
def test_positions_and_added_tokens_stay(reference, token):
    """A model like RoBERTa counts positions by its tokens, without those of padding."""
    model = roberta(WORDPIECE)
    result = TextExplainer(model, WORDPIECE, score="logit")(TEXTS[0], 1, reference=reference)
    assert result.reference.score == pytest.approx(logits_with(model, TEXTS[0], token)[1].item(), abs=1e-12)


def test_what_a_padded_model_reads_is_unchanged():
    """A classifier of GPT-2 reads the last token that is not padding."""
    tokenizer, model = BYTES, gpt2(BYTES, "ForSequenceClassification")
    result = TextExplainer(model, tokenizer, score="logit")(TEXTS[0], 1, reference="pad")
    with torch.no_grad():
        ids = inputs_of(TEXTS[0], tokenizer)["input_ids"]
        states = model.transformer(inputs_embeds=model.transformer.wte(torch.full_like(ids, tokenizer.pad_token_id)))
        expected = model.score(states.last_hidden_state[0, -1])[1]
    assert result.reference.score == pytest.approx(expected.item(), abs=1e-12)


@pytest.mark.parametrize("kind", ["bert", "gpt2", "bart"])
def test_a_text_of_a_batch_is_explained_as_if_alone(kind):
    model, tokenizer = {
        "bert": lambda: (bert(WORDPIECE, num_labels=3), WORDPIECE),
        "gpt2": lambda: (gpt2(BYTES), BYTES),
        "bart": lambda: (bart(UNIGRAM, "ForSequenceClassification"), UNIGRAM),
    }[kind]()
    explainer = TextExplainer(model, tokenizer)
    for text, result in zip(SENTENCES, explainer(list(SENTENCES), reference="pad"), strict=True):
        alone = explainer(text, reference="pad")
        assert [w.relevance for w in result.words] == pytest.approx([w.relevance for w in alone.words], abs=1e-9)
        assert result.score == pytest.approx(alone.score, abs=1e-9)


def test_each_text_of_a_list_may_have_another_reference():
    explainer = TextExplainer(bert(WORDPIECE), WORDPIECE)
    other = SENTENCES[0].replace("good", "bad")
    mixed = explainer([SENTENCES[0]] * 4, reference=["mask", None, other, "pad"])
    assert [result.rules for result in mixed] == ["secant", "AttnLRP", "secant", "secant"]
    for result, expected in ((mixed[1], explainer(SENTENCES[0])), (mixed[2], explainer(SENTENCES[0], reference=other))):
        assert [w.relevance for w in result.words] == pytest.approx([w.relevance for w in expected.words], abs=1e-12)
    names = [result.reference and result.reference.name for result in mixed]
    assert names == ["all words masked", None, other, "all words replaced by padding"]


def test_half_of_queries_and_keys_is_another_rule_set():
    explainer = TextExplainer(bert(WORDPIECE), WORDPIECE, rules=SECANT_HALF, reference="mask")
    result = explainer(TEXTS[0])
    assert result.rules == SECANT_HALF.name and abs(result.ledger.residue) > 1e-9
    assert "secant" in repr(explainer)


def test_the_model_is_unchanged():
    model = roberta(WORDPIECE)
    TextExplainer(model, WORDPIECE)(TEXTS, reference="mask")
    for module in model.modules():
        assert not module._forward_pre_hooks and not module._forward_hooks
    assert all(parameter.grad is None for parameter in model.parameters())
