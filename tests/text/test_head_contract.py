"""The contract of a head: every head has it, and a class of a few lines is enough for a new one."""

from dataclasses import dataclass, replace

import pytest
import torch

from lrp_domains import CP_LRP
from lrp_domains.text.arguments import Request
from lrp_domains.text.heads.head import FirstPass, Generator, Head
from lrp_domains.text.heads.labels import Labels
from lrp_domains.text.heads.tasks import TASKS, Loaded
from lrp_domains.text.models.text_model import transformers_model
from lrp_domains.text.running.pipeline import Pipeline
from lrp_domains.text.settings import Settings
from lrp_domains.text.tokens.rows import Answer, row_of

from .small_models import bert
from .small_tokenizers import SENTENCES, tokenizer_of


@pytest.mark.parametrize("task", TASKS)
def test_every_head_satisfies_the_protocol(task):
    tokenizer = tokenizer_of("wordpiece")
    settings = Settings(candidates=["a", "b"] if task == "zero-shot-classification" else None)
    model = bert(tokenizer, id2label={0: "contradiction", 1: "entailment"})
    loaded = Loaded(model, tokenizer, settings, pooling="mean", two_sides=False)
    head = TASKS[task].head(loaded)
    assert isinstance(head, Head)
    assert head.labels is None or isinstance(head.labels, Labels)
    assert not head.in_windows or isinstance(head, FirstPass)
    assert head.continues == isinstance(head, Generator)
    assert head.cut_side in ("right", "left")


def test_a_head_without_a_method_of_the_contract_cannot_be_made():
    class Unfinished(Head):
        labels = None

    with pytest.raises(TypeError, match="abstract"):
        Unfinished()


@dataclass(frozen=True)
class FirstState(Head):
    """Explains one neuron of the first token's last state."""

    neuron: int
    labels = None

    def rows(self, encoding, windows, request):
        return encoding, [row_of(encoding, windows[0], subject=request.target or self.neuron)]

    def scores(self, outputs, rows, first):
        neurons = [row.subject for row in rows]
        scores = outputs.last_hidden_state[torch.arange(len(rows)), torch.from_numpy(first), neurons]
        return scores, [Answer(score.item(), None, f"neuron {n}") for score, n in zip(scores, neurons, strict=True)]


def test_a_new_head_explains_batches_of_texts():
    tokenizer, settings = tokenizer_of("wordpiece"), Settings(rules=CP_LRP)
    options = {"task": "sentence-similarity", "embedding": "word", "pooling": "mean", "settings": settings}
    encoder = bert(tokenizer, "Model")
    model = replace(transformers_model(encoder, tokenizer, **options), head=FirstState(3))
    results, account = Pipeline(model, settings).explain([Request(SENTENCES[0]), Request(SENTENCES[1], target=5)])

    expected = [encoder(**tokenizer([text], return_tensors="pt")).last_hidden_state[0, 0] for text in SENTENCES[:2]]
    assert [result.score for result in results] == pytest.approx([expected[0][3].item(), expected[1][5].item()])
    assert [result.target for result in results] == ["neuron 3", "neuron 5"]
    assert account.score == pytest.approx(account.units + sum(account.leaves.values()))
