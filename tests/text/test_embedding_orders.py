"""Tokens that a model embeds in another order, or more than once, keep their relevance, or are refused."""

import pytest
import torch
from torch import nn

from lrp_domains.text import TextError, TextExplainer

from .numbered_words import VOCABULARY, tokenize


class Weighted(nn.Module):
    """A linear model of what it embeds: the vectors of each row count 1, 1/2, 1/3, ..., so that their order matters."""

    def __init__(self, embedded):
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.dense = nn.Embedding(len(VOCABULARY), 8).double(), nn.Linear(8, 2).double()
        self.embedded = embedded

    def forward(self, ids, mask):
        # Padding is embedded as zeros, in any order.
        with torch.no_grad():
            self.embed.weight[0] = 0
        x = self.embedded(self.embed, ids)
        return self.dense((x / torch.arange(1, x.shape[1] + 1)[:, None]).sum(1))


def evens_first(embed, ids):
    return torch.cat([embed(ids[:, ::2]), embed(ids[:, 1::2])], 1)


def in_a_buffer(embed, ids):
    padded = ids.new_zeros(len(ids), ids.shape[1] + 3)
    padded[:, 3:] = ids
    return embed(padded)


ORDERS = {
    "flipped": (lambda embed, ids: embed(ids.flip(1)), lambda n: [*range(n)][::-1]),
    "evens first": (evens_first, lambda n: [*range(0, n, 2), *range(1, n, 2)]),
    "in a buffer": (in_a_buffer, lambda n: [-1, -1, -1, *range(n)]),
    "flat": (lambda embed, ids: embed(ids.reshape(-1)).reshape(*ids.shape, -1), lambda n: [*range(n)]),
    "transposed": (lambda embed, ids: embed(ids.T).transpose(0, 1), lambda n: [*range(n)]),
    "indexed": (
        lambda embed, ids: embed(ids.gather(1, torch.arange(ids.shape[1]).roll(1).expand(len(ids), -1))),
        lambda n: [n - 1, *range(n - 1)],
    ),
    "both ways": (
        lambda embed, ids: torch.cat([embed(ids), embed(torch.flip(input=ids, dims=(1,)))], 1),
        lambda n: [*range(n), *[*range(n)][::-1]],
    ),
    "with its own token": (
        lambda embed, ids: torch.cat([embed(torch.full((len(ids), 1), 6)), embed(ids)], 1),
        lambda n: [-1, *range(n)],
    ),
    "joined with its own token": (
        lambda embed, ids: embed(torch.cat([torch.full((len(ids), 1), 6), ids], 1)),
        lambda n: [-1, *range(n)],
    ),
}


@pytest.mark.parametrize("order", ORDERS)
def test_tokens_have_their_relevance_in_whatever_order_they_are_embedded(order):
    embedded, columns = ORDERS[order]
    model = Weighted(embedded).eval()
    explainer = TextExplainer.from_parts(tokenize, model.embed, model, ["no", "yes"])
    of_vectors = model.dense.weight[1] - model.dense.weight[0]
    texts = ["not a good film good", "a a bad a a"]
    batch = explainer(texts, target="yes")
    for text, result in zip(texts, batch, strict=True):
        ids, _ = tokenize(text)
        amounts = (model.embed.weight[ids] @ of_vectors).tolist()
        expected = [0.0] * len(ids)
        for number, column in enumerate(columns(len(ids)), start=1):
            if column >= 0:
                expected[column] += amounts[column] / number
        alone = explainer(text, target="yes")
        for explained in (result, alone):
            assert [token.relevance for token in explained.tokens] == pytest.approx(expected, abs=1e-12)
        ledger = alone.ledger
        assert ledger.rest == pytest.approx(sum(ledger.leaves.values()) + ledger.residue, abs=1e-12)
        other = "(embedded tokens that are not in the text)"
        assert (other in ledger.leaves) == ("own token" in order)
        if other in ledger.leaves:
            assert ledger.leaves[other] == pytest.approx((model.embed.weight[6] @ of_vectors).item())
            assert f"{ledger.leaves[other]:+.3g} of the score is that of embedded tokens" in alone.notes[0]

    one, reference = explainer(texts[0], target="yes"), explainer(texts[1], target="yes")
    against = explainer(texts[0], target="yes", reference=texts[1])
    assert against.score == pytest.approx(one.score - reference.score)
    differences = [a.relevance - b.relevance for a, b in zip(one.tokens, reference.tokens, strict=True)]
    assert [token.relevance for token in against.tokens] == pytest.approx(differences, abs=1e-12)


@pytest.mark.parametrize(
    "embedded",
    [
        lambda embed, ids: embed(torch.tensor([row[::-1] for row in ids.tolist()])),
        lambda embed, ids: embed(ids) + embed(torch.tensor([row[::-1] for row in ids.tolist()])),
        lambda embed, ids: embed(ids) + embed(ids * 3 % 7),
        lambda embed, ids: embed(ids) + embed(ids.sort(1)[0] + 0),
        lambda embed, ids: embed(ids.clone().add_(1) % 7),
    ],
    ids=["reversed lists", "beside reversed lists", "hashed", "sorted", "changed in place"],
)
def test_tokens_that_were_changed_or_reordered_out_of_sight_are_refused(embedded):
    model = Weighted(embedded).eval()
    explainer = TextExplainer.from_parts(tokenize, model.embed, model, ["no", "yes"], padding="right")
    with pytest.raises(TextError, match=r"not with all of the tokens .* were changed or reordered before"):
        explainer("not a good film good")
    with pytest.raises(TextError, match=r"reordered before|can't be embedded in their place"):
        explainer("not a good film good", reference="bad a film a a")
