"""Answers of long contexts, by the best of several windows, and contexts that have no answer."""

import numpy as np
import pytest
import torch

from lrp_domains import CP_LRP
from lrp_domains.text import TextError, TextExplainer
from lrp_domains.text.heads.answers import LONGEST_ANSWER

from .small_models import bert
from .small_tokenizers import SENTENCES, tokenizer_of

WORDPIECE = tokenizer_of("wordpiece")
QUESTION, CONTEXT = "what was bad ?", SENTENCES[3]
LONG = " ".join(SENTENCES * 2)
CLS, SEP = WORDPIECE.cls_token_id, WORDPIECE.sep_token_id


def answerer(seed=0, **options):
    model = bert(WORDPIECE, "ForQuestionAnswering")
    with torch.no_grad():
        model.qa_outputs.weight.normal_(0, 2, generator=torch.Generator().manual_seed(seed))
    return TextExplainer(model, WORDPIECE, **({"rules": CP_LRP, "score": "logit"} | options))


def windows_of(model, question, context, length, stride):
    """Return per window the start of its first token in the context, and the logits of starts and ends, by own code."""
    batch = WORDPIECE(
        question,
        context,
        truncation="only_second",
        max_length=length,
        stride=stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    result = []
    for number in range(len(batch["input_ids"])):
        inputs = {k: torch.tensor([batch[k][number]]) for k in ("input_ids", "token_type_ids", "attention_mask")}
        with torch.no_grad():
            outputs = model(**inputs)
        inside = [n == 1 for n in batch.sequence_ids(number)]
        result.append((batch["offset_mapping"][number], inside, outputs.start_logits[0], outputs.end_logits[0]))
    return result


def best_answers(windows):
    """Return the sum of logits and the characters of the best answer of each window."""
    answers = []
    for offsets, inside, starts, ends in windows:
        columns = [column for column, is_inside in enumerate(inside) if is_inside]
        pairs = [(a, b) for a in columns for b in columns if a <= b < a + LONGEST_ANSWER]
        start, end = max(pairs, key=lambda pair: starts[pair[0]] + ends[pair[1]])
        answers.append(((starts[start] + ends[end]).item(), offsets[start][0], offsets[end][1]))
    return answers


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("window, stride", [(25, 6), (None, None), (20, 0)])
def test_the_answer_of_the_best_window_is_explained(seed, window, stride):
    explainer = answerer(seed, window=window, stride=stride, batch_size=2)
    context = LONG if window else f"{LONG} {LONG}"
    result = explainer((QUESTION, context))
    room = (window or 64) - len(WORDPIECE(QUESTION)["input_ids"]) - 1
    windows = windows_of(explainer.model, QUESTION, context, window or 64, room // 3 if stride is None else stride)
    answers = best_answers(windows)
    best = int(np.argmax([total for total, _, _ in answers]))
    score, start, end = answers[best]
    assert result.prediction == context[start:end]
    assert result.target == f"the answer '{context[start:end]}'"
    assert result.score == pytest.approx(score)
    assert abs(result.ledger.residue) < 1e-9
    characters = [offset for offset, is_inside in zip(windows[best][0], windows[best][1], strict=True) if is_inside]
    explained = (
        f"explained is window {best + 1} of {len(windows)}, characters {characters[0][0]} to {characters[-1][1]} of "
        f"{len(context)}"
    )
    assert explained in result.notes
    words = [word for word in result.words if word.part == "context"]
    # A word that begins or ends outside of the window is shown as a whole.
    assert words[0].start <= characters[0][0] < words[0].end and words[-1].start < characters[-1][1] <= words[-1].end
    together = explainer([("who ?", CONTEXT), (QUESTION, context)])
    assert together[1].score == pytest.approx(result.score)
    assert [w.relevance for w in together[1].words] == pytest.approx([w.relevance for w in result.words], abs=1e-9)


def test_a_window_is_explained_as_the_text_that_it_has():
    compared = 0
    for window in range(20, 30):
        explainer = answerer(window=window, stride=6)
        result = explainer((QUESTION, LONG))
        words = [word for word in result.words if word.part == "context"]
        context = LONG[words[0].start : words[-1].end]
        if len(WORDPIECE(QUESTION, context)["input_ids"]) == window:  # it begins and ends with whole words
            alone = explainer((QUESTION, context))
            assert [w.relevance for w in alone.words] == pytest.approx([w.relevance for w in result.words])
            compared += 1
    assert compared >= 3


def test_a_chosen_answer_is_explained_in_a_window_that_has_all_of_it():
    explainer = answerer(window=25, stride=6)
    place = LONG.index("U.S. movie")
    result = explainer((QUESTION, LONG), at=(place, place + 10))
    assert result.target == "the answer 'U.S. movie'"
    sums = []
    for offsets, inside, starts, ends in windows_of(explainer.model, QUESTION, LONG, 25, 6):
        columns = [n for n, (a, b) in enumerate(offsets) if inside[n] and a < place + 10 and b > place]
        whole = columns and offsets[columns[0]][0] == place and offsets[columns[-1]][1] == place + 10
        sums += [(starts[columns[0]] + ends[columns[-1]]).item()] if whole else []
    assert result.score == pytest.approx(max(sums))
    with pytest.raises(TextError, match="no window has all of this answer; pass a larger stride="):
        explainer((QUESTION, LONG), at=(0, 150))


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("context", [CONTEXT, LONG])
def test_no_answer_is_predicted_where_it_is_more_probable(seed, context):
    explainer = answerer(seed, no_answer=True, window=40, stride=8)
    windows = windows_of(explainer.model, QUESTION, context, 40, 8)
    best = max(best_answers(windows))
    null = min((starts[0] + ends[0]).item() for _, _, starts, ends in windows)
    result = explainer((QUESTION, context))
    assert (result.prediction == "no answer") == (null > best[0])
    assert result.score == pytest.approx(max(null, best[0]))
    assert abs(result.ledger.residue) < 1e-9

    without = answerer(seed, window=40, stride=8)
    assert without((QUESTION, context)).prediction == context[best[1] : best[2]]
    asked = without((QUESTION, context), target="no answer")
    assert asked.target == "no answer" and asked.score == pytest.approx(null)
    for each in (explainer, without):
        contrast = each((QUESTION, context), against="no answer")
        assert contrast.target == f"the answer '{context[best[1] : best[2]]}' against no answer"
        starts, ends = next((s, e) for a, (_, _, s, e) in zip(best_answers(windows), windows, strict=True) if a == best)
        assert contrast.score == pytest.approx(best[0] - (starts[0] + ends[0]).item())


def test_the_probability_of_no_answer_is_that_of_its_two_ends():
    explainer = answerer(no_answer=True)
    with torch.no_grad():
        explainer.model.qa_outputs.weight.zero_()
        outputs = explainer.model.bert(**WORDPIECE(QUESTION, CONTEXT, return_tensors="pt")).last_hidden_state[0]
        explainer.model.qa_outputs.weight.copy_((outputs[0] - outputs[1:].mean(0)).expand(2, -1))
        logits = explainer.model(**WORDPIECE(QUESTION, CONTEXT, return_tensors="pt")).start_logits[0]
    result = explainer((QUESTION, CONTEXT))
    assert result.prediction == result.target == "no answer"
    assert result.probability == pytest.approx(logits.softmax(0)[0].item() ** 2)
    assert explainer((QUESTION, CONTEXT), target="start").target == "the start of no answer"
    masked = answerer(no_answer=True, rules=None)((QUESTION, CONTEXT), target="no answer", reference="mask")
    assert sum(word.relevance for word in masked.words) == pytest.approx(masked.score)


def test_no_answer_is_explained_in_the_window_where_it_is_least_probable():
    explainer = answerer(no_answer=True, window=25, stride=6)
    with torch.no_grad():
        explainer.model.bert.embeddings.word_embeddings.weight[CLS] *= 20  # no other state is like that of [CLS]
        states = explainer.model.bert(**WORDPIECE(QUESTION, CONTEXT, return_tensors="pt")).last_hidden_state[0]
        explainer.model.qa_outputs.weight.copy_(10 * (states[0] - states[1:].mean(0)).expand(2, -1))
    windows = windows_of(explainer.model, QUESTION, LONG, 25, 6)
    nulls = [(starts[0] + ends[0]).item() for _, _, starts, ends in windows]
    result = explainer((QUESTION, LONG))
    assert result.prediction == result.target == "no answer"
    assert result.score == pytest.approx(min(nulls)) and min(nulls) < max(nulls) - 0.1
    assert f"window {int(np.argmin(nulls)) + 1} of {len(nulls)}" in " ".join(result.notes)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"against": "start"}, r"against='start': the answer of a context can only be contrasted with 'no answer'"),
        ({"target": "no answer", "against": "no answer"}, r"target and against are both 'no answer'"),
        ({"target": "no answer", "against": "end"}, r"can only be contrasted with 'no answer'"),
        ({"target": "no answer", "at": 0}, r"at=0 is an answer, but the target is 'no answer': leave one of them out"),
    ],
)
def test_a_request_that_does_not_fit_raises(options, message):
    with pytest.raises(TextError, match=message):
        answerer()((QUESTION, CONTEXT), **options)


def test_a_tokenizer_without_cls_has_no_answer_to_predict():
    tokenizer = tokenizer_of("unigram")
    model = bert(tokenizer, "ForQuestionAnswering")
    assert TextExplainer(model, tokenizer)((QUESTION, CONTEXT)).prediction in CONTEXT
    with pytest.raises(TextError, match=r"\[CLS\] was not added to the text, by which"):
        answerer(add_special_tokens=False)((QUESTION, CONTEXT), target="no answer")
    with pytest.raises(TextError, match=r"the tokenizer has no \[CLS\] token"):
        TextExplainer(model, tokenizer, no_answer=True)((QUESTION, CONTEXT))
