"""Multiple choice and zero-shot classification: one row per choice, one score per text."""

import numpy as np
import pytest
import torch
from transformers import pipeline

from lrp_domains import CP_LRP, capture, relevance
from lrp_domains.text import TextError, TextExplainer

from .small_models import bart, bert
from .small_tokenizers import SENTENCES, tokenizer_of

WORDPIECE, UNIGRAM = tokenizer_of("wordpiece"), tokenizer_of("unigram")
PROMPT, CHOICES = SENTENCES[3], ["the plot", "a good film was it", "the food"]
NLI = {0: "contradiction", 1: "neutral", 2: "entailment"}
CANDIDATES = ["film", "good food", "plot"]
TEMPLATE = "the {} was it ."


def multiple_choice(**options):
    return TextExplainer(bert(WORDPIECE, "ForMultipleChoice"), WORDPIECE, **({"rules": CP_LRP} | options))


def zero_shot(model=None, tokenizer=WORDPIECE, **options):
    options = {"candidates": CANDIDATES, "template": TEMPLATE, "rules": CP_LRP} | options
    model = bert(WORDPIECE, id2label=NLI) if model is None else model
    return TextExplainer(model, tokenizer, task="zero-shot-classification", **options)


def entailed(model, tokenizer, text=PROMPT, label=2):
    """Return the model's logits of each candidate, and the logits of entailment."""
    rows = [tokenizer(text, TEMPLATE.format(name), return_tensors="pt") for name in CANDIDATES]
    with torch.no_grad():
        logits = torch.cat([model(**row).logits for row in rows])
    return logits, logits[:, label]


def log_odds(logits, target):
    others = torch.cat([logits[:target], logits[target + 1 :]])
    return (logits[target] - others.softmax(0) @ others).item()


def assert_same(result, other):
    assert (result.target, result.prediction) == (other.target, other.prediction)
    assert result.score == pytest.approx(other.score)
    assert [t.relevance for t in result.tokens] == pytest.approx([t.relevance for t in other.tokens], abs=1e-9)


def test_a_multiple_choice_is_explained_by_the_prompt_and_all_choices():
    explainer = multiple_choice()
    assert explainer.task == "multiple-choice"
    model, batch = explainer.model, WORDPIECE([PROMPT] * 3, CHOICES, padding=True, return_tensors="pt")
    with capture(model, "*.word_embeddings") as kept:
        logits = model(**{name: tensor[None] for name, tensor in batch.items()}).logits[0]
    best = int(logits.argmax())
    others = torch.cat([logits[:best], logits[best + 1 :]])
    score = logits[best] - others.detach().softmax(0) @ others
    (of_embeddings,) = relevance(score, list(kept.values()), rules=CP_LRP)
    of_tokens = of_embeddings.sum(-1)

    result = explainer((PROMPT, CHOICES))
    assert (result.target, result.prediction) == (CHOICES[best], CHOICES[best])
    assert result.probability == pytest.approx(logits.softmax(0).max().item())
    assert result.score == pytest.approx(score.item())
    assert result.texts == (PROMPT, *CHOICES)
    assert result.parts == ("prompt", "choice 0", "choice 1", "choice 2")
    in_prompt = (batch["token_type_ids"] == 0) & (batch["input_ids"] > 4)
    expected = [of_tokens[in_prompt].sum()] + [
        row[types == 1][:-1].sum()
        for row, types in zip(
            [r[m.bool()] for r, m in zip(of_tokens, batch["attention_mask"], strict=True)],
            [t[m.bool()] for t, m in zip(batch["token_type_ids"], batch["attention_mask"], strict=True)],
            strict=True,
        )
    ]
    by_part = [sum(word.relevance for word in result.words if word.part == part) for part in result.parts]
    assert by_part == pytest.approx([float(value) for value in expected], abs=1e-9)
    assert len([word for word in result.words if word.part == "prompt"]) == len(PROMPT.split())
    assert abs(result.ledger.residue) < 1e-9
    assert sum(t.relevance for t in result.tokens) == pytest.approx(of_tokens.sum().item())


def test_choices_are_named_by_text_or_number_and_contrasted():
    explainer = multiple_choice()
    batch = WORDPIECE([PROMPT] * 3, CHOICES, padding=True, return_tensors="pt")
    with torch.no_grad():
        logits = explainer.model(**{name: tensor[None] for name, tensor in batch.items()}).logits[0]
    contrast = explainer((PROMPT, CHOICES), target="the food", against=0)
    assert contrast.target == "the food against the plot"
    assert contrast.score == pytest.approx((logits[2] - logits[0]).item())
    results = explainer((PROMPT, CHOICES), target="all")
    assert [result.target for result in results] == CHOICES
    for number, result in enumerate(results):
        assert result.score == pytest.approx(log_odds(logits, number))
        assert_same(result, explainer((PROMPT, CHOICES), target=number))


@pytest.mark.parametrize("batch_size", [1, 4, 99])
def test_texts_with_their_choices_are_explained_together(batch_size):
    texts = [(PROMPT, CHOICES), ("the film", ["bad", "good"]), (SENTENCES[1], ["a", "dull", "bad plot", "loud"])]
    explainer = multiple_choice(batch_size=batch_size)
    for text, result in zip(texts, explainer(texts), strict=True):
        assert_same(result, multiple_choice()(text))


@pytest.mark.parametrize("make, text", [(multiple_choice, (PROMPT, CHOICES)), (zero_shot, PROMPT)])
def test_a_long_text_is_read_in_windows_with_every_choice(make, text):
    long = " ".join(SENTENCES)
    item = long if isinstance(text, str) else (long, CHOICES)
    explainer = make(window=30, stride=3)
    result = explainer(item)
    assert "windows of at most 30 tokens" in result.notes[0]
    assert "".join(w.text for w in result.words if w.part in ("text", "prompt")) == "".join(long.split())
    assert result.ledger.residue == pytest.approx(0, abs=1e-9)
    assert result.ledger.score == pytest.approx(result.ledger.words + result.ledger.added + result.ledger.rest)
    assert_same(result, make(window=30, stride=3, batch_size=99)(item))
    for each, name in zip(
        explainer(item, target="all"), CHOICES if make is multiple_choice else CANDIDATES, strict=True
    ):
        assert_same(each, explainer(item, target=name))
    with pytest.warns(UserWarning, match="tokens were cut off"):
        cut = make(window=30, long="truncate")(item)
    assert len({t.start for t in cut.tokens if t.part in ("text", "prompt")}) < 30


def test_the_mean_of_windows_is_the_mean_of_their_scores():
    explainer = zero_shot(window=30, score="logit")
    long = " ".join(SENTENCES)
    result = explainer(long, target="plot")
    hypotheses = [WORDPIECE(TEMPLATE.format(name), add_special_tokens=False)["input_ids"] for name in CANDIDATES]
    text = WORDPIECE(long, add_special_tokens=False)["input_ids"]
    room = 30 - 3 - max(map(len, hypotheses))
    scores = []
    for start in range(0, len(text), room):
        ids = [2, *text[start : start + room], 3, *hypotheses[2], 3]
        types = [0] * (len(ids) - len(hypotheses[2]) - 1) + [1] * (len(hypotheses[2]) + 1)
        with torch.no_grad():
            scores.append(
                explainer.model(torch.tensor([ids]), token_type_ids=torch.tensor([types])).logits[0, 2].item()
            )
    assert result.score == pytest.approx(np.mean(scores))


def tokens_together(text):
    """Return the number of tokens of a text with each hypothesis, by the tokenizer."""
    return [len(WORDPIECE(text, TEMPLATE.format(name))["input_ids"]) for name in CANDIDATES]


def test_messages_on_a_long_text_have_the_limit_and_the_longest_pair():
    long, counts = " ".join(SENTENCES), tokens_together(" ".join(SENTENCES))
    assert len(set(counts)) > 1
    numbers = rf"'the good food was .*' together have {max(counts)} tokens, but the model reads 64 at once: shorten it"
    with pytest.raises(TextError, match=numbers):
        zero_shot(long="error")(long)
    kept = max(tokens_together("a")) - 1  # [CLS], two [SEP] and the hypothesis
    room = rf"in addition to the {kept} tokens that .* added ones and those of 'the good food was it .'"
    with pytest.raises(TextError, match=rf"a window of {kept} tokens has no room for .* {room}"):
        zero_shot(window=kept)(long)
    with pytest.raises(TextError, match=rf"{kept} tokens at once leave no room for .* {room}"):
        zero_shot(window=kept, long="truncate")(long)
    share = rf"stride=2: windows of {kept + 2} tokens have room for 2 of the text, of which they can share 0 to 1"
    with pytest.raises(TextError, match=share):
        zero_shot(window=kept + 2, stride=2)(long)
    assert zero_shot(window=kept + 1)(long).notes == (
        f"read in {len(WORDPIECE(long, add_special_tokens=False)['input_ids'])} windows of at most {kept + 1} tokens",
    )


def test_a_text_that_is_cut_for_all_its_hypotheses_is_reported_once():
    long = " ".join(SENTENCES)
    with pytest.warns(UserWarning) as caught:
        result = zero_shot(long="truncate", window=40)(long)
    count = max(tokens_together(long))
    (message,) = [str(each.message) for each in caught]
    assert message.startswith(f"text 0: the last {count - 40} of {count} tokens were cut off (characters ")
    assert result.notes == (message.removeprefix("text 0: "),)
    # What is left of the text is what the tokenizer leaves of the longest pair.
    pair = WORDPIECE(long, "the good food was it .", truncation="only_first", max_length=40)
    left = pair["token_type_ids"].index(1) - 2
    assert len([token for token in result.tokens if token.part == "text"]) == left


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize("names", [NLI, {0: "ENTAILMENT", 1: "neutral", 2: "contradiction"}, {0: "not", 1: "entail"}])
def test_zero_shot_is_that_of_the_pipeline(multi_label, names):
    model = bert(WORDPIECE, id2label=names, label2id={name: number for number, name in names.items()})
    classify = pipeline("zero-shot-classification", model=model, tokenizer=WORDPIECE)
    explainer = zero_shot(model, multi_label=multi_label)
    results = explainer([PROMPT, SENTENCES[0]], target="all")
    for text, of_text in ((PROMPT, results[:3]), (SENTENCES[0], results[3:])):
        expected = classify(text, CANDIDATES, hypothesis_template=TEMPLATE, multi_label=multi_label)
        chances = dict(zip(expected["labels"], expected["scores"], strict=True))
        assert [result.target for result in of_text] == CANDIDATES
        _, of_entailment = entailed(
            model, WORDPIECE, text, label=[n.lower()[:6] for n in names.values()].index("entail")
        )
        for number, result in enumerate(of_text):
            if multi_label:
                assert result.probability == pytest.approx(chances[result.target], abs=1e-6)
                assert result.score == pytest.approx(float(torch.logit(torch.tensor(result.probability).double())))
                assert result.prediction == (", ".join(n for n in CANDIDATES if chances[n] >= 0.5) or "none")
            else:
                assert result.prediction == expected["labels"][0]
                assert result.probability == pytest.approx(expected["scores"][0], abs=1e-6)
                assert result.score == pytest.approx(log_odds(of_entailment, number))


@pytest.mark.parametrize("make, text", [(multiple_choice, ("was it ☃", CHOICES)), (zero_shot, "was it ☃")])
def test_what_is_unknown_is_reported_once(make, text):
    assert make()(text).notes == ("1 token is unknown to the model: '☃'",)


def test_zero_shot_with_one_candidate_is_read_like_several():
    explainer = zero_shot(candidates=["film"])
    logits, _ = entailed(explainer.model, WORDPIECE)
    result = explainer(PROMPT)
    assert result.score == pytest.approx((logits[0, 2] - logits[0, 0]).item())
    assert result.parts == ("text", "hypothesis film")


def test_zero_shot_counts_both_sides_of_an_encoder_decoder():
    model = bart(UNIGRAM, "ForSequenceClassification", id2label=NLI)
    explainer = zero_shot(model, UNIGRAM)
    result = explainer(PROMPT, target="plot", against="film")
    _, of_entailment = entailed(model, UNIGRAM)
    assert result.score == pytest.approx((of_entailment[2] - of_entailment[0]).item())
    assert abs(result.ledger.residue) < 1e-9
    assert "".join(word.text for word in result.words if word.part == "text") == "".join(PROMPT.split())
    assert list(result.to_frame("texts")["second"]) == [" | ".join(TEMPLATE.format(name) for name in CANDIDATES)]
    together = explainer([PROMPT, "film"], target="plot", against="film")
    assert_same(together[0], result)


@pytest.mark.parametrize("make, text", [(multiple_choice, (PROMPT, CHOICES)), (zero_shot, PROMPT)])
@pytest.mark.parametrize("reference", ["mask", PROMPT.replace("bad", "good")])
def test_a_reference_replaces_the_text_and_keeps_the_choices(make, text, reference):
    explainer = make(rules=None)
    result = explainer(text, reference=reference)
    assert sum(w.relevance for w in result.words) == pytest.approx(result.score)
    assert {w.reference for w in result.words if w.part not in ("text", "prompt")} == {""}
    other = PROMPT if reference == "mask" else reference
    item = other if isinstance(text, str) else (other, CHOICES)
    assert reference == "mask" or result.reference.score != pytest.approx(explainer(item).score, abs=1e-3)
    assert_same(explainer([text, item], reference=reference)[0], result)


def test_the_word_that_entails_a_candidate_has_the_relevance():
    model = bert(WORDPIECE, id2label=NLI)
    film = WORDPIECE.convert_tokens_to_ids("film")
    with torch.no_grad():  # only attention to "film" reaches the logit of entailment
        model.bert.embeddings.word_embeddings.weight.mul_(0.01)
        model.bert.embeddings.word_embeddings.weight[film] = 3 * torch.randn(
            16, generator=torch.Generator().manual_seed(0)
        )
    explainer = zero_shot(model, candidates=["plot", "food"], rules=None)
    result = explainer("the plot was a film and the food was good")
    text = {word.text: abs(word.relevance) for word in result.words if word.part == "text"}
    assert max(text, key=text.get) == "film"


@pytest.mark.parametrize(
    "make, text, options, message",
    [
        (
            multiple_choice,
            "a film",
            {},
            r"text 0: 'a film' has no choices: pass a tuple of a text and a list of its ch",
        ),
        (multiple_choice, ("a film", "b"), {}, r"'a film' has no choices"),
        (multiple_choice, ("a", ["b"]), {}, r"expected a text with two choices or more, each a string, got 1"),
        (multiple_choice, ("a", ["b", 3]), {}, r"two choices or more, each a string, got 2 \(str, int\)"),
        (multiple_choice, ("a", ["b", "b"]), {}, r"two choices are the same: 'b', 'b'"),
        (multiple_choice, ("a", ["b", "c"]), {"target": "d"}, r"no label 'd'"),
        (multiple_choice, ("a", ["b", "c"]), {"at": 0}, r"at=0 is a place in the text, but a text is read as a whole"),
        (zero_shot, ("a", "b"), {}, r"'a': zero-shot classification reads one text"),
        (zero_shot, "a", {"target": "cast"}, r"no label 'cast'"),
        (lambda: zero_shot(rules=None), "a", {"reference": ("a", "b")}, r"pass one text, the choices stay"),
        (lambda: zero_shot(candidates=None), "a", {}, r"requires the labels to choose from: pass cand"),
        (lambda: zero_shot(candidates="film, plot"), "a", {}, r"candidates='film, plot': expected a list"),
        (lambda: zero_shot(candidates=["a", "a"]), "a", {}, r"contains a label twice"),
        (lambda: zero_shot(template="a film"), "a", {}, r"template='a film': expected a sentence with {}"),
        (lambda: zero_shot(template="a {film}"), "a", {}, r"expected a sentence with {}"),
        (lambda: zero_shot(bert(WORDPIECE)), "a", {}, r"no label for entailment \(it has 'LABEL_0', 'LABEL_1'\)"),
        (lambda: zero_shot(long_text="first"), "a", {}, r"the text that may be cut is fixed"),
        (
            lambda: TextExplainer(bert(WORDPIECE), WORDPIECE),
            ("a", ["b", "c"]),
            {},
            r"'a' comes with choices, which are",
        ),
    ],
)
def test_a_request_that_does_not_fit_raises(make, text, options, message):
    with pytest.raises(TextError, match=message):
        make()(text, **options)
