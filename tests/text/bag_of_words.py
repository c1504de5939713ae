"""A bag of words: a model whose relevance is known, and its tokenizer."""

from torch import nn

VOCABULARY = ["<pad>", "<s>", "film", "good", "bad", "great", "a"]


class BagOfWords(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(len(VOCABULARY), 4).double()
        self.linear = nn.Linear(4, 2).double()

    def forward(self, ids, mask):
        return self.linear((self.embed(ids) * mask[..., None]).sum(1))


def tokenize(text):
    """Return the numbers of the tokens, and the range of characters of each word."""
    spans, end = [], 0
    for word in text.split():
        spans.append((text.index(word, end), text.index(word, end) + len(word)))
        end = spans[-1][1]
    return [1, *(VOCABULARY.index(text[a:b]) for a, b in spans)], [None, *spans]
