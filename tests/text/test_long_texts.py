"""Long texts: windows whose mean is explained exactly, or a cut that is reported."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from lrp_domains import CP_LRP
from lrp_domains.text import TextError, TextExplainer
from lrp_domains.text.tokens.encoding import encode
from lrp_domains.text.tokens.lengths import cut, windows

from .small_models import bert, gpt2
from .small_tokenizers import SENTENCES, tokenizer_of

LONG = " ".join(SENTENCES * 2)
WORDPIECE = tokenizer_of("wordpiece")


@pytest.mark.parametrize("length, stride", [(12, 0), (12, 3), (9, 5), (40, 10), (400, 0)])
def test_windows_cover_all_tokens_and_share_the_stride(length, stride):
    (encoding,) = encode(WORDPIECE, [(LONG,)])
    picks = windows(encoding, length, stride)
    assert set(np.concatenate(picks)) == set(range(len(encoding)))
    for pick in picks:
        assert len(pick) <= length
        assert {0, len(encoding) - 1} <= set(pick)  # [CLS] and [SEP] are in each
        assert (np.diff(pick) > 0).all()
    inner = [pick[1:-1] for pick in picks]
    for pick, following in pairwise(inner):
        assert len(np.intersect1d(pick, following)) == stride


def test_windows_of_a_pair_keep_the_first_text():
    (encoding,) = encode(WORDPIECE, [("who did it", LONG)])
    for pick in windows(encoding, 20):
        assert (encoding.part[pick] == 0).sum() == (encoding.part == 0).sum()


def test_the_mean_of_windows_is_what_is_explained():
    model = bert(WORDPIECE, num_labels=3)
    explainer = TextExplainer(model, WORDPIECE, rules=CP_LRP, window=15, stride=2, batch_size=3)
    result = explainer(LONG)
    (encoding,) = encode(WORDPIECE, [(LONG,)])
    picks = windows(encoding, 15, 2)
    parts = [
        model(**{name: torch.from_numpy(values[pick])[None] for name, values in encoding.inputs.items()}).logits[0]
        for pick in picks
    ]
    mean = torch.stack(parts).mean(0)
    label = mean.argmax().item()
    others = [torch.cat([logits[:label], logits[label + 1 :]]) for logits in parts]
    odds = [logits[label] - other.softmax(0) @ other for logits, other in zip(parts, others, strict=True)]
    assert result.prediction == f"LABEL_{label}"
    assert result.score == pytest.approx(torch.stack(odds).mean().item())
    assert result.notes == (f"read in {len(picks)} windows of at most 15 tokens",)
    alone = TextExplainer(model, WORDPIECE, rules=CP_LRP, window=15, stride=2, batch_size=99)(LONG)
    assert abs(alone.ledger.residue) < 1e-9
    assert [w.relevance for w in alone.words] == pytest.approx([w.relevance for w in result.words])
    assert "".join(w.text for w in result.words) == "".join(LONG.split())


def test_long_and_short_texts_are_explained_together():
    explainer = TextExplainer(bert(WORDPIECE), WORDPIECE, window=15)
    for text, result in zip([LONG, "good"], explainer([LONG, "good"]), strict=True):
        assert result.score == pytest.approx(explainer(text).score)


def test_a_cut_is_reported():
    explainer = TextExplainer(bert(WORDPIECE), WORDPIECE, long="truncate")
    with pytest.warns(UserWarning, match=r"text 0: the last \d+ of \d+ tokens were cut off \(characters \d+ to"):
        result = explainer(LONG)
    end = result.words[-1].end
    assert f"characters {end} to" in result.notes[0] or f"characters {end + 1} to" in result.notes[0]
    assert len(result.tokens) == 64
    assert explainer("good film").notes == ()


def test_a_causal_model_keeps_the_end():
    tokenizer = tokenizer_of("byte-level")
    explainer = TextExplainer(gpt2(tokenizer), tokenizer, long="truncate")
    with pytest.warns(UserWarning, match="the first"):
        result = explainer(LONG)
    assert result.words[-1].end == len(LONG)
    (encoding,) = encode(tokenizer, [(LONG,)])
    kept, _ = cut(encoding, 64, "left")
    assert kept.pieces == encoding.pieces[-64:]


@pytest.mark.parametrize(
    "options, text, message",
    [
        ({"long": "error"}, LONG, r"has \d+ tokens, but the model reads 64 at once: .*long='windows'"),
        ({"window": 65}, "a", r"window=65: the model reads at most 64"),
        (
            {"window": 4, "stride": 2},
            LONG,
            r"stride=2: windows of 4 tokens have room for 2 .* share 0 to 1",
        ),
        ({"window": 2}, LONG, r"a window of 2 tokens has no room"),
        ({"long_text": "second"}, (LONG, "short"), rf"no room for 'short' in .* of '{LONG[:40]}…': shorten that$"),
        ({"long_text": "second", "long": "truncate"}, (LONG, "short"), r"no room for 'short' in .*…': shorten that$"),
        (
            {"long_text": "second", "long": "error"},
            (LONG, "short"),
            rf"'{LONG[:40]}…' and 'short' together have \d+ tok",
        ),
        ({"long_text": "second", "long": "error"}, (LONG, "short"), rf"at once: shorten '{LONG[:40]}…'$"),
        ({"long": "error"}, (LONG, "short"), r"at once: shorten it, or pass long='windows' or long='truncate'"),
        ({"window": 12}, (LONG, LONG), r"no room for .* in addition to the \d+ tokens .*, or pass long='truncate'"),
    ],
)
def test_a_text_that_does_not_fit_raises(options, text, message):
    with pytest.raises(TextError, match=message):
        TextExplainer(bert(WORDPIECE), WORDPIECE, **options)(text)


@pytest.mark.parametrize("long", ["windows", "truncate", "error"])
def test_a_long_choice_is_to_be_shortened(long):
    explainer = TextExplainer(bert(WORDPIECE, "ForMultipleChoice"), WORDPIECE, long=long)
    with pytest.raises(TextError, match=rf"shorten (that|'{LONG[:40]}…')$"):
        explainer(("a film", [LONG, "bad"]))


@pytest.mark.parametrize("long_text, sliding", [(None, 0), ("first", 0), ("second", 1)])
@pytest.mark.parametrize("long", ["windows", "truncate"])
def test_either_text_of_a_pair_is_cut_or_read_in_windows(long_text, sliding, long):
    pair = (LONG, "who did it") if sliding == 0 else ("who did it", LONG)
    model = bert(WORDPIECE)
    explainer = TextExplainer(model, WORDPIECE, rules=CP_LRP, long=long, long_text=long_text, window=30)
    if long == "windows":
        result = explainer(pair)
        for part, text in zip(("first", "second"), pair, strict=True):
            assert "".join(w.text for w in result.words if w.part == part) == "".join(text.split())
        (encoding,) = encode(WORDPIECE, [pair])
        picks = windows(encoding, 30, part=sliding)
        inputs = [{k: torch.from_numpy(v[pick])[None] for k, v in encoding.inputs.items()} for pick in picks]
        logits = torch.cat([model(**each).logits for each in inputs])
    else:
        with pytest.warns(UserWarning, match=r"text 0: the last \d+ of \d+ tokens were cut off \(characters \d+ to"):
            result = explainer(pair)
        only = ("only_first", "only_second")[sliding]
        logits = model(**WORDPIECE(*pair, truncation=only, max_length=30, return_tensors="pt")).logits
    mean = logits.mean(0)
    assert result.score == pytest.approx((mean.max() - mean.min()).item())
    assert abs(result.ledger.residue) < 1e-9


@pytest.mark.parametrize("length", [12, 13, 31, 64])
@pytest.mark.parametrize("pair", [(LONG, LONG), (LONG, SENTENCES[3]), (SENTENCES[0], LONG)])
def test_two_long_texts_are_cut_like_by_the_tokenizer(pair, length):
    (encoding,) = encode(WORDPIECE, [pair])
    shorter, note = cut(encoding, length)
    assert len(shorter) == length and "tokens were cut off" in note
    expected = WORDPIECE(*pair, truncation="longest_first", max_length=length)
    counts = [(shorter.part == part).sum() for part in (0, 1)]
    of_tokenizer = [expected.sequence_ids().count(part) for part in (0, 1)]
    assert np.abs(np.subtract(counts, of_tokenizer)).max() <= 1  # of an odd number of tokens either has one more
    assert shorter.inputs["input_ids"][0] == expected["input_ids"][0]


def test_texts_beside_a_long_pair_are_explained_as_alone():
    explainer = TextExplainer(bert(WORDPIECE, num_labels=3), WORDPIECE)
    pairs = [("a film", "is good"), (LONG, "is bad"), ("is bad", LONG), "the plot"]
    for pair, result in zip(pairs, explainer(pairs), strict=True):
        alone = explainer(pair)
        assert result.score == pytest.approx(alone.score)
        assert [w.relevance for w in result.words] == pytest.approx([w.relevance for w in alone.words], abs=1e-9)
